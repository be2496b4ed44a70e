use super::*;
use crate::tests::{Plain, guest};

fn registry() -> Arc<Registry<Plain>> {
    Arc::new(Registry::new())
}

fn add(registry: &Arc<Registry<Plain>>, name: &str) -> Arc<Plain> {
    let new = guest(name);
    let reservation = registry.reserve(name, new.uuid()).unwrap().unwrap();
    reservation.insert(new.clone());
    new
}

#[test]
fn found_by_uuid_name_and_number() {
    let registry = registry();
    let b = add(&registry, "b");
    add(&registry, "a");
    assert_eq!(registry.by_uuid(&b.uuid()).unwrap().name(), b.name());
    assert_eq!(registry.by_name("b").unwrap().uuid(), b.uuid());
    assert!(registry.by_name("c").is_none());
    let id = registry.next_id();
    assert!(registry.by_id(id).is_none());
    b.set_id(Some(id));
    registry.activate(id, b.clone());
    assert_eq!(registry.by_id(id).unwrap().name(), b.name());
    let names: Vec<_> = registry.all().iter().map(|g| g.name()).collect();
    assert_eq!(
        names.iter().map(AsRef::as_ref).collect::<Vec<&str>>(),
        ["a", "b"]
    );
    registry.remove(&b);
    assert!(registry.by_id(id).is_none() && registry.by_name("b").is_none());
    assert_eq!(registry.len(), 1);
}

#[test]
fn a_name_or_uuid_is_had_once() {
    let registry = registry();
    let a = add(&registry, "a");
    assert!(matches!(
        registry.reserve("a", Uuid::from_u128(7)),
        Err(Taken::Name(_))
    ));
    assert!(matches!(
        registry.reserve("b", a.uuid()),
        Err(Taken::Uuid(_))
    ));
    assert!(matches!(registry.reserve("a", a.uuid()), Ok(Err(_))));
    assert!(!registry.insert_found(guest("a")));
}

#[test]
fn a_reservation_keeps_others_out_until_it_is_dropped() {
    let registry = registry();
    let uuid = Uuid::from_u128(1);
    let kept = registry.reserve("a", uuid).unwrap().unwrap();
    assert!(matches!(
        registry.reserve("a", Uuid::from_u128(2)),
        Err(Taken::Reserved)
    ));
    assert!(matches!(registry.reserve("b", uuid), Err(Taken::Reserved)));
    drop(kept);
    assert!(registry.reserve("a", uuid).unwrap().is_ok());
}

#[test]
fn a_rename_moves_the_name() {
    let registry = registry();
    let a = add(&registry, "a");
    add(&registry, "taken");
    assert!(matches!(
        registry.reserve_name("taken"),
        Err(Taken::Name(_))
    ));
    let kept = registry.reserve_name("new").unwrap();
    kept.rename(a.clone(), |name| a.set_name(name));
    assert_eq!(registry.by_name("new").unwrap().uuid(), a.uuid());
    assert!(registry.by_name("a").is_none());
    assert!(registry.reserve("a", Uuid::from_u128(1)).unwrap().is_ok());
}

#[test]
fn numbers_go_on_after_those_found() {
    let registry = registry();
    let found = guest("a");
    found.set_id(Some(7));
    assert!(registry.insert_found(found));
    assert_eq!(registry.next_id(), 8);
    assert_eq!(registry.active_len(), 1);
    registry.deactivate(7);
    assert!(registry.active().is_empty());
}
