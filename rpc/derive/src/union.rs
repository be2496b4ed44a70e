//! `#[derive(Xdr)]` on an enum: an XDR union switched by an int.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DataEnum, DeriveInput, Fields, Result};

use crate::field::{Coding, Options};

pub fn derive(input: &DeriveInput, data: &DataEnum) -> Result<TokenStream> {
    let (mut encode, mut decode, mut shape) = (Vec::new(), Vec::new(), Vec::new());
    for variant in &data.variants {
        let options = Options::of(&variant.attrs)?;
        let (Some(case), Some(name)) = (&options.case, &options.name) else {
            return Err(syn::Error::new_spanned(
                variant,
                "a union's arm needs #[xdr(case = N, name = \"..\")]",
            ));
        };
        let field = match &variant.fields {
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => fields.unnamed.first(),
            _ => None,
        };
        let Some(field) = field else {
            return Err(syn::Error::new_spanned(
                variant,
                "a union's arm holds one value",
            ));
        };
        let coding = Coding::of(&field.ty, &options)?;
        let ident = &variant.ident;
        let encoding = coding.encode(&quote!(held));
        let (decoding, shaping) = (&coding.decode, &coding.shape);
        encode.push(quote!(Self::#ident(held) => { out.int(#case); #encoding }));
        decode.push(quote!(#case => Ok(Self::#ident(#decoding))));
        shape.push(quote!(::virt_rpc::xdr::Arm { case: #case, name: #name, shape: #shaping }));
    }
    let ident = &input.ident;
    let name = ident.to_string();
    Ok(quote! {
        impl ::virt_rpc::xdr::Encode for #ident {
            fn encode(
                &self,
                out: &mut ::virt_rpc::xdr::Encoder<'_>,
            ) -> ::core::result::Result<(), ::virt_rpc::xdr::XdrError> {
                match self { #(#encode)* }
                Ok(())
            }
        }
        impl ::virt_rpc::xdr::Decode for #ident {
            fn decode(
                input: &mut ::virt_rpc::xdr::Decoder<'_>,
            ) -> ::core::result::Result<Self, ::virt_rpc::xdr::XdrError> {
                match input.int()? {
                    #(#decode,)*
                    other => Err(::virt_rpc::xdr::XdrError::UnknownCase(other)),
                }
            }
        }
        impl ::virt_rpc::xdr::Described for #ident {
            const SHAPE: &'static ::virt_rpc::xdr::Shape = &::virt_rpc::xdr::Shape::Union {
                name: #name,
                arms: &[#(#shape),*],
            };
        }
    })
}
