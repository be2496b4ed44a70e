//! Back ends of devices on the host: what is chosen before QEMU's command line is made, and what is
//! learnt from QEMU afterwards. Both are written into the live definition.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use serde_json::json;
use virt_domain::Domain;
use virt_domain::devices::chardev::{ChannelState, ChannelTarget, CharBackend, CharSource};
use virt_domain::devices::graphics::{GraphicsAuth, GraphicsKind};
use virt_domain::devices::info::DeviceInfo;
use virt_domain::devices::interface::LinkState;
use virt_domain::devices::memballoon::BalloonModel;
use virt_domain::devices::tpm::TpmBackend;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_net::{End, HostEnd, end, filters, network_ports};

use super::expiry;
use crate::driver::Driver;
use crate::guest::Belongings;
use crate::qmp::machine::Chardev;
use crate::qmp::{Monitor, Pending};
use crate::status::qom_path;
use crate::{passt, ports, swtpm, vhost_user};

/// Chooses ports and sockets, asks networks for theirs and starts helper programs; QEMU's ends of
/// connections with those that draw screens, by alias. Blocks.
///
/// # Errors
/// What can't be had, by name. What was had by then is in `belongings`.
pub(super) fn before(
    driver: &Arc<Driver>,
    domain: &mut Domain,
    short_name: &str,
    folder: &Path,
    incoming: bool,
    belongings: &mut Belongings,
) -> Result<HashMap<String, OwnedFd>> {
    crate::prepare::prepare(domain, &driver.config, short_name, folder);
    let mut taken = driver.ports.lock().unwrap_or_else(PoisonError::into_inner);
    taken.choose(domain, driver.config.spice_tls, ports::is_free)?;
    drop(taken);
    belong_here(driver, domain, short_name, belongings);
    helpers(driver, domain, short_name, incoming)?;
    let places = vhost_user_places(driver, short_name, folder);
    let account = driver.ownership.as_ref().map(|owner| owner.account());
    vhost_user::start(domain, &places, account)
}

fn vhost_user_places<'a>(
    driver: &'a Driver,
    short_name: &'a str,
    folder: &'a Path,
) -> vhost_user::Places<'a> {
    vhost_user::Places {
        short_name,
        guest_dir: folder,
        state: &driver.folders.state,
        logs: &driver.folders.log,
        descriptors: &driver.config.vhost_user_dirs,
    }
}

/// Asks networks for ports, before devices get their names: a network makes one a host device.
///
/// # Errors
/// What the networks say. What was had by then is in `belongings`.
pub(super) fn networks(
    driver: &Arc<Driver>,
    domain: &mut Domain,
    belongings: &mut Belongings,
) -> Result<()> {
    network_ports::choose(domain);
    let asked = network_ports::ask(&driver.neighbours, ErrorDomain::Qemu, domain);
    ports_belong(driver, domain, belongings);
    asked
}

/// What goes with a guest that was found running: ports of displays and of networks, host devices,
/// helper programs, links.
pub(crate) fn belong(
    driver: &Arc<Driver>,
    domain: &Domain,
    short_name: &str,
    belongings: &mut Belongings,
) {
    ports_belong(driver, domain, belongings);
    let lent = driver.pci_users.found(domain, &driver.paths.root);
    belongings.at_end(move || drop(lent));
    belong_here(driver, domain, short_name, belongings);
    filters_belong(driver, domain, belongings);
    ends_belong(end::ends(domain, ErrorDomain::Qemu), belongings);
}

/// The ports go with the guest, also after a restart of the daemon.
fn ports_belong(driver: &Arc<Driver>, domain: &Domain, belongings: &mut Belongings) {
    let list = belongings.of_interfaces().ports.clone();
    list.add(network_ports::of(domain));
    let (driver, name) = (Arc::clone(driver), domain.name.clone());
    belongings.at_end(move || network_ports::give_back(&driver.neighbours, &name, &list.take()));
}

