//! What a container tries to get out: whoever is its root, and whatever it planted before it started.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::fs;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::process::Command;

use virt_tests::containers::Containers;
use virt_tests::keeper::sibling;
use virt_tests::ran::run;
use virt_tests::target::have;

const MAP: &str = "<idmap><uid start='0' target='100000' count='65536'/>\
                   <gid start='0' target='100000' count='65536'/></idmap><devices>";

/// Has the container's first process run a script and gives what it wrote, line by line.
fn said(containers: &Containers, mapped: bool, devices: &str, script: &str) -> Vec<String> {
    let out = containers.root().join("out");
    let _ = fs::remove_file(&out);
    fs::write(
        containers.root().join("bin/try"),
        format!("#!/bin/sh\nexec 2>/dev/null\n({script}) >/out\necho done >>/out\nwhile :; do sleep 1; done\n"),
    )
    .unwrap();
    let root = containers.root();
    run(Command::new("chmod").arg("755").arg(root.join("bin/try"))).ok();
    let owner = if mapped { "100000:100000" } else { "0:0" };
    run(Command::new("chown").args(["-hR", owner]).arg(&root)).ok();
    let xml = containers.xml("box", "<init>/bin/try</init>", devices);
    let map = if mapped { MAP } else { "<devices>" };
    let file = containers
        .host
        .write("box.xml", &xml.replace("<devices>", map));
    containers.virsh(&["create", &file]).ok();
    let text = || fs::read_to_string(&out).unwrap_or_default();
    virt_tests::host::eventually("its answer", || text().ends_with("done\n"));
    containers.virsh(&["destroy", "box"]).ok();
    let text = text();
    text.lines()
        .map(str::to_owned)
        .filter(|line| line != "done")
        .collect()
}

#[test]
fn the_kernel_of_the_host_is_not_written_to() {
    let Some(containers) = Containers::beyond_stock(
        "the stock driver starts none with users of its own and the network of the host",
    ) else {
        return;
    };
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    let tries = "echo x >/proc/sys/kernel/core_pattern && echo core_pattern; \
                 echo 1 >/proc/sys/vm/drop_caches && echo drop_caches; \
                 echo s >/proc/sysrq-trigger && echo sysrq; \
                 echo 0 >/sys/kernel/profiling && echo sysfs; \
                 for f in /sys/class/*/*/uevent /sys/block/*/uevent; do echo add >$f && echo $f; done; \
                 echo tried";
    assert_eq!(said(&containers, false, "", tries), ["tried"]);
    // Whoever maps users may mount, and still can't.
    let tries = format!(
        "mount -o remount,rw /proc/sys && echo remounted; mount -t proc proc /proc && echo fresh; \
         mount -t sysfs sysfs /sys && echo fresh sysfs; {tries}"
    );
    let said = said(&containers, true, "", &tries);
    let harmless = ["remounted", "fresh", "fresh sysfs"];
    let harm: Vec<_> = said
        .iter()
        .filter(|line| !harmless.contains(&line.as_str()))
        .collect();
    assert_eq!(harm, ["tried"]);
    assert_eq!(
        fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap(),
        pattern
    );
}

#[test]
fn processes_of_the_host_are_neither_seen_nor_signalled() {
    let Some(containers) = Containers::beyond_stock(
        "the stock driver starts none with users of its own and the network of the host",
    ) else {
        return;
    };
    let own = std::process::id();
    let daemon = containers.daemon();
    let tries = format!(
        "for p in {own} {daemon}; do [ -d /proc/$p ] && echo seen $p; kill -0 $p && echo signalled $p; done; \
         [ -e /proc/1/root/proc/{own} ] && echo through root; ls /proc/self/fd; ls -d /proc/[0-9]* | grep -c ."
    );
    for mapped in [false, true] {
        let said = said(&containers, mapped, "", &tries);
        // Standard input, output and errors, and the folder that ls reads; itself, init, ls and grep.
        let (fds, rest) = said.split_at(said.len() - 1);
        assert_eq!(fds, ["0", "1", "2", "3"], "{said:?}");
        assert!(rest[0].parse::<u32>().unwrap() <= 5, "{said:?}");
    }
}

