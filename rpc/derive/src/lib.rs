//! The macros of virt-rpc: `#[derive(Xdr)]` for structures and unions, `procedures!` for the
//! rows of a program's table.

mod field;
mod procedures;
mod structure;
mod union;

use proc_macro::TokenStream;
use syn::{Data, DeriveInput, parse_macro_input};

/// Encodes and decodes a structure field by field in the order written, or an enum whose
/// variants carry `#[xdr(case = N)]` as a discriminated union, and describes it as a `Shape`.
///
/// Field attributes: `#[xdr(max = N)]` bounds a `Vec` or `String` (strings without it are bounded
/// by `STRING_MAX`); `#[xdr(opaque, max = N)]` packs a `Vec<u8>`; `#[xdr(chars)]` sends each byte
/// of a `Vec<u8>` or `[u8; N]` as a four-byte `char`. On the structure `#[xdr(name = "..")]` says
/// the name on the wire's side where it differs from the type's.
#[proc_macro_derive(Xdr, attributes(xdr))]
pub fn derive_xdr(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    match &input.data {
        Data::Struct(data) => structure::derive(&input, data),
        Data::Enum(data) => union::derive(&input, data),
        Data::Union(_) => Err(syn::Error::new_spanned(&input, "a C union has no XDR form")),
    }
    .unwrap_or_else(syn::Error::into_compile_error)
    .into()
}

/// Declares the rows of a program: for each procedure its unit type, argument and reply
/// structures, and the `Row` with everything that must be known to serve it. See
/// `virt_rpc::protocol` for the grammar.
#[proc_macro]
pub fn procedures(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as procedures::Rows);
    procedures::expand(&input).into()
}
