//! Options of sources of randomness.

use super::character::{self, SpicePurpose};
use super::command_line::Builder;
use super::context::StartContext;
use super::props::Props;
use super::virtio;
use virt_domain::Domain;
use virt_domain::devices::rng::RngBackend;
use virt_error::Result;

/// Length of a period in milliseconds where only the bytes are said.
const PERIOD: u32 = 1000;

pub(super) fn append(b: &mut Builder, domain: &Domain, context: &mut StartContext) -> Result<()> {
    for rng in &domain.devices.rngs {
        let alias = rng.info.alias().unwrap_or_default();
        let id = format!("obj{alias}");
        let object = match &rng.backend {
            RngBackend::Random { path } => Props::of("qom-type", "rng-random")
                .with("id", id.clone())
                .with("filename", path.clone()),
            RngBackend::Egd(source) => {
                let chardev = character::append(b, context, source, alias, SpicePurpose::Agent)?;
                Props::of("qom-type", "rng-egd")
                    .with("id", id.clone())
                    .with("chardev", chardev)
            }
            RngBackend::Builtin => Props::of("qom-type", "rng-builtin").with("id", id.clone()),
        };
        b.object(&object);
        let props = virtio::device("virtio-rng", Some(rng.model), &rng.info)
            .with_virtio(Some(&rng.virtio))
            .with("rng", id)
            .with("id", alias)
            .maybe("max-bytes", rng.rate.map(|rate| rate.bytes))
            .maybe("period", rng.rate.map(|rate| rate.period.unwrap_or(PERIOD)))
            .placed(domain, &rng.info)?;
        b.device(&props);
    }
    Ok(())
}
