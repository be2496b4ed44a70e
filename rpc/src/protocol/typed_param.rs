//! Typed parameters: a name with a value that says its type (WIRE.md section 11).

use crate::xdr::Xdr;

/// Longest name of a parameter, in bytes.
pub const FIELD_MAX: usize = 79;

/// One parameter.
#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct TypedParam {
    /// Its name, such as `cpu_shares`.
    pub field: String,
    /// Its value.
    pub value: TypedParamValue,
}

/// A value with its type.
#[derive(Debug, Clone, PartialEq, Xdr)]
pub enum TypedParamValue {
    /// `int`
    #[xdr(case = 1, name = "i")]
    Int(i32),
    /// `unsigned int`
    #[xdr(case = 2, name = "ui")]
    Uint(u32),
    /// `long long`
    #[xdr(case = 3, name = "l")]
    Llong(i64),
    /// `unsigned long long`
    #[xdr(case = 4, name = "ul")]
    Ullong(u64),
    /// `double`
    #[xdr(case = 5, name = "d")]
    Double(f64),
    /// A boolean, sent as an int.
    #[xdr(case = 6, name = "b")]
    Boolean(bool),
    /// A string.
    #[xdr(case = 7, name = "s")]
    String(String),
}

macro_rules! typed {
    ($($(#[$doc:meta])* $make:ident: $ty:ty => $arm:ident;)*) => {
        impl TypedParam {
            $($(#[$doc])* pub fn $make(field: impl Into<String>, value: impl Into<$ty>) -> Self {
                Self { field: field.into(), value: TypedParamValue::$arm(value.into()) }
            })*
        }
    };
}

typed! {
    /// An `int` parameter.
    int: i32 => Int;
    /// An `unsigned int` parameter.
    uint: u32 => Uint;
    /// A `long long` parameter.
    llong: i64 => Llong;
    /// An `unsigned long long` parameter.
    ullong: u64 => Ullong;
    /// A `double` parameter.
    double: f64 => Double;
    /// A boolean parameter.
    boolean: bool => Boolean;
    /// A string parameter.
    string: String => String;
}
