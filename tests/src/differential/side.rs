//! One of the two daemons, and what it makes of a guest.

use std::os::unix::net::UnixStream;

use virt_rpc::protocol::remote::{
    ConnectDomainXmlToNative, ConnectDomainXmlToNativeArgs, DomainDefineXmlFlags,
    DomainDefineXmlFlagsArgs, DomainGetXmlDesc, DomainGetXmlDescArgs, DomainUndefineFlags,
    DomainUndefineFlagsArgs, NonnullDomain,
};

use super::mutate::{NAME, UUID};
use crate::host::{Host, eventually};
use crate::target::Target;
use crate::wire::{Failure, Wire};

/// `VIR_DOMAIN_XML_SECURE` and `VIR_DOMAIN_XML_INACTIVE` (libvirt-domain.h).
const SECURE: u32 = 1;
const INACTIVE: u32 = 2;
/// Managed save, snapshots, NVRAM, checkpoints: whatever the guest has (libvirt-domain.h).
const UNDEFINE_ALL: u32 = 1 | 2 | 4 | 16;

/// The stock daemon was seen to fill 22 GiB over one guest; one that wants more than this has ended.
const BOUND: &[&str] = &["prlimit", "--as=6442450944"];

/// What a daemon makes of a guest, or the sentence with which it refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The command line (`virConnectDomainXMLToNative`).
    pub native: Result<String, String>,
    /// What it wrote down at `define`, passwords included.
    pub xml: Result<String, String>,
    /// The same without passwords.
    pub plain: Option<String>,
}

/// A daemon with a connection.
pub struct Side {
    host: Host,
    wire: Wire,
    /// How often it had to be started again because it ended over a guest.
    pub ended: u32,
}

impl Side {
    /// Starts the daemon.
    ///
    /// # Panics
    /// When it doesn't answer.
    pub fn start(target: Target) -> Self {
        let mut host = Host::of(target);
        host.spawn_daemon_by(BOUND, &[]);
        host.await_socket();
        let wire = open(&host);
        Self {
            host,
            wire,
            ended: 0,
        }
    }

    /// Asks about a guest: its command line, and its definition read back.
    pub fn ask(&mut self, xml: &str) -> Answer {
        match self.try_ask(xml) {
            Some(answer) => answer,
            None => {
                self.ended += 1;
                self.restart();
                let ended = "the daemon ended or closed the connection".to_owned();
                Answer {
                    native: Err(ended.clone()),
                    xml: Err(ended),
                    plain: None,
                }
            }
        }
    }

    /// Starts the daemon again after it ended, and connects. It may be ending still, or end again
    /// over what it wrote down.
    fn restart(&mut self) {
        for _ in 0..5 {
            if !self.host.daemon_runs() {
                let written = format!("etc/libvirt/qemu/{NAME}.xml");
                let _ = std::fs::remove_file(self.host.path(&written));
                self.host.spawn_daemon_by(BOUND, &[]);
            }
            eventually("the daemon's first answer or its end", || {
                !self.host.daemon_runs() || UnixStream::connect(self.host.socket()).is_ok()
            });
            if let Ok(wire) = Wire::open(&self.host.socket(), "qemu:///system") {
                self.wire = wire;
                return;
            }
        }
        panic!("the daemon does not start again");
    }

    fn try_ask(&mut self, xml: &str) -> Option<Answer> {
        let xml = &self.placed(xml);
        let native = self
            .wire
            .call::<ConnectDomainXmlToNative>(&ConnectDomainXmlToNativeArgs {
                nativeFormat: "qemu-argv".to_owned(),
                domainXml: xml.to_owned(),
                flags: 0,
            });
        let native = answered(native)?.map(|ret| self.neutral(ret.nativeConfig));
        let defined = self
            .wire
            .call::<DomainDefineXmlFlags>(&DomainDefineXmlFlagsArgs {
                xml: xml.to_owned(),
                flags: 0,
            });
        let dom = match answered(defined)? {
            Ok(ret) => ret.dom,
            Err(message) => {
                return Some(Answer {
                    native,
                    xml: Err(message),
                    plain: None,
                });
            }
        };
        let secure = self.describe(&dom, INACTIVE | SECURE)?;
        let plain = self.describe(&dom, INACTIVE)?.ok();
        let gone = self
            .wire
            .call::<DomainUndefineFlags>(&DomainUndefineFlagsArgs {
                dom: NonnullDomain {
                    name: NAME.to_owned(),
                    uuid: UUID,
                    id: -1,
                },
                flags: UNDEFINE_ALL,
            });
        if let Err(message) = answered(gone)? {
            // What stays would meet the next guest.
            panic!("undefine: {message}\nof\n{xml}");
        }
        Some(Answer {
            native,
            xml: secure,
            plain,
        })
    }

    fn describe(&mut self, dom: &NonnullDomain, flags: u32) -> Option<Result<String, String>> {
        let described = self.wire.call::<DomainGetXmlDesc>(&DomainGetXmlDescArgs {
            dom: dom.clone(),
            flags,
        });
        Some(answered(described)?.map(|ret| self.neutral(ret.xml)))
    }

    /// With the folder that stands for `/` before the driver's own paths: the stock daemon has its
    /// folders mounted there instead.
    fn placed(&self, xml: &str) -> String {
        if self.host.target == Target::Stock {
            return xml.to_owned();
        }
        let root = self.host.root().to_string_lossy();
        let mut xml = xml.to_owned();
        for before in ['"', '>'] {
            for own in ["/var/lib/libvirt/", "/run/libvirt/"] {
                xml = xml.replace(&format!("{before}{own}"), &format!("{before}{root}{own}"));
            }
        }
        xml
    }

    /// Without the folder that stands for `/`.
    fn neutral(&self, text: String) -> String {
        text.replace(&*self.host.root().to_string_lossy(), "")
    }
}

fn open(host: &Host) -> Wire {
    Wire::open(&host.socket(), "qemu:///system").expect("the daemon takes a connection")
}

/// What a call gave; nothing when the connection is lost.
fn answered<T>(result: Result<T, Failure>) -> Option<Result<T, String>> {
    match result {
        Ok(value) => Some(Ok(value)),
        Err(Failure::Refused(error)) => Some(Err(error.message.clone().unwrap_or_default())),
        Err(_) => None,
    }
}
