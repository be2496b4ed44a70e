//! The leases against a model that is too simple to be wrong, with everything that can happen in any
//! order: guests that come, take, share, give back and die, operators who break leases, and the
//! daemon's own death, after which it finds with its guests what it had.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::fcntl::{FcntlArg, fcntl};
use proptest::prelude::*;

use super::*;
use crate::keepsake::Keepsake;

const GUESTS: u32 = 4;
const RESOURCES: usize = 3;

#[derive(Debug, Clone)]
enum Step {
    Acquire {
        guest: u32,
        resource: usize,
        shared: bool,
    },
    Release {
        guest: u32,
        resource: usize,
    },
    Dies {
        guest: u32,
    },
    Break {
        resource: usize,
    },
    /// The daemon dies and another one starts.
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let (guest, resource) = (1..=GUESTS, 0..RESOURCES);
    prop_oneof![
        6 => (guest.clone(), resource.clone(), any::<bool>())
            .prop_map(|(guest, resource, shared)| Step::Acquire { guest, resource, shared }),
        5 => (guest.clone(), resource.clone())
            .prop_map(|(guest, resource)| Step::Release { guest, resource }),
        1 => guest.prop_map(|guest| Step::Dies { guest }),
        1 => resource.prop_map(|resource| Step::Break { resource }),
        1 => Just(Step::Crash),
    ]
}

/// What should be: who holds what, and whether they share it.
#[derive(Debug, Default)]
struct Model(BTreeMap<usize, (bool, Vec<u32>)>);

impl Model {
    fn acquire(&mut self, guest: u32, resource: usize, shared: bool) -> bool {
        match self.0.get_mut(&resource) {
            None => {
                self.0.insert(resource, (shared, vec![guest]));
                true
            }
            Some((true, holders)) if shared => {
                holders.push(guest);
                true
            }
            Some(_) => false,
        }
    }

    fn release(&mut self, guest: u32, resource: usize) -> bool {
        let Some((_, holders)) = self.0.get_mut(&resource) else {
            return false;
        };
        let Some(place) = holders.iter().position(|holder| *holder == guest) else {
            return false;
        };
        holders.remove(place);
        self.0.retain(|_, (_, holders)| !holders.is_empty());
        true
    }

    fn dies(&mut self, guest: u32) {
        for (_, holders) in self.0.values_mut() {
            holders.retain(|holder| *holder != guest);
        }
        self.0.retain(|_, (_, holders)| !holders.is_empty());
    }
}

/// A daemon and its guests. A guest is the far end of its connection.
struct World {
    folder: tempfile::TempDir,
    leases: Arc<Leases>,
    guests: BTreeMap<u32, (Arc<UnixStream>, UnixStream)>,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let space = folder.path().join("space");
        let notes = Notes::new(folder.path().join("notes")).unwrap();
        let leases = Arc::new(Leases::new(Inner::default(), notes, Files::Direct));
        now(leases.add_space(space.to_str().unwrap(), false)).unwrap();
        let mut this = Self {
            folder,
            leases,
            guests: BTreeMap::new(),
        };
        for guest in 1..=GUESTS {
            this.comes(guest);
        }
        this
    }

    fn comes(&mut self, guest: u32) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let ours = Arc::new(ours);
        self.leases.guest_connected(Guest {
            process: process(guest),
            socket: Arc::downgrade(&ours),
            keepsake: None,
        });
        self.guests.insert(guest, (ours, theirs));
    }

    /// The daemon's death closes all it has; what a guest has stays.
    fn crash(&mut self) {
        let notes = Notes::new(self.folder.path().join("notes")).unwrap();
        let dead = std::mem::replace(
            &mut self.leases,
            Arc::new(Leases::new(Inner::default(), notes.clone(), Files::Direct)),
        );
        // As a killed process would: nothing is unlocked or removed on the way.
        drop(dead);
        let mut inner = Inner::default();
        for folder in notes.spaces() {
            inner.spaces.know(folder);
        }
        for (guest, (_, theirs)) in &self.guests {
            let Some((write, read)) = keepsake::find_in(theirs) else {
                continue;
            };
            let mut keepsake = Keepsake::of_ends(write, read, 0);
            let log = keepsake::replay(keepsake.read().unwrap());
            assert!(log.past.iter().all(|(name, _)| name.space.starts_with('/')));
            for (taken, lock) in log.held {
                inner.restore(taken, lock).unwrap();
            }
            inner.guests.add(Guest {
                process: process(*guest),
                socket: Weak::new(),
                keepsake: Some(keepsake),
            });
        }
        self.leases = Arc::new(Leases::new(inner, notes, Files::Direct));
        // Those that had taken nothing yet are still connected, for all they know.
        let guests: Vec<_> = self.guests.keys().copied().collect();
        for guest in guests {
            if !self.leases.lock().guests.guards(guest) {
                self.comes(guest);
            }
        }
    }

    fn name(&self, resource: usize) -> Name {
        Name {
            space: self
                .folder
                .path()
                .join("space")
                .to_str()
                .unwrap()
                .to_owned(),
            resource: format!("r{resource}"),
        }
    }

    fn path(&self, resource: usize) -> std::path::PathBuf {
        self.folder
            .path()
            .join("space")
            .join(format!("r{resource}"))
    }
}

