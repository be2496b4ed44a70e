//! The part of a start that talks to the new QEMU.

use std::sync::Arc;
use std::time::Duration;

use virt_domain::Domain;
use virt_domain::lifecycle::LifecycleAction;
use virt_driver::{Event, Guest as _, Paused, Running as RunReason, Shutoff, State};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use super::prepare::{self, Forked};
use super::{Origin, Plan, back_ends, memory_devices, processor};
use crate::caps::QemuCaps;
use crate::guest::{Becomes, Body, IothreadThread, Lifecycle, Live, Policy, Qemu, Running, Vcpu};
use crate::qmp::machine::{Chardev, Cpu, Iothread};
use crate::qmp::memory::MemoryDevice;
use crate::qmp::monitor::Ready;
use crate::qmp::peripheral::{self, Object};
use crate::qmp::{Monitor, QmpError};
use crate::tuning::{groups, scheduling};

/// How long QEMU may take to come up, as with the stock daemon; guests whose memory is allocated
/// at start get more.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a QEMU that closed its monitor may take to end by itself.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// `virConnectDomainEventDiskChangeReason`: a medium was missing, or a whole disk.
const MISSING_ON_START: i32 = 0;
const DROPPED_ON_START: i32 = 1;

/// And for each GiB of memory.
const PATIENCE_PER_GIB: Duration = Duration::from_secs(1);

/// What the ends of the guest's run become.
pub(crate) fn policy(domain: &Domain) -> Policy {
    let becomes = |action: Option<LifecycleAction>| match action {
        Some(LifecycleAction::Restart | LifecycleAction::CoredumpRestart) => Becomes::Restarted,
        Some(LifecycleAction::Preserve) => Becomes::Kept,
        _ => Becomes::Off,
    };
    Policy {
        on_poweroff: becomes(domain.on_poweroff),
        on_crash: becomes(domain.on_crash),
    }
}

impl Body {
    /// Starts the guest, which is shut off.
    ///
    /// # Errors
    /// What is missing, by name; QEMU's own last words when it does not come up. Nothing of the
    /// start is left behind then.
    pub(crate) async fn boot(&mut self, plan: Plan) -> Result<()> {
        let planned = plan.domain.clone();
        let reason = match &plan.origin {
            Origin::Boot => "booted",
            Origin::Saved(_) => "restored",
        };
        let started = self.launch(plan).await;
        self.audit_start(&planned, reason, started.is_ok());
        started
    }

    async fn launch(&mut self, plan: Plan) -> Result<()> {
        let driver = Arc::clone(self.driver());
        if !plan.paused {
            let resources = driver.leases.of(&plan.domain).await?;
            driver.leases.check(&resources).await?;
        }
        let id = driver.registry.next_id();
        let (caps, domain) = (Arc::clone(&plan.caps), plan.domain);
        let (origin, reset) = (plan.origin, plan.reset_nvram);
        let forked = tokio::task::spawn_blocking(move || {
            let forked = prepare::fork(&driver, &caps, domain, id, &origin, reset);
            forked.map(|forked| (forked, origin))
        });
        let (mut forked, origin) = match forked.await {
            Ok(Ok(forked)) => forked,
            failed => {
                self.change(|snapshot| snapshot.state = State::Shutoff(Shutoff::Failed));
                return Err(match failed {
                    Ok(Err(error)) => error,
                    _ => fault("the guest's start ended by a fault of the daemon's own"),
                });
            }
        };
        let dropped = std::mem::take(&mut forked.dropped);
        let ready = self.adopt(id, forked, &plan.caps)?;
        for medium in dropped {
            self.emit(Event::DiskChange {
                old: Some(medium.path),
                new: None,
                alias: medium.alias,
                reason: if medium.drive_stays {
                    MISSING_ON_START
                } else {
                    DROPPED_ON_START
                },
            });
        }
        let came_up = self.come_up(ready, origin, plan.paused).await;
        if let Err(error) = came_up {
            let error = self.give_up(error).await;
            return Err(error);
        }
        Ok(())
    }

