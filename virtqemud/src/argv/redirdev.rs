//! Options of redirected USB devices.

use super::character::{self, SpicePurpose};
use super::command_line::Builder;
use super::context::StartContext;
use super::props::Props;
use virt_domain::Domain;
use virt_domain::devices::redirdev::{RedirFilter, RedirRule};
use virt_error::Result;

pub(super) fn append(b: &mut Builder, domain: &Domain, context: &mut StartContext) -> Result<()> {
    for device in &domain.devices.redirdevs {
        let alias = device.info.alias().unwrap_or_default();
        let purpose = SpicePurpose::UsbRedirection;
        let chardev = character::append(b, context, &device.source, alias, purpose)?;
        let props = Props::device("usb-redir")
            .with("chardev", chardev)
            .with("id", alias)
            .maybe(
                "filter",
                domain.devices.redirfilter.as_ref().and_then(filter),
            )
            .maybe("bootindex", device.info.boot_order())
            .placed(domain, &device.info)?;
        b.device(&props);
    }
    Ok(())
}

/// The rules in usbredir's own form: `class:vendor:product:version:allow`, `|` between them.
fn filter(filter: &RedirFilter) -> Option<String> {
    let rules: Vec<String> = filter.rules.iter().map(rule).collect();
    (!rules.is_empty()).then(|| rules.join("|"))
}

fn rule(rule: &RedirRule) -> String {
    let number = |value: Option<u16>, digits: usize| match value {
        Some(value) => format!("0x{value:0digits$X}"),
        None => "-1".to_owned(),
    };
    format!(
        "{}:{}:{}:{}:{}",
        number(rule.class.map(u16::from), 2),
        number(rule.vendor, 4),
        number(rule.product, 4),
        number(rule.version, 4),
        u8::from(rule.allow)
    )
}