#[test]
fn links_that_were_planted_lead_nowhere_out_of_the_root() {
    let Some(containers) = Containers::start() else {
        return;
    };
    let outside = containers.host.path("outside");
    fs::create_dir(&outside).unwrap();
    let shared = containers.host.path("shared");
    fs::create_dir(&shared).unwrap();
    fs::write(shared.join("file"), "shared").unwrap();
    let root = containers.root();
    for (name, to) in [
        ("absolute", outside.clone()),
        ("relative", "../outside".into()),
        ("through", "/proc/1/root/..".into()),
        ("dev", outside.clone()),
        ("proc", outside.clone()),
        ("sys", outside.clone()),
    ] {
        for folder in ["dev", "proc", "sys"] {
            let _ = fs::remove_dir(root.join(folder));
        }
        symlink(&to, root.join(name)).unwrap();
        let target = match name {
            "dev" | "proc" | "sys" => "/srv".to_owned(),
            name => format!("/{name}/deep"),
        };
        let devices = format!(
            "<filesystem type='mount'><source dir='{}'/><target dir='{target}'/></filesystem>",
            shared.display()
        );
        let xml = containers.xml("box", "<init>/bin/service</init>", &devices);
        let file = containers.host.write("box.xml", &xml);
        // It starts or is refused; out of its root nothing is made.
        if containers.virsh(&["create", &file]).code == 0 {
            containers.virsh(&["destroy", "box"]).ok();
        }
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0, "{name}");
        assert!(!containers.host.path("deep").exists(), "{name}");
        fs::remove_file(root.join(name)).unwrap();
        assert_eq!(containers.left(), Vec::<String>::new());
    }
}

#[test]
fn capabilities_are_those_that_the_definition_says() {
    let Some(containers) = Containers::beyond_stock(
        "the stock driver leaves CAP_DAC_READ_SEARCH, by which files of the host are opened",
    ) else {
        return;
    };
    let bounding = |features: &str| {
        let xml = containers.xml("box", "<init>/bin/service</init>", "");
        let features = format!("<features>{features}</features><devices>");
        let file = containers
            .host
            .write("box.xml", &xml.replace("<devices>", &features));
        let created = containers.virsh(&["create", &file]);
        if created.code != 0 {
            return Err(created.err);
        }
        let init = Containers::children(containers.controller("box"))[0];
        let status = fs::read_to_string(format!("/proc/{init}/status")).unwrap();
        containers.virsh(&["destroy", "box"]).ok();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("CapEff:\t"));
        Ok(u64::from_str_radix(line.unwrap(), 16).unwrap())
    };
    // linux/capability.h
    let (mknod, chroot, module, handles) = (1 << 27, 1 << 18, 1 << 16, 1 << 2);
    let usual = bounding("").unwrap();
    assert_eq!(usual & (mknod | module | handles), 0);
    assert_ne!(usual & chroot, 0);
    let changed = bounding(
        "<capabilities policy='default'><mknod state='on'/><sys_chroot state='off'/></capabilities>",
    );
    assert_eq!(changed.unwrap() & (mknod | chroot | module), mknod);
    let none = bounding("<capabilities policy='deny'><chown state='on'/></capabilities>");
    assert_eq!(none.unwrap(), 1);
    let refused = bounding("<capabilities><sys_module state='on'/></capabilities>").unwrap_err();
    assert!(refused.contains("'sys_module'"), "{refused}");
}

/// Loaded into every program of the container that loads libraries: has a shell go on with the program's
/// file open.
const PRELOADED: &str = r#"
#include <fcntl.h>
#include <unistd.h>
__attribute__((constructor)) static void start(void) {
    char *words[] = {"sh", "/bin/overwrite", 0}, *environment[] = {0};
    dup2(open("/proc/self/exe", O_RDONLY), 9);
    execve("/bin/sh", words, environment);
}
"#;

