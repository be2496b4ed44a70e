//! `#[derive(Words)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DataEnum, DeriveInput, Fields, Ident, LitStr, Result, Variant};

pub fn derive(input: &DeriveInput, data: &DataEnum) -> Result<TokenStream> {
    let mut variants = Vec::new();
    let mut words = Vec::new();
    for variant in &data.variants {
        if !matches!(variant.fields, Fields::Unit) {
            return Err(syn::Error::new_spanned(variant, "a word holds no value"));
        }
        variants.push(&variant.ident);
        words.push(word(variant)?);
    }
    let ident = &input.ident;
    let allowed = words
        .iter()
        .map(|word| format!("'{word}'"))
        .collect::<Vec<_>>()
        .join(", ");
    Ok(quote! {
        impl #ident {
            /// All of them, in the order written.
            pub const ALL: &'static [Self] = &[#(Self::#variants),*];

            /// The word in a document.
            pub const fn word(self) -> &'static str {
                match self { #(Self::#variants => #words),* }
            }

            /// What the word stands for.
            pub fn from_word(word: &str) -> ::core::option::Option<Self> {
                match word {
                    #(#words => ::core::option::Option::Some(Self::#variants),)*
                    _ => ::core::option::Option::None,
                }
            }
        }

        impl ::core::fmt::Display for #ident {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.pad(self.word())
            }
        }

        impl ::virt_xml::Value for #ident {
            fn from_text(text: &str) -> ::core::option::Option<Self> {
                Self::from_word(text)
            }

            fn to_text(&self) -> ::std::borrow::Cow<'_, str> {
                ::std::borrow::Cow::Borrowed(self.word())
            }

            fn allowed() -> ::std::string::String {
                ::std::string::String::from(#allowed)
            }
        }
    })
}

fn word(variant: &Variant) -> Result<String> {
    let given = variant.attrs.iter().find(|a| a.path().is_ident("word"));
    match given {
        Some(attribute) => Ok(attribute.parse_args::<LitStr>()?.value()),
        None => Ok(kebab(&variant.ident)),
    }
}

/// `VirtioSerial` to `virtio-serial`.
fn kebab(ident: &Ident) -> String {
    let mut word = String::new();
    for (index, c) in ident.to_string().chars().enumerate() {
        if c.is_uppercase() && index > 0 {
            word.push('-');
        }
        word.extend(c.to_lowercase());
    }
    word
}
