//! Defaults of displays.

use super::Context;
use std::path::Path;
use virt_domain::Domain;
use virt_domain::devices::graphics::Listen;
use virt_error::Result;

pub(super) fn fill(domain: &mut Domain, context: &Context) -> Result<()> {
    if domain.id.is_some() {
        // A running guest listens where it does.
        return Ok(());
    }
    let lib_dir = context.config.lib_dir.display().to_string();
    let listens = domain
        .devices
        .graphics
        .iter_mut()
        .flat_map(|g| &mut g.listens);
    for listen in listens {
        if let Listen::Socket { path, .. } = listen {
            // A socket that the configuration once made of an address is an address again.
            let ours = path.as_deref().is_some_and(|path| {
                path.strip_prefix(&lib_dir)
                    .is_some_and(|rest| rest.starts_with("/domain-") && is_in_folder(rest))
            });
            if ours {
                *listen = Listen::address(None);
            }
        }
    }
    Ok(())
}

/// Whether the path is that of a file in a guest's own folder.
fn is_in_folder(rest: &str) -> bool {
    Path::new(rest).components().count() > 2
}
