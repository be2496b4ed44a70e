//! Tasks that want the same few resources, in hundreds of different orders: each time a file is
//! locked or unlocked, others may go on in between, if that isn't done at once. The daemon has one thread, so its tasks meet
//! nowhere else; the orders follow from a number, and one that fails can be had again.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::*;
use crate::files::tests::Moments;

const RESOURCES: u64 = 3;
const TASKS: u32 = 6;
const ROUNDS: u32 = 6;

/// Who believes to have what, and whether they share it.
type Believed = Rc<RefCell<BTreeMap<u64, (Mode, Vec<u32>)>>>;

fn guest(pid: u32) -> (Guest, Owner) {
    let guest = Guest {
        process: Process { pid, start_time: 1 },
        socket: Weak::new(),
        keepsake: None,
    };
    let owner = Owner {
        uuid: [0; 16],
        name: format!("guest-{pid}"),
        id: pid,
        pid,
    };
    (guest, owner)
}

fn takes(believed: &Believed, resource: u64, mode: Mode, pid: u32) {
    let mut believed = believed.borrow_mut();
    let (how, holders) = believed
        .entry(resource)
        .or_insert_with(|| (mode, Vec::new()));
    if holders.is_empty() {
        *how = mode;
    }
    let alone = holders.is_empty();
    assert!(
        alone || (*how, mode) == (Mode::Shared, Mode::Shared),
        "{pid} has r{resource} ({mode:?}), which {holders:?} have ({how:?})"
    );
    holders.push(pid);
}

fn gives(believed: &Believed, resource: u64, pid: u32) {
    if let Some((_, holders)) = believed.borrow_mut().get_mut(&resource)
        && let Some(place) = holders.iter().position(|holder| *holder == pid)
    {
        holders.remove(place);
    }
}

/// A driver that takes and gives back for one guest, which may die meanwhile.
async fn drive(leases: Arc<Leases>, space: String, moments: Rc<Moments>, seen: Believed, pid: u32) {
    for _ in 0..ROUNDS {
        let (one, owner) = guest(pid);
        leases.guest_connected(one);
        let resource = moments.below(RESOURCES);
        let name = Name {
            space: space.clone(),
            resource: format!("r{resource}"),
        };
        let mode = match moments.below(2) {
            0 => Mode::Shared,
            _ => Mode::Exclusive,
        };
        moments.pass().await;
        let taken = match leases.acquire_now(&name, &owner, mode, Kept::Lease) {
            Some(taken) => taken,
            None => leases.acquire(&name, &owner, mode, Kept::Lease).await,
        };
        if taken.is_err() {
            continue;
        }
        takes(&seen, resource, mode, pid);
        moments.pass().await;
        gives(&seen, resource, pid);
        match moments.below(3) {
            0 => {
                leases.guest_left(pid);
            }
            _ => match leases.release_now(&name, pid) {
                Some(given) => given.unwrap(),
                None => leases.release(&name, pid).await.unwrap(),
            },
        }
    }
    leases.guest_left(pid);
}

#[test]
fn no_order_of_events_gives_two_owners_or_leaves_a_lock() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 1..=500 {
        let space = folder.path().join(format!("space{seed}"));
        std::fs::create_dir(&space).unwrap();
        let name = space.to_str().unwrap().to_owned();
        let notes = Notes::new(folder.path().join("notes")).unwrap();
        let mut inner = Inner::default();
        inner.spaces.know(name.clone());
        let files = Files::Interleaved(Moments::new(seed * 7919));
        let leases = Arc::new(Leases::new(inner, notes, files));
        let moments = Rc::new(Moments::new(seed * 104_729));
        let seen = Believed::default();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let tasks = tokio::task::LocalSet::new();
        for pid in 1..=TASKS {
            let (leases, name) = (Arc::clone(&leases), name.clone());
            let (moments, seen) = (Rc::clone(&moments), Rc::clone(&seen));
            tasks.spawn_local(drive(leases, name, moments, seen, pid));
        }
        runtime.block_on(async {
            tasks.await;
            // What guests left behind is given back by tasks of their own.
            while Arc::strong_count(&leases) > 1 {
                tokio::task::yield_now().await;
            }
        });
        let inner = leases.lock();
        assert_eq!(inner.spaces.held().count(), 0, "order {seed}");
        assert_eq!(inner.turns.names().count(), 0, "order {seed}");
        let left = std::fs::read_dir(&space).unwrap().count();
        assert_eq!(left, 0, "files are left in order {seed}");
    }
}
