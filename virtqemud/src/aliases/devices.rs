//! Names of all devices that `storage` does not name.

use virt_domain::Domain;
use virt_domain::devices::chardev::{Console, ConsoleType, Serial};
use virt_domain::devices::info::DeviceInfo;
use virt_domain::devices::memballoon::BalloonModel;
use virt_error::Result;

pub(crate) fn assign(domain: &mut Domain) -> Result<()> {
    let devices = &mut domain.devices;
    number("net", devices.interfaces.iter_mut().map(|d| &mut d.info));
    by_place(
        "smartcard",
        devices.smartcards.iter_mut().map(|d| &mut d.info),
    );
    number("serial", devices.serials.iter_mut().map(|d| &mut d.info));
    number(
        "parallel",
        devices.parallels.iter_mut().map(|d| &mut d.info),
    );
    by_place("channel", devices.channels.iter_mut().map(|d| &mut d.info));
    consoles(&devices.serials, &mut devices.consoles);
    by_place("input", devices.inputs.iter_mut().map(|d| &mut d.info));
    by_place("tpm", devices.tpms.iter_mut().map(|d| &mut d.info));
    by_place("sound", devices.sounds.iter_mut().map(|d| &mut d.info));
    by_place("video", devices.videos.iter_mut().map(|d| &mut d.info));
    number("redir", devices.redirdevs.iter_mut().map(|d| &mut d.info));
    by_place("hub", devices.hubs.iter_mut().map(|d| &mut d.info));
    by_place(
        "watchdog",
        devices.watchdogs.iter_mut().map(|d| &mut d.info),
    );
    // One that says there is none is no device.
    let balloons = devices.memballoon.iter_mut();
    by_place(
        "balloon",
        balloons
            .filter(|d| d.model != BalloonModel::None)
            .map(|d| &mut d.info),
    );
    number("rng", devices.rngs.iter_mut().map(|d| &mut d.info));
    by_place("nvram", devices.nvram.iter_mut().map(|d| &mut d.info));
    by_place("panic", devices.panics.iter_mut().map(|d| &mut d.info));
    number("shmem", devices.shmems.iter_mut().map(|d| &mut d.info));
    by_place("crypto", devices.cryptos.iter_mut().map(|d| &mut d.info));
    by_place("iommu", devices.iommu.iter_mut().map(|d| &mut d.info));
    by_place("vsock", devices.vsock.iter_mut().map(|d| &mut d.info));
    by_place("pstore", devices.pstore.iter_mut().map(|d| &mut d.info));
    Ok(())
}

/// Kind and place in the list.
fn by_place<'a>(kind: &str, devices: impl Iterator<Item = &'a mut DeviceInfo>) {
    for (place, info) in devices.enumerate() {
        info.name(|| format!("{kind}{place}"));
    }
}

/// Kind and a number that no earlier one of the list has.
pub(super) fn number<'a>(kind: &str, devices: impl Iterator<Item = &'a mut DeviceInfo>) {
    let mut next = 0;
    for info in devices {
        info.name(|| format!("{kind}{next}"));
        if let Some(taken) = taken(info, kind) {
            next = next.max(taken + 1);
        }
    }
}

/// The number in a name of that kind.
fn taken(info: &DeviceInfo, kind: &str) -> Option<u32> {
    info.alias()?.strip_prefix(kind)?.parse().ok()
}

/// The first console is often the first serial port under its other name.
fn consoles(serials: &[Serial], consoles: &mut [Console]) {
    let mut next = 0;
    for (place, console) in consoles.iter_mut().enumerate() {
        let serial = serials
            .first()
            .filter(|_| place == 0 && console.kind == Some(ConsoleType::Serial));
        if let Some(alias) = serial.and_then(|s| s.info.alias.as_ref()) {
            console.info.alias = Some(alias.clone());
        } else {
            console.info.name(|| format!("console{next}"));
        }
        let number = taken(&console.info, "console").or_else(|| taken(&console.info, "serial"));
        if let Some(number) = number {
            next = next.max(number + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_count_on_past_those_that_are_taken() {
        let mut infos = [const { None }; 4].map(|_: Option<()>| DeviceInfo::default());
        infos[1].name(|| "ua-mine".to_owned());
        infos[2].name(|| "net7".to_owned());
        number("net", infos.iter_mut());
        let names: Vec<_> = infos.iter().filter_map(DeviceInfo::alias).collect();
        assert_eq!(names, ["net0", "ua-mine", "net7", "net8"]);
    }
}