    /// Makes the new QEMU the guest's.
    fn adopt(&mut self, id: i32, forked: Forked, caps: &Arc<QemuCaps>) -> Result<Ready> {
        let connected = match Monitor::start_within(forked.monitor, patience(&forked.domain)) {
            Ok(connected) => connected,
            Err(cause) => {
                // The process goes with the belongings: nobody else knows of it yet.
                let _ = forked.process.kill();
                let belongings = forked.belongings;
                // Removing them blocks.
                tokio::task::spawn_blocking(move || drop(belongings));
                let what = "cannot watch QEMU's monitor";
                return Err(Error::system(ErrorDomain::Qemu, what, &cause));
            }
        };
        let qemu = Arc::new(Qemu::new(
            self.guest().uuid(),
            forked.process,
            connected.monitor,
            Arc::clone(caps),
            forked.groups,
        ));
        let live = Live {
            domain: Arc::from(forked.domain),
            asked_cpu: forked.kept.cpu.clone(),
            qemu: Arc::clone(&qemu),
            vcpus: Arc::new([]),
            iothreads: Arc::new([]),
            taints: forked.taints.into(),
            deprecations: forked.deprecations.into(),
        };
        self.set_running(Running {
            policy: policy(&live.domain),
            qemu,
            events: connected.events,
            belongings: forked.belongings.keep(),
            log: forked.log,
            kept: forked.kept,
            expected: None,
            hung_up: None,
            migration: None,
            dumped: None,
            kept_device: None,
            owes_leases: false,
            is_up: false,
        });
        self.change(|snapshot| {
            snapshot.id = Some(id);
            snapshot.state = State::Paused(Paused::StartingUp);
            snapshot.live = Some(Arc::new(live));
        });
        let driver = self.driver();
        driver.registry.activate(id, Arc::clone(self.guest()));
        self.audit_labels();
        self.audit_opened(&forked.net_nodes);
        Ok(connected.ready)
    }

    /// From the fork to the running guest.
    async fn come_up(&mut self, ready: Ready, origin: Origin, paused: bool) -> Result<()> {
        let live = self.live()?;
        let monitor = live.qemu.monitor.within(patience(&live.domain));
        // All questions at once; QEMU answers when it is up. The status file is written meanwhile:
        // a daemon that is started now finds the guest and ends it.
        let events = monitor.set_migration_capabilities(&[("events", true)]);
        let (cpus, chardevs) = (monitor.cpus(), monitor.chardevs());
        let iothreads = monitor.iothreads();
        let has_memories = !live.domain.devices.memories.is_empty();
        let memories = has_memories.then(|| monitor.memory_devices());
        let processor = processor::ask(&live.domain, &monitor);
        let devices = monitor.peripherals();
        self.write_status().await?;
        let name = self.name();
        let told = |error: QmpError| error.about(&name);
        let answers = self
            .attend(async {
                ready.wait().await?;
                // Every binary that is driven has the capability; one that refuses is told of by
                // what needs it.
                if let Err(error @ (QmpError::Closed | QmpError::Timeout { .. })) = events.await {
                    return Err(error);
                }
                let cpus: Vec<Cpu> = cpus.read().await?;
                let chardevs: Vec<Chardev> = chardevs.read().await?;
                let iothreads: Vec<Iothread> = iothreads.read().await?;
                let memories: Vec<MemoryDevice> = match memories {
                    Some(pending) => pending.read().await?,
                    None => Vec::new(),
                };
                let devices: Vec<Object> = devices.read().await?;
                Ok((cpus, chardevs, iothreads, memories, devices))
            })
            .await;
        let (cpus, chardevs, iothreads, memories, devices) = answers.map_err(told)?;
        self.kept_mut()?.devices = peripheral::devices(devices);
        let cpus = match self.plug_processors().await? {
            true => {
                let cpus = monitor.cpus();
                self.attend(cpus.read()).await.map_err(told)?
            }
            false => cpus,
        };
        self.learn_processor(processor, &cpus).await?;
        let vcpus: Arc<[Vcpu]> = cpus.iter().map(Into::into).collect();
        let iothreads: Arc<[_]> = iothreads.iter().filter_map(IothreadThread::of).collect();
        self.place_threads(&live, &vcpus, &iothreads).await?;
        self.change_live(|live| {
            let domain = Arc::make_mut(&mut live.domain);
            back_ends::character_devices(domain, &chardevs);
            memory_devices::found(domain, &memories);
            live.vcpus = vcpus;
            live.iothreads = iothreads;
        })?;
        let driver = Arc::clone(self.driver());
        for pending in back_ends::after(&driver, &live.domain, &monitor)? {
            self.attend(pending).await.map_err(told)?;
        }
        match origin {
            Origin::Boot => self.run_booted(paused).await,
            Origin::Saved(state) => self.run_restored(state, paused).await,
        }
    }

