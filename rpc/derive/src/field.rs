//! How one field travels: chosen from its Rust type and its `#[xdr(..)]` attribute.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Expr, GenericArgument, PathArguments, Result, Type};

/// What the attribute says.
#[derive(Default)]
pub struct Options {
    pub max: Option<Expr>,
    pub case: Option<Expr>,
    pub name: Option<syn::LitStr>,
    opaque: bool,
    chars: bool,
}

impl Options {
    pub fn of(attributes: &[Attribute]) -> Result<Self> {
        let mut options = Self::default();
        for attribute in attributes.iter().filter(|a| a.path().is_ident("xdr")) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("max") {
                    options.max = Some(meta.value()?.parse()?);
                } else if meta.path.is_ident("case") {
                    options.case = Some(meta.value()?.parse()?);
                } else if meta.path.is_ident("name") {
                    options.name = Some(meta.value()?.parse()?);
                } else if meta.path.is_ident("opaque") {
                    options.opaque = true;
                } else if meta.path.is_ident("chars") {
                    options.chars = true;
                } else {
                    return Err(meta.error("expected max, case, name, opaque or chars"));
                }
                Ok(())
            })?;
        }
        Ok(options)
    }
}

/// The three faces of a field, as expressions over `out`, `input` and nothing.
pub struct Coding {
    encode: TokenStream,
    pub decode: TokenStream,
    pub shape: TokenStream,
}

impl Coding {
    pub fn of(ty: &Type, options: &Options) -> Result<Self> {
        let max = options.max.as_ref();
        let bound = || {
            max.ok_or_else(|| syn::Error::new_spanned(ty, "a list needs a bound: #[xdr(max = N)]"))
        };
        let coding = if is(ty, "String") {
            let max = max.map_or(quote!(::virt_rpc::xdr::STRING_MAX), |max| quote!(#max));
            Self {
                encode: quote!(out.string(value, #max)?),
                decode: quote!(input.string(#max)?),
                shape: quote!(&::virt_rpc::xdr::Shape::String { max: #max }),
            }
        } else if options.opaque {
            let max = bound()?;
            Self {
                encode: quote!(out.opaque(value, #max)?),
                decode: quote!(input.opaque(#max)?),
                shape: quote!(&::virt_rpc::xdr::Shape::Opaque { max: #max }),
            }
        } else if let (true, Type::Array(array)) = (options.chars, ty) {
            let len = &array.len;
            Self {
                encode: quote!(out.fixed_chars(value)?),
                decode: quote!(input.fixed_chars()?),
                shape: quote!(&::virt_rpc::xdr::Shape::FixedArray {
                    elem: &::virt_rpc::xdr::Shape::Char, len: #len
                }),
            }
        } else if options.chars {
            let max = bound()?;
            Self {
                encode: quote!(out.chars(value, #max)?),
                decode: quote!(input.chars(#max)?),
                shape: quote!(&::virt_rpc::xdr::Shape::Array {
                    elem: &::virt_rpc::xdr::Shape::Char, max: #max
                }),
            }
        } else if let Some(elem) = parameter(ty, "Vec") {
            let max = bound()?;
            Self {
                encode: quote!(out.array(value, #max)?),
                decode: quote!(input.array(#max)?),
                shape: quote!(&::virt_rpc::xdr::Shape::Array {
                    elem: <#elem as ::virt_rpc::xdr::Described>::SHAPE, max: #max
                }),
            }
        } else {
            Self {
                encode: quote!(::virt_rpc::xdr::Encode::encode(value, out)?),
                decode: quote!(::virt_rpc::xdr::Decode::decode(input)?),
                shape: quote!(<#ty as ::virt_rpc::xdr::Described>::SHAPE),
            }
        };
        Ok(coding)
    }

    /// A statement that encodes what `reference` evaluates to.
    pub fn encode(&self, reference: &TokenStream) -> TokenStream {
        let encode = &self.encode;
        quote!({ let value = #reference; #encode; })
    }
}

fn is(ty: &Type, name: &str) -> bool {
    matches!(ty, Type::Path(path) if path.path.is_ident(name))
}

fn parameter<'a>(ty: &'a Type, outer: &str) -> Option<&'a Type> {
    let Type::Path(path) = ty else { return None };
    let last = path
        .path
        .segments
        .last()
        .filter(|last| last.ident == outer)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    match arguments.args.first()? {
        GenericArgument::Type(inner) => Some(inner),
        _ => None,
    }
}
