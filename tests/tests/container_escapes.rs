//! What a container tries to get out: whoever is its root, and whatever it planted before it started.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use virt_tests::containers::Containers;
use virt_tests::ran::run;

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
