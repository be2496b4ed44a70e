//! Our units under a real systemd, in a machine of their own:
//!
//!     VIRT_TEST_VM=.../testvm cargo test -p virt-tests --test units

use virt_tests::machines::{Machines, passed};

#[test]
fn daemons_are_started_by_sockets_confined_and_survive_being_killed() {
    let Some(machines) = Machines::new() else {
        return;
    };
    passed(&machines.run(&[], &["./units"]), &["units"]);
}

#[test]
fn a_debian_container_lives_under_systemd() {
    let Some(machines) = Machines::new() else {
        return;
    };
    passed(&machines.run(&[], &["./containers"]), &["containers"]);
}

#[test]
fn containers_are_labelled_by_selinux() {
    let Some(machines) = Machines::new() else {
        return;
    };
    let run = machines.run(&["--selinux"], &["./labels-selinux"]);
    passed(&run, &["labels-selinux"]);
}

#[test]
fn containers_have_profiles_of_apparmor() {
    let Some(machines) = Machines::new() else {
        return;
    };
    passed(
        &machines.run(&[], &["./labels-apparmor"]),
        &["labels-apparmor"],
    );
}
