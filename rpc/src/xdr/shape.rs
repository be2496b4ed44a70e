//! What a type looks like on the wire, as data: tests compare it with the protocol's tables.

/// The form of a value.
#[derive(Debug, PartialEq, Eq)]
pub enum Shape {
    /// Nothing at all.
    Void,
    /// Signed, 32 bits.
    Int,
    /// Unsigned, 32 bits.
    Unsigned,
    /// Signed, 64 bits.
    Hyper,
    /// Unsigned, 64 bits.
    Uhyper,
    /// IEEE double.
    Double,
    /// One signed byte in four.
    Char,
    /// One unsigned byte in four.
    Uchar,
    /// Two unsigned bytes in four.
    Ushort,
    /// Length, bytes, padding.
    String {
        /// Most bytes.
        max: usize,
    },
    /// Length, bytes, padding.
    Opaque {
        /// Most bytes.
        max: usize,
    },
    /// Bytes and padding without a length.
    OpaqueFixed {
        /// Bytes.
        len: usize,
    },
    /// Length and elements.
    Array {
        /// Form of each element.
        elem: &'static Shape,
        /// Most elements.
        max: usize,
    },
    /// Elements without a length.
    FixedArray {
        /// Form of each element.
        elem: &'static Shape,
        /// Elements.
        len: usize,
    },
    /// A flag, and the value if it is set.
    Optional(&'static Shape),
    /// Fields one after another.
    Struct {
        /// Name of the type.
        name: &'static str,
        /// The fields in order.
        fields: &'static [Field],
    },
    /// An int that chooses what follows.
    Union {
        /// Name of the type.
        name: &'static str,
        /// The arms.
        arms: &'static [Arm],
    },
    /// An int with named values; others are let through.
    Enum {
        /// Name of the type.
        name: &'static str,
        /// The named values.
        values: &'static [(&'static str, i32)],
    },
}

/// A field of a structure.
#[derive(Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its form.
    pub shape: &'static Shape,
}

/// An arm of a union.
#[derive(Debug, PartialEq, Eq)]
pub struct Arm {
    /// The discriminant.
    pub case: i32,
    /// Its name.
    pub name: &'static str,
    /// Its form.
    pub shape: &'static Shape,
}

/// A type that can say its form.
pub trait Described {
    /// The form.
    const SHAPE: &'static Shape;
}

macro_rules! described {
    ($($ty:ty => $shape:expr;)*) => {
        $(impl Described for $ty { const SHAPE: &'static Shape = &$shape; })*
    };
}

described! {
    () => Shape::Void;
    i32 => Shape::Int;
    u32 => Shape::Unsigned;
    i64 => Shape::Hyper;
    u64 => Shape::Uhyper;
    f64 => Shape::Double;
    i8 => Shape::Char;
    u8 => Shape::Uchar;
    u16 => Shape::Ushort;
    bool => Shape::Int;
    String => Shape::String { max: super::STRING_MAX };
}

impl<const N: usize> Described for [u8; N] {
    const SHAPE: &'static Shape = &Shape::OpaqueFixed { len: N };
}

impl<T: Described> Described for Option<T> {
    const SHAPE: &'static Shape = &Shape::Optional(T::SHAPE);
}
