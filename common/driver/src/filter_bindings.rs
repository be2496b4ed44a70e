//! Packet filters of guests' interfaces, had from the daemon that has the filters: a binding ties a
//! filter to a link of the host. Every wait has an end.
//!
//! Facts: libvirt's schema `nwfilterbinding.rng`.

use std::future::Future;
use std::time::Duration;

use uuid::Uuid;
use virt_domain::devices::interface::{FilterRef, Interface, InterfaceSource};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::Connection as Kind;
use virt_rpc::protocol::remote::{
    NonnullNwfilterBinding, NwfilterBindingCreateXml, NwfilterBindingCreateXmlArgs,
    NwfilterBindingDelete, NwfilterBindingDeleteArgs, NwfilterBindingLookupByPortDev,
    NwfilterBindingLookupByPortDevArgs,
};
use virt_xml::Writer;

use crate::secondary::Neighbours;

/// How long the daemon may take: it runs the host's packet filter programs.
const PATIENCE: Duration = Duration::from_secs(30);

/// A filter to be tied to a link.
#[derive(Debug, Clone, PartialEq)]
pub struct Binding {
    /// Name of the link.
    pub link: String,
    document: String,
}

impl Binding {
    /// Of an interface whose host's end is that link; nothing if it has no filter.
    pub fn of(interface: &Interface, link: &str, guest: &str, uuid: Uuid) -> Option<Self> {
        let filter = interface.filterref.as_ref()?;
        Some(Self {
            link: link.to_owned(),
            document: document(interface, filter, link, guest, uuid),
        })
    }

    /// The binding as a document.
    pub fn to_xml(&self) -> &str {
        &self.document
    }
}

fn document(
    interface: &Interface,
    filter: &FilterRef,
    link: &str,
    guest: &str,
    uuid: Uuid,
) -> String {
    let mut out = Writer::new();
    let named = |out: &mut Writer, element: &str, attribute: &str, value: &str| {
        out.open(element, |tag| tag.text(attribute, value), |_| {});
    };
    out.open(
        "filterbinding",
        |_| {},
        |out| {
            out.open(
                "owner",
                |_| {},
                |out| {
                    out.text_element("name", &guest.to_owned());
                    out.text_element("uuid", &uuid);
                },
            );
            named(out, "portdev", "name", link);
            if let InterfaceSource::Direct { dev, .. } = &interface.source {
                named(out, "linkdev", "name", dev);
            }
            named(out, "mac", "address", &interface.mac_text());
            out.element("filterref", filter);
        },
    );
    out.finish()
}

/// Ties a filter to its link.
///
/// # Errors
/// SYSTEM_ERROR naming the socket where the daemon is not there, OPERATION_TIMEOUT when it does not
/// answer; its own errors, such as INTERNAL_ERROR ("referenced filter 'x' is missing").
pub async fn create(neighbours: &Neighbours, binding: &Binding) -> Result<()> {
    within(async {
        let connection = neighbours.connect(Kind::Nwfilter).await?;
        let create = NwfilterBindingCreateXmlArgs {
            xml: binding.document.clone(),
            flags: 0,
        };
        connection.call::<NwfilterBindingCreateXml>(&create).await?;
        Ok(())
    })
    .await
}

/// Unties the filters of links; a link without one is fine.
///
/// # Errors
/// As [`create`]; the first one, when the others were tried.
pub async fn delete(neighbours: &Neighbours, links: &[String]) -> Result<()> {
    if links.is_empty() {
        return Ok(());
    }
    within(async {
        let connection = neighbours.connect(Kind::Nwfilter).await?;
        let mut outcome = Ok(());
        for link in links {
            let look_up = NwfilterBindingLookupByPortDevArgs { name: link.clone() };
            let found = connection
                .call::<NwfilterBindingLookupByPortDev>(&look_up)
                .await;
            let deleted = match found {
                Ok(found) => {
                    let nwfilter: NonnullNwfilterBinding = found.nwfilter;
                    let delete = NwfilterBindingDeleteArgs { nwfilter };
                    connection.call::<NwfilterBindingDelete>(&delete).await
                }
                Err(gone) if gone.is(ErrorCode::NoNwfilterBinding) => Ok(()),
                Err(error) => Err(error),
            };
            outcome = outcome.and(deleted);
        }
        outcome
    })
    .await
}

async fn within<T>(asked: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(answered) => answered,
        Err(_) => Err(Error::new(
            ErrorCode::OperationTimeout,
            ErrorDomain::Rpc,
            format!(
                "the daemon of network filters did not answer within {} seconds; look whether it \
                 hangs",
                PATIENCE.as_secs()
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binding_names_guest_link_and_filter() {
        let text = "<interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='b'/>
            <filterref filter='f'><parameter name='IP' value='1.2.3.4'/></filterref></interface>";
        let (interface, _) = virt_xml::read_named::<Interface>("interface", text).unwrap();
        let binding = Binding::of(&interface, "vnet0", "g", Uuid::nil()).unwrap();
        assert_eq!(
            binding.to_xml(),
            "<filterbinding>\n  <owner>\n    <name>g</name>\n    \
             <uuid>00000000-0000-0000-0000-000000000000</uuid>\n  </owner>\n  \
             <portdev name='vnet0'/>\n  <mac address='52:54:00:00:00:01'/>\n  \
             <filterref filter='f'>\n    <parameter name='IP' value='1.2.3.4'/>\n  </filterref>\n\
             </filterbinding>\n"
        );
    }
}
