//! The command line a definition stands for: `virsh domxml-to-native`.
//!
//! As the stock daemon's it is one for people to read: nothing is opened for QEMU, files and
//! sockets are named, and every interface is a bare tap, whatever it is connected to.

use std::fs::OpenOptions;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use virt_domain::Domain;
use virt_domain::devices::interface::{Interface, InterfaceSource};
use virt_domain::devices::tpm::TpmBackend;
use virt_domain::vcpu::Placement;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::{ConnectDomainXmlToNative, ConnectDomainXmlToNativeRet};
use virt_rpc::server::{Call, Router};

use super::flags;
use super::session::Session;
use crate::argv::{
    CommandLine, Descriptors, FileUse, HostNode, Incoming, StartContext, TapFds, VhostNet, build,
    short_name,
};
use crate::caps::QemuCaps;
use crate::define::{self, Context, Origin};
use crate::definitions::{self, off_thread};
use crate::driver::Driver;
use crate::ports::Ports;
use crate::secrets::{MasterKey, Secrets};
use crate::start::secrets::{KeptSecrets, find_volume};
use crate::{addresses, aliases, prepare, storage};

pub(super) fn register(router: &mut Router<Session>) {
    router.task::<ConnectDomainXmlToNative, _, _>(to_native);
}

async fn to_native(
    call: Call<ConnectDomainXmlToNative, Session>,
) -> Result<ConnectDomainXmlToNativeRet> {
    let permitted = call.session().permit(&call)?;
    flags::only(call.args.flags, 0, "qemuConnectDomainXMLToNative")?;
    let format = &call.args.nativeFormat;
    if format != "qemu-argv" {
        return Err(Error::new(
            ErrorCode::InvalidArg,
            ErrorDomain::Qemu,
            format!("unsupported config type {format}"),
        ));
    }
    let driver = call.session().driver(&permitted).clone();
    let xml = &call.args.domainXml;
    let (domain, caps) = definitions::read(&driver, xml, Origin::New).await?;
    let line = off_thread(move || command_line(&driver, domain, &caps)).await?;
    Ok(ConnectDomainXmlToNativeRet {
        // On one line, as the stock daemon gives it.
        nativeConfig: line.printable().replace(" \\\n", " "),
    })
}

/// What a start would execute; nothing is made or opened. Looks for firmware: blocks.
fn command_line(driver: &Driver, mut domain: Box<Domain>, caps: &QemuCaps) -> Result<CommandLine> {
    domain.inactive();
    let context = Context {
        caps,
        config: &driver.config,
        origin: Origin::Stored,
        random: virt_domain::random,
    };
    if !domain.devices.interfaces.is_empty() {
        domain.devices.interfaces = domain.devices.interfaces.iter().map(bare).collect();
        addresses::assign(&mut domain, &context)?;
    }
    define::resolve(&mut domain, &context, &|| {
        driver.host_state.cpu_map_at_once()
    })?;
    let find = &mut |pool: &str, volume: &str| find_volume(&driver.neighbours, pool, volume);
    storage::volumes::resolve(&mut domain, true, find)?;
    aliases::assign(&mut domain)?;
    let short_name = short_name(-1, &domain.name);
    let guest_dir = driver.folders.guest(&short_name);
    prepare::prepare(&mut domain, &driver.config, &short_name, &guest_dir);
    let conf = &driver.conf;
    let tls = driver.config.spice_tls;
    Ports::choose_unasked(conf.display_ports, conf.websocket_ports, &mut domain, tls)?;
    if let Some(vsock) = &mut domain.devices.vsock
        && vsock.is_auto()
    {
        vsock.cid.get_or_insert(0);
    }
    host_has(&domain)?;
    let monitor = guest_dir.join("monitor.sock");
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let mut numbered = Numbered(FIRST_DESCRIPTOR);
    let mut line = build(
        &domain,
        caps,
        &mut StartContext {
            short_name,
            guest_dir,
            config: &driver.config,
            environment: std::env::vars().collect(),
            monitor_fd: MONITOR_DESCRIPTOR,
            master_key: true,
            incoming: Incoming::None,
            node_index: 0,
            // A clock before 1970 is as good as one at its start.
            now: now.map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX)),
            utc_offset: 0,
            host_nodes: HostNode::all(driver.host.tree()),
            auto_nodes: None,
            host_smbios: None,
            descriptors: &mut numbered,
            secrets: Secrets::new(
                &mut KeptSecrets(&driver.neighbours),
                MasterKey::made_with(virt_domain::random),
                virt_domain::random,
            ),
        },
    )?;
    name_monitor(&mut line, &monitor);
    Ok(line)
}