    /// Puts processors and I/O threads where the definition says.
    pub(crate) async fn place_threads(
        &mut self,
        live: &Arc<Live>,
        vcpus: &Arc<[Vcpu]>,
        iothreads: &Arc<[IothreadThread]>,
    ) -> Result<()> {
        let (live, vcpus, iothreads) = (live.clone(), vcpus.clone(), iothreads.clone());
        let placing = tokio::task::spawn_blocking(move || {
            let placed = live.qemu.groups.as_deref();
            for vcpu in vcpus.iter() {
                groups::place_vcpu(placed, &live.domain, vcpu)?;
            }
            for iothread in iothreads.iter() {
                groups::place_iothread(placed, &live.domain, iothread)?;
            }
            if let Some(how) = scheduling::of_emulator(&live.domain) {
                let vcpus = vcpus.iter().map(|vcpu| vcpu.thread);
                let others = vcpus.chain(iothreads.iter().map(|one| one.thread));
                let others: Vec<i32> = others.collect();
                scheduling::set_others(live.qemu.process.pid(), &others, how)?;
            }
            Ok(())
        });
        let placed = self.attend(placing).await;
        placed.unwrap_or_else(|_| {
            Err(fault(
                "placing threads ended by a fault of the daemon's own",
            ))
        })
    }

    async fn run_booted(&mut self, paused: bool) -> Result<()> {
        if !paused {
            self.start_cpus(RunReason::Booted).await?;
        }
        self.is_up();
        self.emit(Lifecycle::StartedBooted.event());
        if paused {
            self.change(|snapshot| snapshot.state = State::Paused(Paused::User));
            self.emit(Lifecycle::SuspendedPaused.event());
        }
        Ok(())
    }

    async fn run_restored(&mut self, state: std::os::fd::OwnedFd, paused: bool) -> Result<()> {
        self.read_state(state).await?;
        self.change(|snapshot| snapshot.state = State::Paused(Paused::Migration));
        self.is_up();
        self.emit(Lifecycle::StartedRestored.event());
        if paused {
            self.emit(Lifecycle::SuspendedRestored.event());
            return Ok(());
        }
        self.start_cpus(RunReason::Restored).await
    }

    /// Undoes a start that failed; the error to tell.
    async fn give_up(&mut self, error: Error) -> Error {
        let is_closed = error.message() == QmpError::Closed.about("").message();
        if let Ok(live) = self.live() {
            if is_closed {
                // It says why before it goes.
                let gone = self.await_end();
                let _ = tokio::time::timeout(LAST_WORDS, gone).await;
            }
            live.qemu.ending.intend(Shutoff::Failed);
            if let Err(error) = live.qemu.process.kill() {
                tracing::error!(guest = %self.name(), %error, "QEMU can't be killed");
            }
            self.await_end().await;
        }
        let words = self.last_words();
        if !is_closed {
            return error;
        }
        // QEMU's own last words say more than that it is gone.
        fault(&format!(
            "QEMU unexpectedly closed the monitor (vm='{}'): {words}",
            self.name()
        ))
    }
}

fn patience(domain: &Domain) -> Duration {
    let gib = u32::try_from(domain.memory.size.bytes() >> 30).unwrap_or(u32::MAX);
    PATIENCE + PATIENCE_PER_GIB.saturating_mul(gib)
}

fn fault(text: &str) -> Error {
    Error::new(ErrorCode::InternalError, ErrorDomain::Qemu, text)
}
