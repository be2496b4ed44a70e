//! Title, description and what others keep with a guest.

use virt_domain::Domain;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::{
    DomainGetMetadata, DomainGetMetadataRet, DomainSetMetadata, DomainSetMetadataArgs,
};
use virt_rpc::server::{Call, Router};
use virt_xml::{Content, Tree};

use super::Session;
use super::flags::{AFFECT_CONFIG, AFFECT_LIVE};
use crate::{Describe, Edit, Edited, Event, actor, change, change_live};

/// The handlers.
pub fn register<S: Session<Guest: Edited>>(router: &mut Router<S>) {
    router.call::<DomainGetMetadata>(get);
    router.task::<DomainSetMetadata, _, _>(set);
}

/// What of a guest is meant (`libvirt-domain.h`).
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Description,
    Title,
    /// The element of that namespace.
    Element(String),
}

impl Part {
    fn of(kind: i32, uri: Option<&str>, function: &str) -> Result<Self> {
        match (kind, uri) {
            (0, _) => Ok(Self::Description),
            (1, _) => Ok(Self::Title),
            (2, Some(uri)) => Ok(Self::Element(uri.to_owned())),
            (2, None) => Err(missing("uri", function)),
            _ => Err(Error::new(
                ErrorCode::InvalidArg,
                ErrorDomain::Domain,
                format!("unknown metadata type '{kind}'"),
            )),
        }
    }

    fn get(&self, domain: &Domain) -> Option<String> {
        match self {
            Self::Description => domain.description.clone(),
            Self::Title => domain.title.clone(),
            Self::Element(uri) => {
                let metadata = domain.metadata.as_ref()?;
                let found = metadata
                    .elements()
                    .find(|element| element.own_namespace() == Some(uri))?;
                Some(without_prefix(found).to_xml(0).trim_end().to_owned())
            }
        }
    }

    /// Sets the part, or removes it.
    fn set(&self, domain: &mut Domain, value: Option<Value>) {
        match (self, value) {
            (Self::Description, Some(Value::Text(text))) => domain.description = Some(text),
            (Self::Title, Some(Value::Text(text))) => domain.title = Some(text),
            (Self::Description, _) => domain.description = None,
            (Self::Title, _) => domain.title = None,
            (Self::Element(uri), value) => {
                let metadata = domain.metadata.get_or_insert_with(|| Tree::new("metadata"));
                metadata.content.retain(|content| match content {
                    Content::Element(element) => element.own_namespace() != Some(uri),
                    Content::Text(_) => true,
                });
                if let Some(Value::Element(element)) = value {
                    metadata.content.push(Content::Element(element));
                }
                if metadata.elements().next().is_none() {
                    domain.metadata = None;
                }
            }
        }
    }
}

/// What a part is set to.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Text(String),
    Element(Tree),
}

fn missing(argument: &str, function: &str) -> Error {
    Error::from_wire(
        ErrorCode::InvalidArg.number(),
        ErrorDomain::Domain.number(),
        format!("{argument} in {function} must not be NULL"),
        Some(function.to_owned()),
        Some(argument.to_owned()),
        None,
    )
}

