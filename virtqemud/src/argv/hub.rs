//! Options of USB hubs, which have to be there before what hangs on them.

use super::command_line::Builder;
use super::context::StartContext;
use super::props::Props;
use virt_domain::Domain;
use virt_error::Result;

pub(super) fn append(b: &mut Builder, domain: &Domain, _context: &mut StartContext) -> Result<()> {
    for hub in &domain.devices.hubs {
        let props = Props::device("usb-hub")
            .maybe("id", hub.info.alias())
            .placed(domain, &hub.info)?;
        b.device(&props);
    }
    Ok(())
}
