//! `#[derive(Element)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DataStruct, DeriveInput, Field, Fields, Result};

use crate::field::{Count, Place, Spec};

pub fn derive(input: &DeriveInput, data: &DataStruct) -> Result<TokenStream> {
    let fields = match &data.fields {
        Fields::Named(fields) => fields.named.iter().collect::<Vec<_>>(),
        Fields::Unit => Vec::new(),
        Fields::Unnamed(_) => {
            return Err(syn::Error::new_spanned(&data.fields, "fields need names"));
        }
    };
    let (mut reads, mut attrs, mut content) = (Vec::new(), Vec::new(), Vec::new());
    for field in fields {
        let spec = Spec::of(field)?;
        let ident = &field.ident;
        let read = read(&spec, field);
        reads.push(quote!(#ident: #read));
        attrs.push(write_attr(&spec, field));
        content.push(write_content(&spec, field));
    }
    let ident = &input.ident;
    let (generics, type_generics, wheres) = input.generics.split_for_impl();
    Ok(quote! {
        impl #generics ::virt_xml::Element for #ident #type_generics #wheres {
            #[allow(unused_variables, reason = "not every element has every kind of part")]
            fn read(node: &mut ::virt_xml::Node<'_>) -> ::virt_error::Result<Self> {
                ::core::result::Result::Ok(Self { #(#reads),* })
            }

            #[allow(unused_variables, reason = "not every element has attributes")]
            fn attrs(&self, tag: &mut ::virt_xml::Tag<'_>) { #(#attrs)* }

            #[allow(unused_variables, reason = "not every element has content")]
            fn content(&self, out: &mut ::virt_xml::Writer) { #(#content)* }
        }
    })
}

fn read(spec: &Spec, field: &Field) -> TokenStream {
    let name = &spec.name;
    let ty = &field.ty;
    let default = spec.default;
    match (spec.place, spec.count) {
        (Place::Attr, Count::One) if default => quote!(node.attr(#name)?.unwrap_or_default()),
        (Place::Attr, Count::One) => quote!(node.required(#name)?),
        (Place::Attr, _) => quote!(node.attr(#name)?),
        (Place::Child, Count::One) if default => quote!(node.child(#name)?.unwrap_or_default()),
        (Place::Child, Count::One) => quote!(node.required_child(#name)?),
        (Place::Child, Count::Maybe) => quote!(node.child(#name)?),
        (Place::Child, Count::Many) => quote!(node.children(#name)?),
        (Place::ChildText, Count::One) if default => {
            quote!(node.child_text(#name)?.unwrap_or_default())
        }
        (Place::ChildText, Count::One) => quote!(node.required_child_text(#name)?),
        (Place::ChildText, Count::Maybe) => quote!(node.maybe_child_text(#name)?),
        (Place::ChildText, Count::Many) => quote!(node.child_texts(#name)?),
        (Place::Flag, _) => quote!(node.flag(#name)),
        (Place::Text, Count::One) if default => quote!(node.maybe_text()?.unwrap_or_default()),
        (Place::Text, Count::One) => quote!(node.text()?),
        (Place::Text, _) => quote!(node.maybe_text()?),
        (Place::Flatten, _) => quote!(<#ty as ::virt_xml::Element>::read(node)?),
        (Place::Raw, Count::Many) => quote!(node.raws(#name)),
        (Place::Raw, _) => quote!(node.raw(#name)),
        (Place::Rest, _) => quote!(node.rest()),
        (Place::Skip, _) => quote!(<#ty as ::core::default::Default>::default()),
    }
}

fn write_attr(spec: &Spec, field: &Field) -> TokenStream {
    let name = &spec.name;
    let ident = &field.ident;
    match (spec.place, spec.count) {
        (Place::Attr, Count::Maybe) => quote!(tag.maybe(#name, &self.#ident);),
        (Place::Attr, _) => quote!(tag.attr(#name, &self.#ident);),
        (Place::Flatten, _) => quote!(::virt_xml::Element::attrs(&self.#ident, tag);),
        _ => quote!(),
    }
}

fn write_content(spec: &Spec, field: &Field) -> TokenStream {
    let name = &spec.name;
    let ident = &field.ident;
    let ty = &field.ty;
    match (spec.place, spec.count) {
        (Place::Child, Count::One) if spec.default => quote! {
            if self.#ident != <#ty as ::core::default::Default>::default() {
                out.element(#name, &self.#ident);
            }
        },
        (Place::Child, Count::One) => quote!(out.element(#name, &self.#ident);),
        (Place::Child, _) => quote!(for each in self.#ident.iter() { out.element(#name, each); }),
        (Place::ChildText, Count::One) => quote!(out.text_element(#name, &self.#ident);),
        (Place::ChildText, _) => {
            quote!(for each in self.#ident.iter() { out.text_element(#name, each); })
        }
        (Place::Flag, _) => quote!(if self.#ident { out.empty(#name); }),
        (Place::Text, Count::One) => quote!(out.text(&self.#ident);),
        (Place::Text, _) => quote!(if let Some(value) = &self.#ident { out.text(value); }),
        (Place::Flatten, _) => quote!(::virt_xml::Element::content(&self.#ident, out);),
        (Place::Raw | Place::Rest, _) => quote!(for each in self.#ident.iter() { out.tree(each); }),
        (Place::Attr | Place::Skip, _) => quote!(),
    }
}
