//! Encrypted guests, and the notes for crash tools.

use super::command_line::Builder;
use super::context::StartContext;
use super::props::Props;
use virt_domain::Domain;
use virt_domain::seclabel::LaunchSecurityType;
use virt_xml::YesNo;

/// `-device vmcoreinfo`.
pub(super) fn vmcoreinfo(b: &mut Builder, domain: &Domain) {
    let state = domain.features.as_ref().and_then(|f| f.vmcoreinfo);
    if state.is_some_and(|state| state.is_on()) {
        b.device(&Props::device("vmcoreinfo"));
    }
}

/// `-object` of the guest's encryption.
pub(super) fn append(b: &mut Builder, domain: &Domain, context: &StartContext) {
    let Some(security) = &domain.launch_security else {
        return;
    };
    let path = |name: &str| context.guest_dir.join(name).to_string_lossy().into_owned();
    // What isn't said is the host's.
    let host = b
        .caps
        .sev
        .as_ref()
        .map(|sev| (sev.cbitpos, sev.reduced_phys_bits));
    let hashes = security.kernel_hashes.map(YesNo::is_yes);
    let props = match security.kind {
        LaunchSecurityType::S390Pv => Props::of("qom-type", "s390-pv-guest").with("id", "lsec0"),
        LaunchSecurityType::Sev => Props::of("qom-type", "sev-guest")
            .with("id", "lsec0")
            .maybe("cbitpos", security.cbitpos.or(host.map(|h| h.0)))
            .maybe(
                "reduced-phys-bits",
                security.reduced_phys_bits.or(host.map(|h| h.1)),
            )
            .maybe("policy", security.policy.map(|p| p.0))
            .maybe(
                "dh-cert-file",
                security.dh_cert.as_ref().map(|_| path("dh_cert.base64")),
            )
            .maybe(
                "session-file",
                security.session.as_ref().map(|_| path("session.base64")),
            )
            .maybe("kernel-hashes", hashes),
        LaunchSecurityType::SevSnp => Props::of("qom-type", "sev-snp-guest")
            .with("id", "lsec0")
            .maybe("cbitpos", security.cbitpos.or(host.map(|h| h.0)))
            .maybe(
                "reduced-phys-bits",
                security.reduced_phys_bits.or(host.map(|h| h.1)),
            )
            .maybe("kernel-hashes", hashes)
            .maybe("policy", security.policy.map(|p| p.0))
            .maybe(
                "guest-visible-workarounds",
                security.guest_visible_workarounds.clone(),
            )
            .maybe("id-block", security.id_block.clone())
            .maybe("id-auth", security.id_auth.clone())
            .maybe("host-data", security.host_data.clone())
            .maybe("author-key-enabled", security.author_key.map(YesNo::is_yes))
            .maybe("vcek-disabled", security.vcek.map(|vcek| !vcek.is_yes())),
    };
    b.object(&props);
}
