//! Options of smart cards.

use super::character::{self, SpicePurpose};
use super::command_line::Builder;
use super::context::StartContext;
use super::props::Props;
use virt_domain::Domain;
use virt_domain::devices::smartcard::SmartcardMode;
use virt_error::Result;

/// The host's data base of certificates where none is given.
const DATABASE: &str = "/etc/pki/nssdb";

pub(super) fn append(b: &mut Builder, domain: &Domain, context: &mut StartContext) -> Result<()> {
    for card in &domain.devices.smartcards {
        let alias = card.info.alias().unwrap_or_default();
        let props = match &card.kind {
            SmartcardMode::Host => {
                Props::device("ccid-card-emulated").with("backend", "nss-emulated")
            }
            SmartcardMode::HostCertificates {
                certificates: [first, second, third],
                database,
            } => Props::device("ccid-card-emulated")
                .with("backend", "certificates")
                .with("cert1", first.clone())
                .with("cert2", second.clone())
                .with("cert3", third.clone())
                .with("db", database.as_deref().unwrap_or(DATABASE)),
            SmartcardMode::Passthrough(source) => {
                let purpose = SpicePurpose::Smartcard;
                let chardev = character::append(b, context, source, alias, purpose)?;
                Props::device("ccid-card-passthru").with("chardev", chardev)
            }
        };
        let props = props.with("id", alias).placed(domain, &card.info)?;
        b.device(&props);
    }
    Ok(())
}
