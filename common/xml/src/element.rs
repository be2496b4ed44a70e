//! Types that stand for elements.

use std::cell::RefCell;
use std::rc::Rc;

use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use crate::node::{Node, Unknown};
use crate::parse::parse;
use crate::tree::Tree;
use crate::writer::{Tag, Writer};

/// An element's content as a type. `#[derive(Element)]` writes this from the fields:
///
/// | attribute | field | meaning |
/// | --- | --- | --- |
/// | `attr`, `attr = "name"` | `T`, `Option<T>` of [`Value`](crate::Value) | attribute; with `default` an absent one is `Default` |
/// | `child`, `child = "name"` | `T`, `Option<T>`, `Vec<T>` of `Element` | child; with `default` an absent one is `Default`, which is not written |
/// | `child_text`, `child_text = "name"` | as `attr`, also `Vec` | a child that holds one value |
/// | `flag`, `flag = "name"` | `bool` | whether an empty child is there |
/// | `text` | `T`, `Option<T>` of `Value` | the element's own text |
/// | `flatten` | `T` of `Element` | attributes and children of the same element |
/// | `raw`, `raw = "name"` | `Option<Tree>`, `Vec<Tree>` | child kept as it is |
/// | `rest` | `Vec<Tree>` | children that no field before it took, as they are |
/// | `skip` | any with `Default` | not in the document |
pub trait Element: Sized {
    /// Takes the parts out of an element.
    ///
    /// # Errors
    /// `XML_ERROR` for what is missing or wrong, with path, value and what is allowed.
    fn read(node: &mut Node<'_>) -> Result<Self>;

    /// Writes the attributes.
    fn attrs(&self, tag: &mut Tag<'_>);

    /// Writes what is between the tags.
    fn content(&self, out: &mut Writer);
}

impl<E: Element> Element for Box<E> {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        E::read(node).map(Box::new)
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        (**self).attrs(tag);
    }

    fn content(&self, out: &mut Writer) {
        (**self).content(out);
    }
}

/// The document in `text` whatever its root is called, and what of it nobody took.
///
/// # Errors
/// `XML_DETAIL` when it is not well-formed, else what the type finds wrong.
pub fn read<E: Element>(text: &str) -> Result<(E, Vec<Unknown>)> {
    read_tree(&parse(text)?, false, E::read)
}

/// A document of the driver's own, and what of it nobody took.
///
/// # Errors
/// What the type finds wrong.
pub fn read_of_driver<E: Element>(tree: &Tree) -> Result<(E, Vec<Unknown>)> {
    read_tree(tree, true, E::read)
}

/// As [`read`], with a root that has to be called `name`.
///
/// # Errors
/// As [`read`], and `XML_ERROR` for another root.
pub fn read_named<E: Element>(name: &str, text: &str) -> Result<(E, Vec<Unknown>)> {
    read_named_with(name, text, E::read)
}

/// As [`read_named`], read by `read`.
///
/// # Errors
/// As [`read_named`].
pub fn read_named_with<T>(
    name: &str,
    text: &str,
    read: impl FnOnce(&mut Node<'_>) -> Result<T>,
) -> Result<(T, Vec<Unknown>)> {
    let tree = parse(text)?;
    if tree.name != name {
        let detail = format!("expecting root element of '{name}', not '{}'", tree.name);
        return Err(Error::new(ErrorCode::XmlError, ErrorDomain::Domain, detail));
    }
    read_tree(&tree, false, read)
}

fn read_tree<T>(
    tree: &Tree,
    of_driver: bool,
    read: impl FnOnce(&mut Node<'_>) -> Result<T>,
) -> Result<(T, Vec<Unknown>)> {
    let report = Rc::default();
    let mut node = Node::root(tree, Rc::clone(&report), of_driver);
    let value = read(&mut node)?;
    node.finish();
    let unknown = RefCell::take(&report);
    Ok((value, unknown))
}

/// The element as a document.
pub fn write<E: Element>(name: &str, element: &E) -> String {
    let mut out = Writer::new();
    out.element(name, element);
    out.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Element, Words};

    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Words)]
    enum Bus {
        #[default]
        Ide,
        VirtioScsi,
        #[word("1394")]
        Firewire,
    }

