//! Options of the balloon.

use super::command_line::Builder;
use super::context::StartContext;
use super::virtio;
use virt_domain::Domain;
use virt_domain::devices::memballoon::BalloonModel;
use virt_domain::devices::virtio::VirtioModel;
use virt_error::Result;
use virt_xml::OnOff;

pub(super) fn append(b: &mut Builder, domain: &Domain, _context: &mut StartContext) -> Result<()> {
    let Some(balloon) = &domain.devices.memballoon else {
        return Ok(());
    };
    let model = match balloon.model {
        BalloonModel::Virtio => VirtioModel::Virtio,
        BalloonModel::VirtioTransitional => VirtioModel::VirtioTransitional,
        BalloonModel::VirtioNonTransitional => VirtioModel::VirtioNonTransitional,
        BalloonModel::Xen | BalloonModel::None => return Ok(()),
    };
    let props = virtio::device("virtio-balloon", Some(model), &balloon.info)
        .with_virtio(Some(&balloon.virtio))
        .maybe("id", balloon.info.alias())
        .placed(domain, &balloon.info)?
        .maybe("deflate-on-oom", balloon.autodeflate.map(OnOff::is_on))
        .maybe(
            "free-page-reporting",
            balloon.free_page_reporting.map(OnOff::is_on),
        );
    b.device(&props);
    Ok(())
}