/// Links that don't go by themselves go with the guest.
pub(super) fn ends_belong(ends: Vec<End>, belongings: &mut Belongings) {
    let list = belongings.of_interfaces().ends.clone();
    list.add(ends);
    belongings.at_end(move || list.take().into_iter().for_each(End::undo));
}

/// What of that is chosen and started here.
fn belong_here(
    driver: &Arc<Driver>,
    domain: &Domain,
    short_name: &str,
    belongings: &mut Belongings,
) {
    let own = ports::of_guest(domain);
    if !own.is_empty() {
        let mut taken = driver.ports.lock().unwrap_or_else(PoisonError::into_inner);
        own.iter().for_each(|port| taken.claim(*port));
        drop(taken);
        let driver = Arc::clone(driver);
        belongings.at_end(move || {
            let mut taken = driver.ports.lock().unwrap_or_else(PoisonError::into_inner);
            taken.release(&own);
        });
    }
    if needs_helpers(domain) {
        let (driver, domain) = (Arc::clone(driver), domain.clone());
        let short_name = short_name.to_owned();
        belongings.at_end(move || {
            passt::stop(&domain, &driver.folders.state, &short_name);
            swtpm::stop(&domain, &tpm_folders(&driver), &short_name);
            let folder = driver.folders.guest(&short_name);
            vhost_user::stop(&domain, &vhost_user_places(&driver, &short_name, &folder));
        });
    }
}

fn needs_helpers(domain: &Domain) -> bool {
    !domain.devices.tpms.is_empty()
        || domain.devices.interfaces.iter().any(|i| i.uses_passt())
        || vhost_user::any(domain)
}

fn tpm_folders(driver: &Driver) -> swtpm::Folders {
    swtpm::Folders {
        storage: driver.folders.swtpm.clone(),
        log: driver.folders.swtpm_log.clone(),
        state: driver.folders.swtpm_state.clone(),
    }
}

fn helpers(
    driver: &Arc<Driver>,
    domain: &mut Domain,
    short_name: &str,
    incoming: bool,
) -> Result<()> {
    if !needs_helpers(domain) {
        return Ok(());
    }
    let account = driver.ownership.as_ref().map(|owner| owner.account());
    let numbers = account.map(|account| (account.owner.uid, account.owner.gid));
    let tpm_user = account.map(|account| swtpm::RunAs {
        name: account.name.clone(),
        user: account.owner.uid,
        group: account.owner.gid,
    });
    // This thread may wait; the daemon's own drives the runtime.
    let runtime = tokio::runtime::Handle::current();
    let socket = runtime.block_on(async {
        passt::start(domain, &driver.folders.state, short_name, numbers).await?;
        let folders = tpm_folders(driver);
        swtpm::start(domain, &folders, short_name, tpm_user.as_ref(), incoming).await
    })?;
    for tpm in &mut domain.devices.tpms {
        if let TpmBackend::Emulator(emulator) = &mut tpm.backend {
            emulator.socket = socket.as_ref().map(|path| path.display().to_string());
        }
    }
    Ok(())
}

/// The host's ends that interfaces need, by alias.
///
/// # Errors
/// What can't be connected, by name.
pub(super) fn taps(domain: &Domain) -> Result<HashMap<String, HostEnd>> {
    let mut taps = HashMap::new();
    for interface in &domain.devices.interfaces {
        if let Some(end) = HostEnd::of(interface, domain.uuid, ErrorDomain::Qemu)? {
            let alias = interface.info.alias().unwrap_or_default();
            taps.insert(alias.to_owned(), end);
        }
    }
    Ok(taps)
}

/// Ties the packet filters of the guest's interfaces to their links. Blocks.
///
/// # Errors
/// What the daemon that has the filters says. What was tied by then is in `belongings`.
pub(super) fn tie_filters(
    driver: &Arc<Driver>,
    domain: &Domain,
    belongings: &mut Belongings,
) -> Result<()> {
    filters_belong(driver, domain, belongings);
    filters::tie(&driver.neighbours, domain)
}

