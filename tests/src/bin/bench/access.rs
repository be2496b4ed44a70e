//! What it costs to ask who may do what: 1,000 guests and a client of an ordinary user's, ours with
//! Cedar and with polkit, the stock daemon with polkit, each polkitd with a bus of its own.

use std::fs;
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use virt_rpc::codec::Internal;
use virt_rpc::protocol::decisions::{
    Acknowledge, AcknowledgeArgs, Decide, DecideArgs, Purpose, Question, Reload, Subject,
    Target as Object,
};
use virt_rpc::protocol::remote::{
    ConnectGetAllDomainStats, ConnectGetAllDomainStatsArgs, ConnectGetLibVersion, DomainDefineXml,
    DomainDefineXmlArgs, DomainGetInfo, DomainGetInfoArgs, NonnullDomain,
};
use virt_rpc::protocol::{Object as Kind, Permission, Procedure};
use virt_rpc::server::start_time;
use virt_tests::acld::Acld;
use virt_tests::guest;
use virt_tests::host::Host;
use virt_tests::measure::cpu_nanoseconds;
use virt_tests::polkit::{self, Polkit};
use virt_tests::somebody::Somebody;
use virt_tests::target::Target;
use virt_tests::wire::Wire;

use crate::cores::{self, OnClientCore};
use crate::side::{list, milliseconds};
use crate::table::{Better, Goal, Table};
use crate::{Plan, in_turn};

/// A user of every Debian, who is asked about.
const USER: (u32, u32, &str) = (5, 60, "games");

/// The same in both languages: the user may do everything to guests of some names.
const CEDAR: &str = r#"permit(principal == User::"root", action, resource);
permit(principal == User::"games", action in Action::"connect", resource);
permit(principal == User::"games", action in Action::"domain", resource)
when { resource.domain_name like "guest-*" };
"#;
const POLKIT: &str = r#"polkit.addRule(function(action, subject) {
    if (subject.user != "games") return polkit.Result.NOT_HANDLED;
    if (action.id.indexOf("org.libvirt.api.connect.") == 0) return polkit.Result.YES;
    if (action.id.indexOf("org.libvirt.api.domain.") == 0 &&
        action.lookup("domain_name").indexOf("guest-") == 0) return polkit.Result.YES;
    return polkit.Result.NO;
});
"#;

/// Who decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Nobody,
    Cedar,
    Polkit,
}

/// A daemon of ours with its virtacld, or one without.
enum Place {
    Alone(Box<Host>),
    /// With whom it asks.
    Asking(Box<Acld>),
    /// The stock daemon with its polkitd.
    Stock(Box<(Host, Polkit)>),
}

/// One of the daemons, with 1,000 guests.
struct Side {
    by: By,
    index: usize,
    place: Place,
    guest: NonnullDomain,
}

impl Side {
    fn start(target: Target, index: usize, by: By, guests: usize) -> Option<Self> {
        let mut place = match (target, by) {
            (_, By::Nobody) => Place::Alone(Box::new(Host::of(target))),
            (Target::Ours, By::Cedar) => Place::Asking(Box::new(Acld::start(CEDAR)?)),
            (Target::Ours, By::Polkit) => {
                Place::Asking(Box::new(Acld::with_polkit(&[("10.rules", POLKIT)])?))
            }
            (Target::Stock, _) => {
                let host = Host::prepared(target, polkit::prepare);
                polkit::rule(&host, "10.rules", POLKIT);
                let polkit = Polkit::start(&host);
                Place::Stock(Box::new((host, polkit)))
            }
        };
        let host = place.host();
        let (file, access) = match (target, by) {
            (_, By::Nobody) => (target, ""),
            (_, By::Cedar) => (target, "access_drivers = [ \"cedar\" ]\n"),
            (_, By::Polkit) => (target, "access_drivers = [ \"polkit\" ]\n"),
        };
        let file = match file {
            Target::Ours => "virtqemud.conf",
            Target::Stock => "libvirtd.conf",
        };
        let conf = format!("{access}auth_unix_rw = \"none\"\nunix_sock_rw_perms = \"0777\"\n");
        fs::write(host.path("etc/libvirt").join(file), conf).expect("the configuration");
        let (name, value) = polkit::address(host);
        let bus = format!("{name}={value}");
        let core = cores::pair().map_or_else(|| "0".to_owned(), |(_, daemon)| daemon.to_string());
        let before = match by {
            By::Polkit => vec!["env", &bus, "taskset", "-c", &core],
            _ => vec!["taskset", "-c", &core],
        };
        let host = place.host_mut();
        host.spawn_daemon_by(&before, &[]);
        host.await_socket();
        let mut wire = host.wire();
        let mut defined = (0..guests).map(|number| {
            let xml = guest::firmware_only(&format!("guest-{number:05}"), "");
            let args = DomainDefineXmlArgs { xml };
            wire.call::<DomainDefineXml>(&args).expect("define").dom
        });
        let guest = defined.next().expect("at least one guest");
        assert_eq!(defined.count(), guests - 1);
        Some(Self {
            by,
            index,
            place,
            guest,
        })
    }