/// The interface as a tap device that somebody else made: only its card and address are kept.
fn bare(interface: &Interface) -> Interface {
    let ethernet = InterfaceSource::Ethernet {
        ips: Vec::new(),
        routes: Vec::new(),
    };
    Interface {
        mac: interface.mac.clone(),
        model: interface.model.clone(),
        ..Interface::new(ethernet)
    }
}

/// A person who runs the line has no socket open: the path it would be at is told instead.
fn name_monitor(line: &mut CommandLine, path: &Path) {
    let opened = format!("fd={MONITOR_DESCRIPTOR}");
    let named = format!("path={}", path.display());
    for word in &mut line.args {
        if word.starts_with("socket,id=charmonitor,") {
            *word = word.replace(&opened, &named);
        }
    }
}

/// After standard input, output and error.
const MONITOR_DESCRIPTOR: i32 = 3;
const FIRST_DESCRIPTOR: i32 = 4;

/// Descriptors that nobody opened, numbered as if they were.
struct Numbered(i32);

impl Numbered {
    fn next(&mut self) -> i32 {
        self.0 += 1;
        self.0 - 1
    }
}

impl Descriptors for Numbered {
    fn names_files(&self) -> bool {
        true
    }

    fn listen_unix(&mut self, _: &str, _: &Path) -> Result<i32> {
        Ok(self.next())
    }

    fn char_file(&mut self, _: &str, _: FileUse, _: &Path, _: bool) -> Result<i32> {
        Ok(self.next())
    }

    fn tap(&mut self, _: &str, queues: u32, _: VhostNet) -> Result<TapFds> {
        Ok(TapFds {
            tap: (0..queues).map(|_| self.next().to_string()).collect(),
            vhost: Vec::new(),
        })
    }

    fn vhost_vsock(&mut self, _: u32) -> Result<i32> {
        // The stock daemon shows that it opened none.
        Ok(-1)
    }

    fn vhost_scsi(&mut self) -> Result<i32> {
        Ok(self.next())
    }

    fn vhost_vdpa(&mut self, _: &Path) -> Result<i32> {
        Ok(self.next())
    }

    fn vhost_user_gpu(&mut self, _: &str) -> Result<i32> {
        Ok(self.next())
    }

    fn tpm(&mut self, _: &Path) -> Result<i32> {
        Ok(self.next())
    }
}

/// What the host has to have for a command line to be of use.
fn host_has(domain: &Domain) -> Result<()> {
    let memory = domain.numatune.as_ref().and_then(|n| n.memory.as_ref());
    let memory = memory.and_then(|memory| memory.placement);
    if memory == Some(Placement::Auto) {
        return Err(Error::new(
            ErrorCode::InternalError,
            ErrorDomain::Qemu,
            "Advice from numad is needed in case of automatic numa placement",
        ));
    }
    for tpm in &domain.devices.tpms {
        if let TpmBackend::Passthrough { device } = &tpm.backend {
            let opened = OpenOptions::new().read(true).write(true).open(device);
            opened.map_err(|error| {
                Error::new(
                    ErrorCode::SystemError,
                    ErrorDomain::Qemu,
                    format!("Could not open TPM device {device}: {error}"),
                )
            })?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monitor_is_named_by_its_path() {
        let mut line = CommandLine {
            args: vec![
                "-chardev".into(),
                "socket,id=charmonitor,fd=3,server=on,wait=off".into(),
                "socket,id=other,fd=3".into(),
            ],
            ..CommandLine::default()
        };
        name_monitor(&mut line, Path::new("/d/monitor.sock"));
        assert_eq!(
            line.args[1],
            "socket,id=charmonitor,path=/d/monitor.sock,server=on,wait=off"
        );
        assert_eq!(line.args[2], "socket,id=other,fd=3");
    }
}
