//! Names of devices of a container that runs.

use virt_domain::Domain;
use virt_domain::devices::info::DeviceInfo;

/// The first name of a kind, `net0`, that none of these has.
pub fn free<'a>(kind: &str, all: impl Iterator<Item = &'a DeviceInfo> + Clone) -> String {
    let mut names = (0u32..).map(|number| format!("{kind}{number}"));
    let is_free = |name: &String| {
        let mut all = all.clone();
        !all.any(|info| info.alias() == Some(name.as_str()))
    };
    // There are more numbers than devices.
    names.find(is_free).unwrap_or_default()
}

/// Names what its owner has not named.
pub fn name(domain: &mut Domain) {
    let devices = &mut domain.devices;
    number(
        "console",
        devices.consoles.iter_mut().map(|one| &mut one.info),
    );
    number(
        "fs",
        devices.filesystems.iter_mut().map(|one| &mut one.info),
    );
    number("disk", devices.disks.iter_mut().map(|one| &mut one.info));
    number(
        "net",
        devices.interfaces.iter_mut().map(|one| &mut one.info),
    );
    number(
        "hostdev",
        devices.hostdevs.iter_mut().map(|one| &mut one.info),
    );
}

fn number<'a>(kind: &str, all: impl Iterator<Item = &'a mut DeviceInfo>) {
    let unnamed = all.filter(|info| info.alias().is_none());
    for (number, info) in unnamed.enumerate() {
        info.name(|| format!("{kind}{number}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_get_the_names_that_are_free() {
        let text = "<domain type='lxc'><name>a</name><memory>1</memory><os><type>exe</type></os><devices>\
                    <interface type='ethernet'/><interface type='ethernet'><alias name='ua-x'/></interface>\
                    <interface type='network'><source network='n'/></interface></devices></domain>";
        let mut domain = Domain::read(text).unwrap();
        name(&mut domain);
        let infos = |domain: &Domain| -> Vec<DeviceInfo> {
            let all = domain.devices.interfaces.iter();
            all.map(|one| one.info.clone()).collect()
        };
        let aliases = infos(&domain);
        let aliases: Vec<_> = aliases.iter().filter_map(DeviceInfo::alias).collect();
        assert_eq!(aliases, ["net0", "ua-x", "net1"]);
        domain.devices.interfaces.remove(0);
        assert_eq!(free("net", infos(&domain).iter()), "net0");
    }
}