    /// A connection of the user's.
    fn open(&self) -> (Somebody, Wire) {
        let host = self.place.host();
        let (somebody, socket) = Somebody::connect(USER.0, USER.1, &host.socket());
        let mut wire = Wire::over(socket).expect("a connection");
        wire.introduce(host.served()).expect("open");
        (somebody, wire)
    }

    /// All processes that work for its clients.
    fn processes(&self) -> Vec<u32> {
        let mut all = vec![self.place.host().daemon_pid()];
        match &self.place {
            Place::Alone(_) => {}
            Place::Asking(acld) => {
                all.push(acld.pid());
                all.extend(acld.polkit.iter().flat_map(Polkit::processes));
            }
            Place::Stock(both) => all.extend(both.1.processes()),
        }
        all
    }

    fn cpu(&self) -> u64 {
        self.processes().into_iter().map(cpu_nanoseconds).sum()
    }

    /// Makes nothing be known that was decided before; the stock daemon remembers nothing.
    fn forget(&self) {
        if let Place::Asking(acld) = &self.place {
            let socket = acld.host.path("run/libvirt/virtacld-sock");
            let mut wire = Wire::connect(&socket).expect("virtacld");
            let reloaded = wire.call::<Reload>(&()).expect("reload").reloaded.0;
            assert!(reloaded.unconfirmed.is_empty(), "{reloaded:?}");
        }
    }
}

impl Place {
    fn host(&self) -> &Host {
        match self {
            Self::Alone(host) => host,
            Self::Asking(acld) => &acld.host,
            Self::Stock(both) => &both.0,
        }
    }

    fn host_mut(&mut self) -> &mut Host {
        match self {
            Self::Alone(host) => host,
            Self::Asking(acld) => &mut acld.host,
            Self::Stock(both) => &mut both.0,
        }
    }
}

pub fn measure(plan: &Plan, targets: &[Target], table: &mut Table) {
    if !polkit::can_run() {
        return;
    }
    let _core = OnClientCore::new();
    let guests = if plan.quick { 100 } else { 1000 };
    let mut sides = Vec::new();
    for (index, target) in targets.iter().enumerate() {
        let ways: &[By] = match target {
            Target::Ours => &[By::Nobody, By::Cedar, By::Polkit],
            Target::Stock => &[By::Nobody, By::Polkit],
        };
        let started = ways
            .iter()
            .filter_map(|by| Side::start(*target, index, *by, guests));
        sides.extend(started);
    }
    let time = Duration::from_millis(if plan.quick { 50 } else { 500 });
    in_turn(plan.rounds, &mut sides, |_, side| {
        lists(side, guests, table);
        calls(side, time, table);
    });
    overhead(plan, &sides, table);
    for side in &sides {
        decisions(plan, side, table);
    }
}