/// The filters are untied at the guest's end.
fn filters_belong(driver: &Arc<Driver>, domain: &Domain, belongings: &mut Belongings) {
    let list = belongings.of_interfaces().filters.clone();
    list.add(filters::links(domain));
    let (driver, name) = (Arc::clone(driver), domain.name.clone());
    belongings.at_end(move || filters::untie(&driver.neighbours, &name, &list.take()));
}

/// Writes the names of the taps that were made into the guest.
pub(super) fn taps_made(domain: &mut Domain, names: &[(String, String)]) {
    for interface in &mut domain.devices.interfaces {
        let made = names
            .iter()
            .find(|(alias, _)| interface.info.alias() == Some(alias));
        if let Some((_, name)) = made {
            interface.target.get_or_insert_default().dev = Some(name.clone());
        }
    }
}

/// Every character device of the guest: its alias and its back end.
fn back_ends(domain: &mut Domain) -> impl Iterator<Item = (&DeviceInfo, &mut CharSource)> {
    let devices = &mut domain.devices;
    let serials = devices.serials.iter_mut().map(|d| (&d.info, &mut d.source));
    let parallels = devices
        .parallels
        .iter_mut()
        .map(|d| (&d.info, &mut d.source));
    let consoles = devices
        .consoles
        .iter_mut()
        .map(|d| (&d.info, &mut d.source));
    let channels = devices
        .channels
        .iter_mut()
        .map(|d| (&d.info, &mut d.source));
    serials.chain(parallels).chain(consoles).chain(channels)
}

/// Writes into the guest what QEMU says of its character devices: paths of pseudo terminals,
/// whether channels are open.
pub(crate) fn character_devices(domain: &mut Domain, told: &[Chardev]) {
    let find = |info: &DeviceInfo| {
        let alias = info.alias()?;
        let is_its = |device: &&Chardev| device.label.strip_prefix("char") == Some(alias);
        told.iter().find(is_its)
    };
    for (info, source) in back_ends(domain) {
        if let CharBackend::Pty { path } = &mut source.backend
            && let Some(terminal) = find(info).and_then(Chardev::pty)
        {
            *path = Some(terminal.to_owned());
        }
    }
    for channel in &mut domain.devices.channels {
        if let ChannelTarget::Virtio { state, .. } = &mut channel.target
            && let Some(device) = find(&channel.info)
        {
            *state = Some(channel_state(device.frontend_open));
        }
    }
}

/// The guest opened or closed the channel of that alias; whether it is one of the guest's.
pub(crate) fn channel_changed(domain: &mut Domain, alias: &str, open: bool) -> bool {
    let mut channels = domain.devices.channels.iter_mut();
    let Some(channel) = channels.find(|channel| channel.info.alias() == Some(alias)) else {
        return false;
    };
    if let ChannelTarget::Virtio { state, .. } = &mut channel.target {
        *state = Some(channel_state(open));
    }
    true
}

fn channel_state(open: bool) -> ChannelState {
    match open {
        true => ChannelState::Connected,
        false => ChannelState::Disconnected,
    }
}

