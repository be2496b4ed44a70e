//! What a field's type and `#[xml(..)]` attribute say.

use syn::ext::IdentExt;
use syn::{Field, GenericArgument, LitStr, PathArguments, Result, Type};

/// Where a field stands in the document.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Attr,
    Child,
    ChildText,
    Flag,
    Text,
    Flatten,
    Raw,
    Rest,
    Skip,
}

/// How often it may stand there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Count {
    One,
    Maybe,
    Many,
}

/// One field.
pub struct Spec {
    pub place: Place,
    pub count: Count,
    pub default: bool,
    /// The attribute's or element's name.
    pub name: String,
}

impl Spec {
    pub fn of(field: &Field) -> Result<Self> {
        let ident = field.ident.as_ref();
        let mut name = ident.map(|ident| ident.unraw().to_string());
        let (mut place, mut default) = (None, false);
        for attribute in field.attrs.iter().filter(|a| a.path().is_ident("xml")) {
            attribute.parse_nested_meta(|meta| {
                let known = [
                    ("attr", Place::Attr),
                    ("child", Place::Child),
                    ("child_text", Place::ChildText),
                    ("flag", Place::Flag),
                    ("text", Place::Text),
                    ("flatten", Place::Flatten),
                    ("raw", Place::Raw),
                    ("rest", Place::Rest),
                    ("skip", Place::Skip),
                ];
                if meta.path.is_ident("default") {
                    default = true;
                    return Ok(());
                }
                let found = known.iter().find(|(word, _)| meta.path.is_ident(word));
                let Some((_, found)) = found else {
                    return Err(meta.error(
                        "expected attr, child, child_text, flag, text, flatten, raw, rest, skip or default",
                    ));
                };
                place = Some(*found);
                if meta.input.peek(syn::Token![=]) {
                    name = Some(meta.value()?.parse::<LitStr>()?.value());
                }
                Ok(())
            })?;
        }
        let place = place
            .ok_or_else(|| syn::Error::new_spanned(field, "say #[xml(attr)], #[xml(child)] …"))?;
        let count = match outer(&field.ty).as_deref() {
            Some("Option") => Count::Maybe,
            Some("Vec") => Count::Many,
            _ => Count::One,
        };
        if count == Count::Many && matches!(place, Place::Attr | Place::Text) {
            return Err(syn::Error::new_spanned(
                field,
                "an attribute or a text holds one value",
            ));
        }
        Ok(Self {
            place,
            count,
            default,
            name: name.unwrap_or_default(),
        })
    }
}

/// The generic type around another one.
fn outer(ty: &Type) -> Option<String> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last()?;
    match &last.arguments {
        PathArguments::AngleBracketed(arguments) => {
            matches!(arguments.args.first(), Some(GenericArgument::Type(_)))
                .then(|| last.ident.to_string())
        }
        _ => None,
    }
}