fn get<S: Session<Guest: Edited>>(
    call: &Call<DomainGetMetadata, S>,
) -> Result<DomainGetMetadataRet> {
    let args = &call.args;
    let guest = call.session().guest(call, &args.dom)?;
    S::only(args.flags, AFFECT_LIVE | AFFECT_CONFIG, "DomainGetMetadata")?;
    let part = Part::of(args.r#type, args.uri.as_deref(), "virDomainGetMetadata")?;
    let domain = guest.described().domain(args.flags)?;
    let metadata = part.get(&domain).ok_or_else(|| {
        Error::new(
            ErrorCode::NoDomainMetadata,
            ErrorDomain::Domain,
            "Requested metadata element is not present",
        )
    })?;
    Ok(DomainGetMetadataRet { metadata })
}

async fn set<S: Session<Guest: Edited>>(call: Call<DomainSetMetadata, S>) -> Result<()> {
    let guest = call.session().guest(&call, &call.args.dom)?;
    let flags = call.args.flags;
    S::only(flags, AFFECT_LIVE | AFFECT_CONFIG, "DomainSetMetadata")?;
    let (part, value) = wanted(&call.args)?;
    let told = Event::MetadataChange {
        kind: call.args.r#type,
        uri: match &part {
            Part::Element(uri) => Some(uri.clone()),
            _ => None,
        },
    };
    type Editor<S> = <<S as Session>::Guest as Edited>::Editor;
    actor::submit::<Editor<S>, _>(guest.guest(), "metadata", move |body| {
        Box::pin(async move {
            let affects = body.entry().described().affects(flags)?;
            if affects.config {
                let (part, value) = (part.clone(), value.clone());
                change(body, move |domain| {
                    part.set(domain, value);
                    Ok(())
                })
                .await?;
            }
            if affects.live {
                change_live(body, |domain| {
                    part.set(domain, value);
                    Ok(())
                })?;
            }
            body.emit(told);
            Ok(())
        })
    })
    .await
}

fn wanted(args: &DomainSetMetadataArgs) -> Result<(Part, Option<Value>)> {
    let function = "virDomainSetMetadata";
    let part = Part::of(args.r#type, args.uri.as_deref(), function)?;
    let text = args.metadata.as_deref();
    let value = match &part {
        Part::Title if text.is_some_and(|text| text.contains('\n')) => {
            return Err(Error::from_wire(
                ErrorCode::InvalidArg.number(),
                ErrorDomain::Domain.number(),
                "metadata title can't contain newlines".into(),
                None,
                None,
                None,
            ));
        }
        Part::Title | Part::Description => text
            .filter(|text| !text.is_empty())
            .map(|text| Value::Text(text.to_owned())),
        Part::Element(uri) => match text {
            None => None,
            Some(text) => {
                let key = args.key.as_deref();
                let key = key.ok_or_else(|| missing("key", function))?;
                let mut tree = virt_xml::parse(text)?;
                put_into(&mut tree, key);
                tree.attributes
                    .insert(0, (format!("xmlns:{key}"), uri.clone()));
                Some(Value::Element(tree))
            }
        },
    };
    Ok((part, value))
}

/// Gives every element without a namespace of its own the prefix.
fn put_into(tree: &mut Tree, prefix: &str) {
    if tree.name.contains(':') || tree.attribute("xmlns").is_some() {
        return;
    }
    tree.name = format!("{prefix}:{}", tree.name);
    for content in &mut tree.content {
        if let Content::Element(element) = content {
            put_into(element, prefix);
        }
    }
}

/// The element as it was given: without the prefix that stands for its namespace.
fn without_prefix(tree: &Tree) -> Tree {
    let Some((prefix, _)) = tree.name.split_once(':') else {
        return tree.clone();
    };
    let mut plain = tree.clone();
    let declaration = format!("xmlns:{prefix}");
    plain.attributes.retain(|(name, _)| *name != declaration);
    take_off(&mut plain, prefix);
    plain
}

fn take_off(tree: &mut Tree, prefix: &str) {
    if let Some((own, name)) = tree.name.split_once(':')
        && own == prefix
    {
        tree.name = name.to_owned();
    }
    for content in &mut tree.content {
        if let Content::Element(element) = content {
            take_off(element, prefix);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(kind: i32, metadata: Option<&str>, key: Option<&str>) -> DomainSetMetadataArgs {
        DomainSetMetadataArgs {
            dom: virt_rpc::protocol::remote::NonnullDomain {
                name: "a".into(),
                uuid: [0; 16],
                id: -1,
            },
            r#type: kind,
            metadata: metadata.map(str::to_owned),
            key: key.map(str::to_owned),
            uri: Some("urn:x".into()),
            flags: 0,
        }
    }

    #[test]
    fn an_element_is_kept_under_its_namespace_and_given_back_without() {
        let mut domain = Domain::default();
        let (part, value) = wanted(&args(2, Some("<a x='1'><b>1</b></a>"), Some("ex"))).unwrap();
        part.set(&mut domain, value);
        let kept = domain.metadata.as_ref().unwrap().elements().next().unwrap();
        assert_eq!(
            kept.to_xml(0),
            "<ex:a xmlns:ex=\"urn:x\" x=\"1\">\n  <ex:b>1</ex:b>\n</ex:a>\n"
        );
        assert_eq!(
            part.get(&domain).as_deref(),
            Some("<a x=\"1\">\n  <b>1</b>\n</a>")
        );
        let (part, value) = wanted(&args(2, Some("<c/>"), Some("ex"))).unwrap();
        part.set(&mut domain, value);
        assert_eq!(domain.metadata.as_ref().unwrap().elements().count(), 1);
        part.set(&mut domain, None);
        assert_eq!(domain.metadata, None);
        assert_eq!(part.get(&domain), None);
    }

    #[test]
    fn an_empty_text_removes_it() {
        let mut domain = Domain::default();
        let (part, value) = wanted(&args(0, Some("words"), None)).unwrap();
        part.set(&mut domain, value);
        assert_eq!(part.get(&domain).as_deref(), Some("words"));
        let (part, value) = wanted(&args(0, Some(""), None)).unwrap();
        part.set(&mut domain, value);
        assert_eq!(domain.description, None);
    }

    #[test]
    fn what_can_not_be_kept_is_refused() {
        let refused = |args: DomainSetMetadataArgs| wanted(&args).unwrap_err();
        assert_eq!(
            refused(args(1, Some("a\nb"), None)).message(),
            "metadata title can't contain newlines"
        );
        assert_eq!(
            refused(args(2, Some("<a/>"), None)).message(),
            "key in virDomainSetMetadata must not be NULL"
        );
        assert!(
            refused(args(2, Some("<a"), Some("k")))
                .message()
                .contains("line 1")
        );
        assert!(refused(args(9, None, None)).message().contains("type '9'"));
    }
}
