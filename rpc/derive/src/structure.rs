//! `#[derive(Xdr)]` on a structure.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::{DataStruct, DeriveInput, Fields, Result};

use crate::field::{Coding, Options};

pub fn derive(input: &DeriveInput, data: &DataStruct) -> Result<TokenStream> {
    let Fields::Named(fields) = &data.fields else {
        return Err(syn::Error::new_spanned(
            &data.fields,
            "fields need names: they are compared with the protocol's",
        ));
    };
    let (mut encode, mut decode, mut shape) = (Vec::new(), Vec::new(), Vec::new());
    for field in &fields.named {
        let coding = Coding::of(&field.ty, &Options::of(&field.attrs)?)?;
        let name = &field.ident;
        let wire_name = name.as_ref().map(|name| name.unraw().to_string());
        encode.push(coding.encode(&quote!(&self.#name)));
        let (decoding, shaping) = (&coding.decode, &coding.shape);
        decode.push(quote!(#name: #decoding));
        shape.push(quote!(::virt_rpc::xdr::Field { name: #wire_name, shape: #shaping }));
    }
    let ident = &input.ident;
    let name = Options::of(&input.attrs)?
        .name
        .map_or_else(|| ident.to_string(), |name| name.value());
    Ok(quote! {
        impl ::virt_rpc::xdr::Encode for #ident {
            fn encode(
                &self,
                out: &mut ::virt_rpc::xdr::Encoder<'_>,
            ) -> ::core::result::Result<(), ::virt_rpc::xdr::XdrError> {
                #(#encode)*
                Ok(())
            }
        }
        impl ::virt_rpc::xdr::Decode for #ident {
            fn decode(
                input: &mut ::virt_rpc::xdr::Decoder<'_>,
            ) -> ::core::result::Result<Self, ::virt_rpc::xdr::XdrError> {
                Ok(Self { #(#decode),* })
            }
        }
        impl ::virt_rpc::xdr::Described for #ident {
            const SHAPE: &'static ::virt_rpc::xdr::Shape = &::virt_rpc::xdr::Shape::Struct {
                name: #name,
                fields: &[#(#shape),*],
            };
        }
    })
}
