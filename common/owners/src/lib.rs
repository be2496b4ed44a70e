//! Who owns a guest, as its metadata say; policies about access may look at that.
//!
//! ```xml
//! <metadata>
//!   <owners xmlns='urn:virtacld:owners'><group>engineering</group><user>frank</user></owners>
//! </metadata>
//! ```

use virt_xml::Tree;

/// The namespace of the element, which `virsh metadata` sets.
pub const NAMESPACE: &str = "urn:virtacld:owners";

/// Who a guest's metadata name as its owners.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Owners {
    /// Users, by name.
    pub users: Vec<String>,
    /// Groups, by name.
    pub groups: Vec<String>,
}

impl Owners {
    /// Those in a `<metadata>` element.
    pub fn of(metadata: &Tree) -> Self {
        let mut owners = Self::default();
        let ours = metadata.elements();
        let ours = ours.filter(|tree| {
            is_owners(&tree.name, |name| {
                tree.attribute(name).is_some_and(|uri| uri == NAMESPACE)
            })
        });
        ours.for_each(|tree| owners.add_all(tree));
        owners
    }

    /// Those in an `<owners>` element, known to be one: `virDomainGetMetadata` gives it without its
    /// namespace.
    pub fn within(element: &Tree) -> Self {
        let mut owners = Self::default();
        owners.add_all(element);
        owners
    }

    fn add_all(&mut self, element: &Tree) {
        for owner in element.elements() {
            self.add(&owner.name, &owner.text());
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.groups.is_empty()
    }

    /// Adds what an element within `<owners>` names. Its prefix is the writer's: `virsh metadata` puts
    /// one on the outer element alone.
    pub fn add(&mut self, element: &str, text: &str) {
        let list = match local(element) {
            "user" => &mut self.users,
            "group" => &mut self.groups,
            _ => return,
        };
        list.push(text.trim().to_owned());
    }
}

/// Whether an element within `<metadata>` is the owners'; `declares` says whether an attribute of it
/// has the namespace for its value.
pub fn is_owners(element: &str, declares: impl Fn(&str) -> bool) -> bool {
    local(element) == "owners"
        && match element.split_once(':') {
            Some((prefix, _)) => declares(&format!("xmlns:{prefix}")),
            None => declares("xmlns"),
        }
}

fn local(element: &str) -> &str {
    element.rsplit(':').next().unwrap_or(element)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_those_of_the_namespace() {
        let text = "<metadata><owners><user>no</user></owners>\
            <o:owners xmlns:o='urn:virtacld:owners'><group>engineering</group><o:user> frank\n\
            </o:user><owner>no</owner></o:owners></metadata>";
        let owners = Owners::of(&virt_xml::parse(text).unwrap());
        assert_eq!(owners.groups, ["engineering"]);
        assert_eq!(owners.users, ["frank"]);
    }
}