    #[derive(Debug, Clone, PartialEq, Default, Element)]
    struct Place {
        #[xml(attr, default)]
        bus: Bus,
        #[xml(attr = "type")]
        kind: Option<String>,
        #[xml(flag = "readonly")]
        read_only: bool,
    }

    #[derive(Debug, Clone, PartialEq, Element)]
    struct Thing {
        #[xml(attr)]
        id: u8,
        #[xml(child_text)]
        title: Option<String>,
        #[xml(child = "place")]
        places: Vec<Place>,
        #[xml(child, default)]
        main: Place,
        #[xml(flatten)]
        size: Size,
        #[xml(raw)]
        metadata: Option<Tree>,
        #[xml(skip)]
        seen: u32,
    }

    #[derive(Debug, Clone, PartialEq, Element)]
    struct Size {
        #[xml(attr)]
        unit: Option<String>,
        #[xml(child_text = "bytes")]
        bytes: u64,
    }

    #[derive(Debug, Clone, PartialEq, Element)]
    struct Count {
        #[xml(attr)]
        unit: Option<String>,
        #[xml(text)]
        value: u32,
    }

    const THING: &str = "<thing id='7' unit='B'>
  <title>a &lt; b</title>
  <place bus='virtio-scsi'>
    <readonly/>
  </place>
  <place bus='1394' type='x'/>
  <bytes>12</bytes>
  <metadata>
    <o:a xmlns:o=\"urn:o\">t</o:a>
  </metadata>
</thing>
";

    #[test]
    fn what_is_read_is_written_back() {
        let (thing, unknown) = read_named::<Thing>("thing", THING).unwrap();
        assert_eq!(unknown, []);
        assert_eq!(thing.places[1].bus, Bus::Firewire);
        assert_eq!(write("thing", &thing), THING);
    }

    #[test]
    fn what_nobody_takes_is_reported() {
        let text = "<thing id='1' x='y'>t<bytes>1</bytes><place z='1'/><place><q/></place><main/><main/></thing>";
        let (_, unknown) = read::<Thing>(text).unwrap();
        let unknown: Vec<_> = unknown.iter().map(ToString::to_string).collect();
        assert_eq!(
            unknown,
            [
                "attribute '/thing/place[1]/@z'",
                "element '/thing/place[2]/q'",
                "attribute '/thing/@x'",
                "text in element '/thing'",
                "element '/thing/main'",
            ]
        );
    }

    #[test]
    fn refusals_name_place_value_and_what_is_allowed() {
        let message = |text| read::<Thing>(text).unwrap_err().message().to_owned();
        assert_eq!(
            message("<thing id='1'><bytes>1</bytes><place bus='sata'/></thing>"),
            "XML error: Invalid value for attribute 'bus' in element 'place': 'sata'. \
             Allowed in /thing/place[1]: 'ide', 'virtio-scsi', '1394'"
        );
        assert!(message("<thing/>").contains("Missing required attribute 'id' in element 'thing'"));
        assert!(message("<thing id='300'/>").contains("a number from 0 to 255"));
        assert!(message("<thing id='1'/>").contains("missing element 'bytes'"));
        assert!(message("<thing id='1'><bytes>x</bytes></thing>").contains("/thing/bytes"));
        let named = read_named::<Thing>("thing", "<network/>").unwrap_err();
        assert_eq!(
            named.message(),
            "XML error: expecting root element of 'thing', not 'network'"
        );
    }

    #[derive(Debug, PartialEq, Element)]
    struct Open {
        #[xml(attr)]
        id: u8,
        #[xml(child)]
        place: Option<Place>,
        #[xml(rest)]
        rest: Vec<Tree>,
    }

    #[test]
    fn what_no_field_takes_may_be_kept() {
        let text = "<open id='1'>\n  <place bus='ide'/>\n  <new a=\"b\"/>\n</open>\n";
        let (open, unknown) = read::<Open>(text).unwrap();
        assert_eq!((open.rest.len(), unknown.len()), (1, 0));
        assert_eq!(write("open", &open), text);
    }

    #[test]
    fn a_value_of_its_own_stands_on_one_line() {
        let (count, _) = read::<Count>("<count unit='KiB'> 5\n</count>").unwrap();
        assert_eq!(write("count", &count), "<count unit='KiB'>5</count>\n");
    }
}
