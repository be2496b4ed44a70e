//! The document about the host and what it runs.

use std::sync::Arc;

use virt_driver::api::Session as _;
use virt_driver::off_thread;
use virt_host::capabilities::{
    Arch, Capabilities, DomainType, Guest, HostCapabilities, HostCpu, SecModel,
};
use virt_host::{Host, uuid};
use virt_label::Model;
use virt_rpc::protocol::remote::{ConnectGetCapabilities, ConnectGetCapabilitiesRet};
use virt_rpc::server::Router;

use super::session::Session;
use crate::define::EMULATOR;

pub(super) fn register(router: &mut Router<Session>) {
    router.task::<ConnectGetCapabilities, _, _>(|call| async move {
        let permitted = call.session().permit(&call)?;
        let driver = Arc::clone(call.session().driver(&permitted));
        let capabilities =
            off_thread(move || Ok(of(&driver.host, driver.labels.model()).to_xml())).await?;
        Ok(ConnectGetCapabilitiesRet { capabilities })
    });
}

/// Containers use the host's processor as it is: its model is nobody's to choose, and not told.
fn of(host: &Host, model: Model) -> Capabilities {
    let uuid = uuid::of_firmware(host.tree()).or_else(|| uuid::of_machine_id(host.tree()));
    let read = HostCapabilities::read(host, None, None, uuid);
    let machine = host.machine();
    let mut guests = vec![guest(machine)];
    // The kernel runs programs of the older one as well.
    guests.extend((machine == "x86_64").then(|| guest("i686")));
    Capabilities {
        host: HostCapabilities {
            cpu: HostCpu {
                pages: read.cpu.pages,
                ..HostCpu::unknown(machine)
            },
            secmodels: vec![secmodel(model)],
            ..read
        },
        guests,
    }
}

fn secmodel(model: Model) -> SecModel {
    let plain = SecModel::plain(model.name());
    match model.base_label() {
        Some(label) => plain.with_label("lxc", label),
        None => plain,
    }
}

fn guest(arch: &str) -> Guest {
    Guest {
        os_type: "exe".to_owned(),
        arch: Arch {
            name: arch.to_owned(),
            wordsize: if arch.contains("64") { 64 } else { 32 },
            emulator: Some(EMULATOR.to_owned()),
            machines: Vec::new(),
            domains: vec![DomainType {
                kind: "lxc".to_owned(),
            }],
        },
        features: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_of_the_hosts_architecture() {
        let xml = of(&Host::local(), Model::None).to_xml();
        for part in [
            "<os_type>exe</os_type>",
            "<domain type='lxc'/>",
            "<model>none</model>",
        ] {
            assert!(xml.contains(part), "{xml}");
        }
        assert!(!xml.contains("<feature"), "{xml}");
    }
}
