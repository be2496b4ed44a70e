//! The macros of virt-xml: `#[derive(Element)]` for structures, `#[derive(Words)]` for closed
//! vocabularies. See `virt_xml::Element` for the field attributes.

mod element;
mod field;
mod words;

use proc_macro::TokenStream;
use syn::{Data, DeriveInput, parse_macro_input};

/// Reads and writes an element field by field, in the order written.
#[proc_macro_derive(Element, attributes(xml))]
pub fn derive_element(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    match &input.data {
        Data::Struct(data) => element::derive(&input, data),
        _ => Err(syn::Error::new_spanned(&input, "an element is a structure")),
    }
    .unwrap_or_else(syn::Error::into_compile_error)
    .into()
}

/// The words of a closed vocabulary: a variant's word is its name in lower case with hyphens, or
/// what `#[word("..")]` says. Gives `ALL`, `word`, `from_word`, `Display` and `virt_xml::Value`.
#[proc_macro_derive(Words, attributes(word))]
pub fn derive_words(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    match &input.data {
        Data::Enum(data) => words::derive(&input, data),
        _ => Err(syn::Error::new_spanned(&input, "a vocabulary is an enum")),
    }
    .unwrap_or_else(syn::Error::into_compile_error)
    .into()
}