/// What is set on a QEMU that came up, before its processors run: cables that are out, passwords,
/// the balloon.
///
/// # Errors
/// INVALID_ARG for the end of a password that is no time.
pub(super) fn after(driver: &Driver, domain: &Domain, monitor: &Monitor) -> Result<Vec<Pending>> {
    let mut commands = Vec::new();
    for interface in &domain.devices.interfaces {
        if interface.link == Some(LinkState::Down)
            && let Some(alias) = interface.info.alias()
        {
            commands.push(monitor.set_link(alias, false));
        }
    }
    for disk in &domain.devices.disks {
        if let Some(limits) = disk.iotune.as_ref().filter(|limits| limits.limits())
            && let Some(device) = qom_path(disk)
        {
            commands.push(monitor.set_io_throttle(&device, limits));
        }
    }
    for graphics in &domain.devices.graphics {
        let (protocol, auth, default) = match &graphics.kind {
            GraphicsKind::Vnc(vnc) => ("vnc", vnc.auth.as_ref(), &driver.config.vnc_password),
            GraphicsKind::Spice(spice) => {
                ("spice", spice.auth.as_ref(), &driver.config.spice_password)
            }
            _ => continue,
        };
        let password = auth.and_then(|auth| auth.passwd.as_ref());
        if let Some(password) = password.or(default.as_ref()) {
            let connected = auth.and_then(|auth| auth.connected);
            let mut arguments = json!({ "protocol": protocol, "password": password });
            if let Some(policy) = connected {
                arguments["connected"] = policy.word().into();
            }
            commands.push(monitor.send("set_password", Some(arguments)));
            commands.push(monitor.expire_display_password(protocol, &expires(auth)?));
        }
    }
    if let Some(balloon) = &domain.devices.memballoon
        && balloon.model != BalloonModel::None
    {
        if domain.current_memory < domain.memory.size {
            commands.push(monitor.set_balloon(domain.current_memory.bytes()));
        }
        if let (Some(period), Some(alias)) = (balloon.stats_period, balloon.info.alias()) {
            commands.push(monitor.poll_guest_stats(alias, period));
        }
    }
    Ok(commands)
}

/// When a password ends, as QEMU takes it.
fn expires(auth: Option<&GraphicsAuth>) -> Result<String> {
    let Some(end) = auth.and_then(|auth| auth.valid_to.as_deref()) else {
        return Ok("never".to_owned());
    };
    let seconds = expiry::seconds(end).ok_or_else(|| {
        Error::new(
            ErrorCode::InvalidArg,
            ErrorDomain::Qemu,
            format!("cannot parse password validity time '{end}', expect YYYY-MM-DDTHH:MM:SS"),
        )
    })?;
    Ok(seconds.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest() -> Domain {
        let text = "<domain type='qemu'><name>a</name><memory>1024</memory>
            <os><type arch='x86_64'>hvm</type></os><devices>
            <interface type='bridge'><source bridge='br0'/><mac address='52:54:00:01:02:03'/>
              <model type='virtio'/><mtu size='1400'/></interface>
            <interface type='user'><mac address='52:54:00:01:02:04'/></interface>
            <serial type='pty'/>
            <channel type='unix'><target type='virtio' name='x'/></channel>
            </devices></domain>";
        let mut domain = Domain::read(text).unwrap();
        crate::aliases::assign(&mut domain).unwrap();
        domain
    }

    #[test]
    fn a_bridge_needs_a_tap_and_gets_its_name() {
        let mut domain = guest();
        let taps = taps(&domain).unwrap();
        assert_eq!(taps.len(), 1);
        assert!(taps.contains_key("net0"));
        taps_made(&mut domain, &[("net0".into(), "vnet7".into())]);
        assert_eq!(domain.devices.interfaces[0].target_dev(), Some("vnet7"));
        assert_eq!(domain.devices.interfaces[1].target_dev(), None);
    }

    #[test]
    fn terminals_and_channels_are_as_qemu_says() {
        let mut domain = guest();
        let told: Vec<Chardev> = serde_json::from_value(json!([
            {"label": "charmonitor", "filename": "unix:/m", "frontend-open": true},
            {"label": "charserial0", "filename": "pty:/dev/pts/7", "frontend-open": true},
            {"label": "charchannel0", "filename": "unix:/c", "frontend-open": false}
        ]))
        .unwrap();
        character_devices(&mut domain, &told);
        let CharBackend::Pty { path } = &domain.devices.serials[0].source.backend else {
            panic!("a terminal")
        };
        assert_eq!(path.as_deref(), Some("/dev/pts/7"));
        let state = |domain: &Domain| match &domain.devices.channels[0].target {
            ChannelTarget::Virtio { state, .. } => *state,
            _ => None,
        };
        assert_eq!(state(&domain), Some(ChannelState::Disconnected));
        assert!(channel_changed(&mut domain, "channel0", true));
        assert_eq!(state(&domain), Some(ChannelState::Connected));
        assert!(!channel_changed(&mut domain, "channel9", true));
    }
}
