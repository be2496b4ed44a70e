use std::path::Path;

use super::*;

fn neighbours(run: &Path, system: bool) -> Neighbours {
    Neighbours {
        run: run.to_owned(),
        system,
    }
}

#[test]
fn the_kinds_own_socket_comes_first_and_is_named_when_there_is_none() {
    let run = tempfile::tempdir().unwrap();
    let host = neighbours(run.path(), true);
    let socket = |readonly| host.route(Kind::Network, readonly).unwrap().socket;
    assert_eq!(socket(false), run.path().join("virtnetworkd-sock"));
    std::fs::write(run.path().join("libvirt-sock"), "").unwrap();
    assert_eq!(socket(false), run.path().join("libvirt-sock"));
    assert_eq!(socket(true), run.path().join("virtnetworkd-sock-ro"));
    std::fs::write(run.path().join("virtnetworkd-sock"), "").unwrap();
    assert_eq!(socket(false), run.path().join("virtnetworkd-sock"));
    let route = host.route(Kind::Storage, false).unwrap();
    assert_eq!(route.uri, "storage:///system");
}

#[test]
fn a_session_has_no_filters_and_no_read_only_sockets() {
    let run = tempfile::tempdir().unwrap();
    let user = neighbours(run.path(), false);
    assert!(user.route(Kind::Nwfilter, false).is_err());
    let route = user.route(Kind::Secret, true).unwrap();
    assert_eq!(route.socket, run.path().join("virtsecretd-sock"));
    assert_eq!(route.uri, "secret:///session");
}
