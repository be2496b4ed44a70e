//! Options of sources of randomness.

use super::character::{self, SpicePurpose};
use super::command_line::Builder;
use super::context::StartContext;
use super::props::Props;
use super::virtio;
use virt_domain::Domain;
use virt_domain::devices::rng::{Rng, RngBackend};
use virt_error::Result;

/// Length of a period in milliseconds where only the bytes are said.
const PERIOD: u32 = 1000;

pub(super) fn append(b: &mut Builder, domain: &Domain, context: &mut StartContext) -> Result<()> {
    for rng in &domain.devices.rngs {
        let chardev = match &rng.backend {
            RngBackend::Egd(source) => {
                let alias = rng.info.alias().unwrap_or_default();
                Some(character::append(
                    b,
                    context,
                    source,
                    alias,
                    SpicePurpose::Agent,
                )?)
            }
            RngBackend::Random { .. } | RngBackend::Builtin => None,
        };
        append_one(b, domain, rng, chardev)?;
    }
    Ok(())
}

/// One whose character device, if it has one, is there.
pub(super) fn append_one(
    b: &mut Builder,
    domain: &Domain,
    rng: &Rng,
    chardev: Option<String>,
) -> Result<()> {
    let alias = rng.info.alias().unwrap_or_default();
    let id = format!("obj{alias}");
    let object = match &rng.backend {
        RngBackend::Random { path } => Props::of("qom-type", "rng-random")
            .with("id", id.clone())
            .with("filename", path.clone()),
        RngBackend::Egd(_) => Props::of("qom-type", "rng-egd")
            .with("id", id.clone())
            .maybe("chardev", chardev),
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
    Ok(())
}