#[test]
fn the_program_that_makes_containers_is_not_overwritten() {
    let Some(containers) = Containers::beyond_stock(
        "the stock driver makes containers with a program that is a file of the host",
    ) else {
        return;
    };
    if !have(&["/usr/bin/cc", "/usr/bin/ldd"]) {
        return;
    }
    let (root, controller) = (containers.root(), sibling("virtlxc-controller"));
    let needed = run(Command::new("ldd").arg(&controller)).ok();
    let needed = needed
        .split_whitespace()
        .filter(|word| word.starts_with('/'));
    for library in needed {
        run(Command::new("cp")
            .args(["-L", "--parents", library])
            .arg(&root))
        .ok();
    }
    let source = containers.host.write("preloaded.c", PRELOADED);
    let mut compile = Command::new("cc");
    let library = root.join("preloaded.so");
    run(compile
        .args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(source))
    .ok();
    fs::create_dir(root.join("etc")).unwrap();
    fs::write(root.join("etc/ld.so.preload"), "/preloaded.so\n").unwrap();
    // What runs no longer is no longer held against writing.
    let script = "exec >/out 2>&1\nls -l /proc/self/fd/9\necho changed >>/proc/self/fd/9 && echo done\n\
                  while :; do sleep 1; done\n";
    fs::write(root.join("bin/overwrite"), script).unwrap();
    let before = fs::read(&controller).unwrap();
    let xml = containers.xml("box", "<init>/proc/self/exe</init>", "");
    let file = containers.host.write("box.xml", &xml);
    containers.virsh(&["create", &file]).ok();
    let said = || fs::read_to_string(root.join("out")).unwrap_or_default();
    virt_tests::host::eventually("its answer", || said().lines().count() == 2);
    let (opened, answer) = said()
        .split_once('\n')
        .map(|(opened, answer)| (opened.to_owned(), answer.to_owned()))
        .unwrap();
    assert!(opened.contains("virtlxc-controller"), "{opened}");
    assert!(answer.contains("Text file busy"), "{answer}");
    // Who keeps it open until it no longer runs, in another container, is no better off.
    let held = fs::File::open(format!("/proc/{}/exe", containers.controller("box"))).unwrap();
    containers.virsh(&["destroy", "box"]).ok();
    let path = format!("/proc/self/fd/{}", held.as_raw_fd());
    let mut opened = fs::OpenOptions::new().append(true).open(path).unwrap();
    let refused = opened.write_all(b"changed").unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(nix::libc::EPERM), "{refused}");
    assert!(before == fs::read(&controller).unwrap());
}

#[test]
fn system_calls_that_reach_past_the_container_are_refused() {
    let Some(containers) =
        Containers::beyond_stock("the stock driver has no filter of system calls")
    else {
        return;
    };
    let status = |features: &str| {
        let xml = containers.xml("box", "<init>/bin/service</init>", "");
        let features = format!("<features>{features}</features><devices>");
        let file = containers
            .host
            .write("box.xml", &xml.replace("<devices>", &features));
        containers.virsh(&["create", &file]).ok();
        let init = Containers::children(containers.controller("box"))[0];
        let status = fs::read_to_string(format!("/proc/{init}/status")).unwrap();
        containers.virsh(&["destroy", "box"]).ok();
        status
    };
    let usual = status("");
    assert!(usual.contains("\nSeccomp:\t2\n"), "{usual}");
    assert!(usual.contains("\nNoNewPrivs:\t0\n"), "{usual}");
    // Its root may reboot, and with that capability could have replaced the host's kernel; it may
    // administrate, and with that have swapped where it likes.
    let source = containers.host.write("calls.c", CALLS);
    let program = containers.root().join("bin/calls");
    if !have(&["/usr/bin/cc"]) {
        return;
    }
    let mut compile = Command::new("cc");
    run(compile.args(["-static", "-o"]).arg(&program).arg(source)).ok();
    for mapped in [false, true] {
        let said = said(&containers, mapped, "", "/bin/calls");
        let refused: Vec<&String> = said.iter().filter(|line| line.ends_with(" 1")).collect();
        assert_eq!(refused.len(), 6, "{said:?}");
        assert_eq!(
            said.last().map(String::as_str),
            Some("getpid 0"),
            "{said:?}"
        );
    }
}

/// Tries calls with arguments that are wrong: an answer other than that of the filter (1, EPERM) comes
/// from the call itself.
const CALLS: &str = r#"
#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
#define TRY(name, ...) \
    errno = 0; syscall(SYS_##name, __VA_ARGS__); printf(#name " %d\n", errno);
int main(void) {
    TRY(kexec_load, 0L, 0L, 0L, -1L)
    TRY(swapoff, "/")
    TRY(finit_module, -1, "", 0)
    TRY(open_by_handle_at, -1, 0, 0)
    TRY(bpf, 0, 0, 0)
    TRY(syslog, 99, 0, 0)
    TRY(getpid, 0)
}
"#;
