//! The flags of calls.

use virt_error::{Error, ErrorCode, ErrorDomain, Result};

/// Change or look at what is now.
pub const AFFECT_LIVE: u32 = 1;
/// Change or look at what is kept.
pub const AFFECT_CONFIG: u32 = 2;

/// Refuses flags that `function` does not know (the driver's name of it, as the stock daemon
/// says it); `domain` is that of the error.
///
/// # Errors
/// INVALID_ARG.
pub fn only(flags: u32, known: u32, function: &str, domain: ErrorDomain) -> Result<()> {
    let unknown = flags & !known;
    if unknown == 0 {
        return Ok(());
    }
    Err(Error::from_wire(
        ErrorCode::InvalidArg.number(),
        domain.number(),
        format!("unsupported flags (0x{unknown:x}) in function {function}"),
        Some(function.to_owned()),
        Some("flags".to_owned()),
        None,
    ))
}

/// Refuses flags of a question that name both what is now and what is kept; `function` is the
/// client's.
///
/// # Errors
/// INVALID_ARG.
pub fn exclusive(function: &str, flags: u32) -> Result<()> {
    if flags & AFFECT_LIVE == 0 || flags & AFFECT_CONFIG == 0 {
        return Ok(());
    }
    Err(Error::from_wire(
        ErrorCode::InvalidArg.number(),
        ErrorDomain::Domain.number(),
        "Flags 'VIR_DOMAIN_AFFECT_LIVE' and 'VIR_DOMAIN_AFFECT_CONFIG' are mutually exclusive"
            .into(),
        Some(function.into()),
        Some("ctl".into()),
        None,
    ))
}

/// What a change is made to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Affects {
    /// The running guest.
    pub live: bool,
    /// The persistent definition.
    pub config: bool,
}

/// What `flags` mean for a guest: neither bit means the running guest if it runs, else what is
/// kept.
///
/// # Errors
/// OPERATION_INVALID when a guest that is off shall be changed live, or a transient one for
/// good.
pub fn affects(flags: u32, active: bool, persistent: bool) -> Result<Affects> {
    let invalid = |what| Error::new(ErrorCode::OperationInvalid, ErrorDomain::Domain, what);
    let live = flags & AFFECT_LIVE != 0;
    let config = flags & AFFECT_CONFIG != 0;
    if live && !active {
        return Err(invalid("domain is not running"));
    }
    if config && !persistent {
        return Err(invalid(
            "transient domains do not have any persistent config",
        ));
    }
    Ok(match live || config {
        true => Affects { live, config },
        false => Affects {
            live: active,
            config: !active,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_bits_are_named() {
        assert!(only(3, 3, "f", ErrorDomain::Qemu).is_ok());
        let error = only(0x41, 1, "qemuDomainGetXMLDesc", ErrorDomain::Qemu).unwrap_err();
        assert_eq!(
            error.message(),
            "unsupported flags (0x40) in function qemuDomainGetXMLDesc"
        );
    }

    #[test]
    fn no_bit_means_what_there_is() {
        let both = |live, config| Ok(Affects { live, config });
        assert_eq!(affects(0, true, true), both(true, false));
        assert_eq!(affects(0, false, true), both(false, true));
        assert_eq!(affects(3, true, true), both(true, true));
        assert!(affects(1, false, true).is_err());
        assert!(affects(2, true, false).is_err());
    }
}
