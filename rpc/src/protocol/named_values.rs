//! Ints with named values, as XDR enums are on the wire: an unknown value is let through.

macro_rules! named_values {
    ($(#[$doc:meta])* $name:ident { $($value:ident = $number:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name(
            /// The number on the wire.
            pub i32,
        );

        #[allow(missing_docs, reason = "the names are the protocol's")]
        impl $name { $(pub const $value: Self = Self($number);)* }

        impl crate::xdr::Encode for $name {
            fn encode(
                &self,
                out: &mut crate::xdr::Encoder<'_>,
            ) -> Result<(), crate::xdr::XdrError> {
                self.0.encode(out)
            }
        }

        impl crate::xdr::Decode for $name {
            fn decode(
                input: &mut crate::xdr::Decoder<'_>,
            ) -> Result<Self, crate::xdr::XdrError> {
                input.int().map(Self)
            }
        }

        impl crate::xdr::Described for $name {
            const SHAPE: &'static crate::xdr::Shape = &crate::xdr::Shape::Enum {
                name: stringify!($name),
                values: &[$((stringify!($value), $number)),*],
            };
        }
    };
}