/// Adds a figure to the rows it belongs to: the stock daemon with polkit is what both of ours are
/// compared with.
fn add(
    side: &Side,
    table: &mut Table,
    name: impl Fn(&str) -> String,
    unit: (&'static str, Better),
    goals: bool,
    value: f64,
) {
    let stock = side.index != 0 && side.by == By::Polkit;
    let rows: &[(&str, By, f64)] = &[
        ("without access control", By::Nobody, 0.0),
        ("cedar", By::Cedar, 50.0),
        ("polkit", By::Polkit, 10.0),
    ];
    for (label, by, times) in rows {
        if side.by == *by || (stock && *by == By::Cedar) {
            let goal = match goals && *times > 0.0 {
                true => Goal::Times(*times),
                false => Goal::None,
            };
            table.add(side.index, &name(label), unit.0, unit.1, goal, value);
        }
    }
}

/// A list and statistics of all guests, first with nothing known, then again.
fn lists(side: &Side, guests: usize, table: &mut Table) {
    let (_somebody, mut wire) = side.open();
    let listed = |wire: &mut Wire| assert_eq!(list(wire, 0).len(), guests);
    let told = |wire: &mut Wire| {
        let args = ConnectGetAllDomainStatsArgs {
            doms: Vec::new(),
            stats: 0,
            flags: 0,
        };
        let stats = wire.call::<ConnectGetAllDomainStats>(&args);
        assert_eq!(stats.expect("statistics").retStats.len(), guests);
    };
    twice(side, table, &format!("list of {guests}"), || {
        listed(&mut wire)
    });
    twice(side, table, &format!("domstats of {guests}"), || {
        told(&mut wire)
    });
}

/// What a call costs with nothing known, and what it costs then.
fn twice(side: &Side, table: &mut Table, what: &str, mut work: impl FnMut()) {
    side.forget();
    for known in ["nothing known", "asked before"] {
        let before = side.cpu();
        let taken = milliseconds(&mut work);
        let cpu = (side.cpu() - before) as f64 / 1e6;
        let name = |by: &str| format!("{what}, {by}, {known}");
        add(side, table, name, ("ms", Better::Lower), true, taken);
        let name = |by: &str| format!("CPU of all processes for {what}, {by}, {known}");
        add(side, table, name, ("ms", Better::Lower), true, cpu);
    }
}

/// One call at a time; how many a second.
fn rate<P: Procedure>(wire: &mut Wire, args: &P::Args, time: Duration) -> f64 {
    let started = Instant::now();
    let mut done = 0_u32;
    while started.elapsed() < time {
        wire.call::<P>(args).expect("call");
        done += 1;
    }
    f64::from(done) / started.elapsed().as_secs_f64()
}

fn calls(side: &Side, time: Duration, table: &mut Table) {
    let (_somebody, mut wire) = side.open();
    let info = DomainGetInfoArgs {
        dom: side.guest.clone(),
    };
    let cheap = rate::<ConnectGetLibVersion>(&mut wire, &(), time);
    let informed = rate::<DomainGetInfo>(&mut wire, &info, time);
    for (what, value) in [("Cheap call", cheap), ("Domain info", informed)] {
        let name = |by: &str| format!("{what}, {by}");
        let unit = ("per second", Better::Higher);
        add(side, table, name, unit, false, value);
    }
}

/// What deciding adds to the CPU time of a call, of all processes together, in percent: in short turns,
/// for the machine drifts.
fn overhead(plan: &Plan, sides: &[Side], table: &mut Table) {
    let find = |by| sides.iter().find(|side| side.index == 0 && side.by == by);
    let Some(plain) = find(By::Nobody) else {
        return;
    };
    let calls = if plan.quick { 200 } else { 5_000 };
    for (by, name) in [(By::Cedar, "cedar"), (By::Polkit, "polkit")] {
        let Some(asking) = find(by) else { continue };
        let mut both = [plain, asking].map(|side| (side, side.open()));
        for _ in 0..plan.rounds {
            for (what, cheap) in [("a cheap call", true), ("a domain info", false)] {
                let mut used = [0; 2];
                for _ in 0..10 {
                    for (place, (side, (_, wire))) in both.iter_mut().enumerate() {
                        let info = DomainGetInfoArgs {
                            dom: side.guest.clone(),
                        };
                        let before = side.cpu();
                        for _ in 0..calls / 10 {
                            match cheap {
                                true => drop(wire.call::<ConnectGetLibVersion>(&()).expect("call")),
                                false => drop(wire.call::<DomainGetInfo>(&info).expect("call")),
                            }
                        }
                        used[place] += side.cpu() - before;
                    }
                }
                let more = (used[1] as f64 / used[0] as f64 - 1.0) * 100.0;
                let goal = match by {
                    By::Cedar => Goal::AtMost(10.0),
                    _ => Goal::None,
                };
                let name = format!("CPU time that {name} adds to {what}");
                table.add(0, &name, "%", Better::Lower, goal, more);
            }
        }
    }
}

/// Microseconds that a call takes, and the processor time of the daemon for it.
fn median_of(count: u32, pid: u32, mut call: impl FnMut()) -> (f64, f64) {
    let before = cpu_nanoseconds(pid);
    let mut taken: Vec<_> = (0..count)
        .map(|_| {
            let started = Instant::now();
            call();
            started.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    let cpu = (cpu_nanoseconds(pid) - before) as f64 / 1e3 / f64::from(count);
    taken.sort_by(f64::total_cmp);
    (taken[taken.len() / 2], cpu)
}

/// Single decisions, asked of virtacld itself, which remembers none.
fn decisions(plan: &Plan, side: &Side, table: &mut Table) {
    let (Place::Asking(acld), By::Cedar) = (&side.place, side.by) else {
        return;
    };
    if let Some((_, daemon)) = cores::pair() {
        let mut only = CpuSet::new();
        only.set(daemon).expect("a core number");
        let pid = i32::try_from(acld.pid()).expect("a process id");
        sched_setaffinity(Pid::from_raw(pid), &only).expect("stay on a core");
    }
    let (somebody, _wire) = side.open();
    let pid = i32::try_from(somebody.pid()).expect("a process id");
    let question = Internal(Question {
        subject: Subject {
            pid: Some(pid),
            start_time: start_time(pid),
            uid: USER.0,
            gid: USER.1,
            selinux_context: None,
        },
        driver: "QEMU".to_owned(),
        back_ends: vec!["cedar".to_owned()],
        readonly: false,
        call: DomainGetInfo::ROW.name.to_owned(),
        purpose: Purpose::Call,
        permissions: vec![Permission::Read],
        targets: vec![Object {
            object: Kind::Domain,
            details: vec![
                ("domain_name".to_owned(), "guest-00000".to_owned()),
                (
                    "domain_uuid".to_owned(),
                    "c7a5fdbd-cdaf-9455-926a-d65c16db1809".to_owned(),
                ),
            ],
            owner_users: Vec::new(),
            owner_groups: Vec::new(),
        }],
    });
    let args = DecideArgs { question };
    let socket = acld.host.path("run/libvirt/virtacld-sock");
    let mut wire = Wire::connect(&socket).expect("virtacld");
    let count = if plan.quick { 500 } else { 10_000 };
    for _ in 0..plan.rounds {
        let (median, cpu) = median_of(count, acld.pid(), || {
            let answer = wire.call::<Decide>(&args).expect("a decision").answer.0;
            assert_eq!(answer.allowed, [true]);
        });
        let name = "One decision of cedar over virtacld's socket, median";
        table.add(0, name, "µs", Better::Lower, Goal::AtMost(30.0), median);
        let name = "virtacld's CPU time for it";
        table.add(0, name, "µs", Better::Lower, Goal::None, cpu);
        // What any answer over that socket takes: nothing is decided, nothing looked up.
        let generation = 0;
        let (median, cpu) = median_of(count, acld.pid(), || {
            let nothing = AcknowledgeArgs { generation };
            wire.call::<Acknowledge>(&nothing).expect("an answer");
        });
        let name = "A call of virtacld that does nothing, median";
        table.add(0, name, "µs", Better::Lower, Goal::None, median);
        let name = "virtacld's CPU time for that";
        table.add(0, name, "µs", Better::Lower, Goal::None, cpu);
    }
}
