//! Packet filters of a guest's interfaces, tied to their links by the daemon that has the filters.

use tokio::runtime::Handle;
use virt_domain::Domain;
use virt_driver::filter_bindings::{self, Binding};
use virt_driver::secondary::Neighbours;
use virt_error::Result;

/// Ties the filters of the guest's interfaces to their links. Blocks.
///
/// # Errors
/// What the daemon that has the filters says. What was tied by then is among [`links`].
pub fn tie(neighbours: &Neighbours, domain: &Domain) -> Result<()> {
    let runtime = Handle::current();
    for binding in bindings(domain) {
        runtime.block_on(filter_bindings::create(neighbours, &binding))?;
    }
    Ok(())
}

fn bindings(domain: &Domain) -> Vec<Binding> {
    let interfaces = domain.devices.interfaces.iter();
    interfaces
        .filter_map(|interface| {
            let link = interface.target_dev()?;
            Binding::of(&interface.resolved(), link, &domain.name, domain.uuid)
        })
        .collect()
}

/// The guest's links with filters.
pub fn links(domain: &Domain) -> Vec<String> {
    bindings(domain).into_iter().map(|b| b.link).collect()
}

/// Unties the guest's links; what can't be untied is told in the log. Blocks.
pub fn untie(neighbours: &Neighbours, guest: &str, links: &[String]) {
    if links.is_empty() {
        return;
    }
    let untied = Handle::current().block_on(filter_bindings::delete(neighbours, links));
    if let Err(error) = untied {
        tracing::warn!(guest, %error, "filters of links may be left: {}", links.join(", "));
    }
}