fn process(guest: u32) -> Process {
    Process {
        pid: guest,
        start_time: 1,
    }
}

fn owner(guest: u32) -> Owner {
    Owner {
        uuid: [0; 16],
        name: format!("guest-{guest}"),
        id: guest,
        pid: guest,
    }
}

/// The result of what doesn't wait.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(result) => result,
        std::task::Poll::Pending => panic!("it waits"),
    }
}

/// As another program sees it: whether it could have the lock itself.
fn is_locked(path: &Path) -> bool {
    let Ok(file) = File::options().read(true).write(true).open(path) else {
        return false;
    };
    let lock = nix::libc::flock {
        l_type: nix::libc::F_WRLCK as i16,
        l_whence: nix::libc::SEEK_SET as i16,
        l_start: 0,
        l_len: 1,
        l_pid: 0,
    };
    fcntl(&file, FcntlArg::F_OFD_SETLK(&lock)).is_err()
}

fn run(steps: &[Step]) {
    let mut world = World::new();
    let mut model = Model::default();
    for step in steps {
        match *step {
            Step::Acquire {
                guest,
                resource,
                shared,
            } => {
                let mode = if shared {
                    Mode::Shared
                } else {
                    Mode::Exclusive
                };
                let name = world.name(resource);
                let taken = now(world
                    .leases
                    .acquire(&name, &owner(guest), mode, Kept::Lease));
                assert_eq!(
                    taken.is_ok(),
                    model.acquire(guest, resource, shared),
                    "{step:?}"
                );
            }
            Step::Release { guest, resource } => {
                let given = now(world.leases.release(&world.name(resource), guest));
                assert_eq!(given.is_ok(), model.release(guest, resource), "{step:?}");
            }
            Step::Dies { guest } => {
                world.guests.remove(&guest);
                world.leases.guest_left(guest);
                model.dies(guest);
                world.comes(guest);
            }
            Step::Break { resource } => {
                let broken = now(world.leases.break_lease(&world.name(resource)));
                assert_eq!(
                    broken.is_ok(),
                    model.0.remove(&resource).is_some(),
                    "{step:?}"
                );
            }
            Step::Crash => world.crash(),
        }
        for resource in 0..RESOURCES {
            let locked = is_locked(&world.path(resource));
            assert_eq!(
                locked,
                model.0.contains_key(&resource),
                "r{resource} after {step:?}"
            );
        }
    }
    for guest in 1..=GUESTS {
        world.leases.guest_left(guest);
    }
    let left = std::fs::read_dir(world.folder.path().join("space")).unwrap();
    assert_eq!(left.count(), 0, "lease files are left");
}

proptest! {
    // 500 times 200 steps are 100,000.
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_locks_are_as_the_model_says(
        steps in proptest::collection::vec(step(), 200),
    ) {
        run(&steps);
    }
}

#[test]
fn what_is_shared_twice_is_not_lost_when_the_log_is_written_anew() {
    let mut world = World::new();
    let name = world.name(0);
    let take = |world: &World| {
        let owner = owner(1);
        let leases = &world.leases;
        now(leases.acquire(&name, &owner, Mode::Shared, Kept::Lease)).unwrap();
    };
    take(&world);
    for _ in 0..200 {
        take(&world);
        now(world.leases.release(&name, 1)).unwrap();
    }
    world.crash();
    assert!(is_locked(&world.path(0)));
    now(world.leases.release(&name, 1)).unwrap();
    assert!(!is_locked(&world.path(0)));
}
