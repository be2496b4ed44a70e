//! Typed parameters that a call takes: which names, which types. The refusals are the stock daemon's.

use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::{TypedParam, TypedParamValue};

/// The type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A signed number of 32 bits.
    Int,
    /// An unsigned one.
    Uint,
    /// A signed number of 64 bits.
    Llong,
    /// An unsigned one.
    Ullong,
    /// A text.
    String,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Llong => "llong",
            Self::Ullong => "ullong",
            Self::String => "string",
        }
    }
}

fn kind_name(value: &TypedParamValue) -> &'static str {
    match value {
        TypedParamValue::Int(_) => "int",
        TypedParamValue::Uint(_) => "uint",
        TypedParamValue::Llong(_) => "llong",
        TypedParamValue::Ullong(_) => "ullong",
        TypedParamValue::Double(_) => "double",
        TypedParamValue::Boolean(_) => "boolean",
        TypedParamValue::String(_) => "string",
    }
}

/// Refuses parameters that the call does not take; `domain` is that of errors about their types.
///
/// # Errors
/// ARGUMENT_UNSUPPORTED for another name, INVALID_ARG for another type or one given twice.
pub fn check(params: &[TypedParam], known: &[(&str, Kind)], domain: ErrorDomain) -> Result<()> {
    for (at, param) in params.iter().enumerate() {
        let name = &param.field;
        let Some((_, kind)) = known.iter().find(|(known, _)| known == name) else {
            return Err(Error::new(
                ErrorCode::ArgumentUnsupported,
                ErrorDomain::None,
                format!("parameter '{name}' not supported"),
            ));
        };
        if kind.name() != kind_name(&param.value) {
            let what = format!(
                "invalid type '{}' for parameter '{name}', expected '{}'",
                kind_name(&param.value),
                kind.name()
            );
            return Err(Error::new(ErrorCode::InvalidArg, domain, what));
        }
        if params[..at].iter().any(|before| before.field == *name) {
            let what = format!("parameter '{name}' occurs multiple times");
            return Err(Error::new(ErrorCode::InvalidArg, domain, what));
        }
    }
    Ok(())
}

/// The number of a parameter, negative ones included.
pub fn number(param: &TypedParam) -> i128 {
    match param.value {
        TypedParamValue::Int(value) => value.into(),
        TypedParamValue::Uint(value) => value.into(),
        TypedParamValue::Llong(value) => value.into(),
        TypedParamValue::Ullong(value) => value.into(),
        _ => 0,
    }
}

/// The same where it can't be negative.
pub fn positive(param: &TypedParam) -> u64 {
    u64::try_from(number(param)).unwrap_or(0)
}

/// The text of a parameter.
pub fn text(param: &TypedParam) -> &str {
    match &param.value {
        TypedParamValue::String(text) => text,
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_types_are_checked() {
        let known = [("weight", Kind::Uint), ("device", Kind::String)];
        let refusal = |params: &[TypedParam]| {
            let error = check(params, &known, ErrorDomain::Qemu).err()?;
            Some(error.message().to_owned())
        };
        assert_eq!(refusal(&[TypedParam::uint("weight", 5_u32)]), None);
        assert_eq!(
            refusal(&[TypedParam::uint("min_guarantee", 5_u32)]).as_deref(),
            Some("argument unsupported: parameter 'min_guarantee' not supported")
        );
        let wrong = refusal(&[TypedParam::int("weight", 5)]).unwrap();
        assert!(wrong.ends_with("invalid type 'int' for parameter 'weight', expected 'uint'"));
        let twice = [
            TypedParam::uint("weight", 5_u32),
            TypedParam::uint("weight", 6_u32),
        ];
        assert!(refusal(&twice).unwrap().contains("multiple times"));
    }
}
