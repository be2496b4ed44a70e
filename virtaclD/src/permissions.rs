//! Which permissions each kind of object has, and whom polkit lets do them without a rule: libvirt
//! 11.3's (`access.json`), a row each. Everything that names permissions is made from this table:
//! polkit's actions, Cedar's schema, the words of the command line.

use std::fmt;

use virt_rpc::protocol::{Object, Permission};

/// What polkit answers when no rule says anything, whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unasked {
    /// Yes.
    Allowed,
    /// No.
    Refused,
}

/// One thing that may be done to one kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Action {
    /// The kind of object.
    pub object: Object,
    /// What is done to it.
    pub permission: Permission,
    /// What polkit says without a rule.
    pub unasked: Unasked,
}

const fn row(object: Object, permission: Permission, unasked: Unasked) -> Action {
    Action {
        object,
        permission,
        unasked,
    }
}

/// Every action there is.
#[rustfmt::skip]
pub const ACTIONS: &[Action] = &[
    row(Object::Connect, Permission::Getattr, Unasked::Allowed),
    row(Object::Connect, Permission::Read, Unasked::Allowed),
    row(Object::Connect, Permission::Write, Unasked::Refused),
    row(Object::Connect, Permission::SearchDomains, Unasked::Allowed),
    row(Object::Connect, Permission::SearchNetworks, Unasked::Allowed),
    row(Object::Connect, Permission::SearchStoragePools, Unasked::Allowed),
    row(Object::Connect, Permission::SearchNodeDevices, Unasked::Allowed),
    row(Object::Connect, Permission::SearchInterfaces, Unasked::Allowed),
    row(Object::Connect, Permission::SearchSecrets, Unasked::Allowed),
    row(Object::Connect, Permission::SearchNwfilters, Unasked::Allowed),
    row(Object::Connect, Permission::SearchNwfilterBindings, Unasked::Allowed),
    row(Object::Connect, Permission::DetectStoragePools, Unasked::Refused),
    row(Object::Connect, Permission::PmControl, Unasked::Refused),
    row(Object::Connect, Permission::InterfaceTransaction, Unasked::Refused),
    row(Object::Domain, Permission::Getattr, Unasked::Allowed),
    row(Object::Domain, Permission::Read, Unasked::Allowed),
    row(Object::Domain, Permission::Write, Unasked::Refused),
    row(Object::Domain, Permission::ReadSecure, Unasked::Refused),
    row(Object::Domain, Permission::Start, Unasked::Refused),
    row(Object::Domain, Permission::Stop, Unasked::Refused),
    row(Object::Domain, Permission::Reset, Unasked::Refused),
    row(Object::Domain, Permission::Save, Unasked::Refused),
    row(Object::Domain, Permission::Delete, Unasked::Refused),
    row(Object::Domain, Permission::Migrate, Unasked::Refused),
    row(Object::Domain, Permission::Checkpoint, Unasked::Refused),
    row(Object::Domain, Permission::Snapshot, Unasked::Refused),
    row(Object::Domain, Permission::Suspend, Unasked::Refused),
    row(Object::Domain, Permission::Hibernate, Unasked::Refused),
    row(Object::Domain, Permission::CoreDump, Unasked::Refused),
    row(Object::Domain, Permission::PmControl, Unasked::Refused),
    row(Object::Domain, Permission::InitControl, Unasked::Refused),
    row(Object::Domain, Permission::InjectNmi, Unasked::Refused),
    row(Object::Domain, Permission::SendInput, Unasked::Refused),
    row(Object::Domain, Permission::SendSignal, Unasked::Refused),
    row(Object::Domain, Permission::FsTrim, Unasked::Refused),
    row(Object::Domain, Permission::FsFreeze, Unasked::Refused),
    row(Object::Domain, Permission::BlockRead, Unasked::Refused),
    row(Object::Domain, Permission::BlockWrite, Unasked::Refused),
    row(Object::Domain, Permission::MemRead, Unasked::Refused),
    row(Object::Domain, Permission::OpenGraphics, Unasked::Refused),
    row(Object::Domain, Permission::OpenDevice, Unasked::Refused),
    row(Object::Domain, Permission::Screenshot, Unasked::Refused),
    row(Object::Domain, Permission::OpenNamespace, Unasked::Refused),
    row(Object::Domain, Permission::SetTime, Unasked::Refused),
    row(Object::Domain, Permission::SetPassword, Unasked::Refused),
    row(Object::Interface, Permission::Getattr, Unasked::Allowed),
    row(Object::Interface, Permission::Read, Unasked::Allowed),
    row(Object::Interface, Permission::Write, Unasked::Refused),
    row(Object::Interface, Permission::Save, Unasked::Refused),
    row(Object::Interface, Permission::Delete, Unasked::Refused),
    row(Object::Interface, Permission::Start, Unasked::Refused),
    row(Object::Interface, Permission::Stop, Unasked::Refused),
    row(Object::Network, Permission::Getattr, Unasked::Allowed),
    row(Object::Network, Permission::Read, Unasked::Allowed),
    row(Object::Network, Permission::Write, Unasked::Refused),
    row(Object::Network, Permission::Save, Unasked::Refused),
    row(Object::Network, Permission::Delete, Unasked::Refused),
    row(Object::Network, Permission::Start, Unasked::Refused),
    row(Object::Network, Permission::Stop, Unasked::Refused),
    row(Object::Network, Permission::SearchPorts, Unasked::Refused),
    row(Object::NetworkPort, Permission::Getattr, Unasked::Allowed),
    row(Object::NetworkPort, Permission::Read, Unasked::Allowed),
    row(Object::NetworkPort, Permission::Write, Unasked::Refused),
    row(Object::NetworkPort, Permission::Create, Unasked::Refused),
    row(Object::NetworkPort, Permission::Delete, Unasked::Refused),
    row(Object::NodeDevice, Permission::Getattr, Unasked::Allowed),
    row(Object::NodeDevice, Permission::Read, Unasked::Allowed),
    row(Object::NodeDevice, Permission::Write, Unasked::Refused),
    row(Object::NodeDevice, Permission::Start, Unasked::Refused),
    row(Object::NodeDevice, Permission::Stop, Unasked::Refused),
    row(Object::NodeDevice, Permission::Detach, Unasked::Refused),
    row(Object::NodeDevice, Permission::Delete, Unasked::Refused),
    row(Object::NodeDevice, Permission::Save, Unasked::Refused),
    row(Object::Nwfilter, Permission::Getattr, Unasked::Allowed),
    row(Object::Nwfilter, Permission::Read, Unasked::Allowed),
    row(Object::Nwfilter, Permission::Write, Unasked::Refused),
    row(Object::Nwfilter, Permission::Save, Unasked::Refused),
    row(Object::Nwfilter, Permission::Delete, Unasked::Refused),
    row(Object::NwfilterBinding, Permission::Getattr, Unasked::Allowed),
    row(Object::NwfilterBinding, Permission::Read, Unasked::Allowed),
    row(Object::NwfilterBinding, Permission::Create, Unasked::Refused),
    row(Object::NwfilterBinding, Permission::Delete, Unasked::Refused),
    row(Object::Secret, Permission::Getattr, Unasked::Allowed),
    row(Object::Secret, Permission::Read, Unasked::Allowed),
    row(Object::Secret, Permission::Write, Unasked::Refused),
    row(Object::Secret, Permission::ReadSecure, Unasked::Refused),
    row(Object::Secret, Permission::Save, Unasked::Refused),
    row(Object::Secret, Permission::Delete, Unasked::Refused),
    row(Object::StoragePool, Permission::Getattr, Unasked::Allowed),
    row(Object::StoragePool, Permission::Read, Unasked::Allowed),
    row(Object::StoragePool, Permission::Write, Unasked::Refused),
    row(Object::StoragePool, Permission::Save, Unasked::Refused),
    row(Object::StoragePool, Permission::Delete, Unasked::Refused),
    row(Object::StoragePool, Permission::Start, Unasked::Refused),
    row(Object::StoragePool, Permission::Stop, Unasked::Refused),
    row(Object::StoragePool, Permission::Refresh, Unasked::Refused),
    row(Object::StoragePool, Permission::SearchStorageVols, Unasked::Refused),
    row(Object::StoragePool, Permission::Format, Unasked::Refused),
    row(Object::StorageVol, Permission::Getattr, Unasked::Allowed),
    row(Object::StorageVol, Permission::Read, Unasked::Allowed),
    row(Object::StorageVol, Permission::Create, Unasked::Refused),
    row(Object::StorageVol, Permission::Delete, Unasked::Refused),
    row(Object::StorageVol, Permission::Format, Unasked::Refused),
    row(Object::StorageVol, Permission::Resize, Unasked::Refused),
    row(Object::StorageVol, Permission::DataRead, Unasked::Refused),
    row(Object::StorageVol, Permission::DataWrite, Unasked::Refused),
];

impl Action {
    /// The action that is named like `domain.start`; hyphens count as underscores.
    ///
    /// # Errors
    /// There is none: what there is.
    pub fn named(name: &str) -> Result<Self, String> {
        let wanted = name.replace('-', "_");
        let found = ACTIONS.iter().find(|action| action.to_string() == wanted);
        found.copied().ok_or_else(|| unknown(name))
    }

    /// The action of that permission on that kind of object, if objects of that kind have it.
    pub fn of(object: Object, permission: Permission) -> Option<Self> {
        let mut all = ACTIONS.iter();
        let found = all.find(|action| (action.object, action.permission) == (object, permission));
        found.copied()
    }

    /// Polkit's name for it: `org.libvirt.api.domain.open-graphics`.
    pub fn polkit_id(self) -> String {
        format!("org.libvirt.api.{self}").replace('_', "-")
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.object.name(), self.permission.name())
    }
}

/// Why no action is named like that, and which ones there are.
pub fn unknown(name: &str) -> String {
    let object = name.split('.').next().unwrap_or_default().replace('-', "_");
    let of_object: Vec<_> = ACTIONS
        .iter()
        .filter(|action| action.object.name() == object)
        .map(|action| action.permission.name())
        .collect();
    if of_object.is_empty() {
        let objects: Vec<_> = Object::ALL.iter().map(|object| object.name()).collect();
        let objects = objects.join(", ");
        return format!(
            "there is no permission \"{name}\": it is an object and what is done to it, such as \
             domain.start; objects are {objects}"
        );
    }
    format!(
        "there is no permission \"{name}\"; {object} has {}",
        of_object.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use virt_rpc::protocol::Program;

    use super::*;

    #[test]
    fn every_rule_of_every_procedure_is_in_the_table() {
        let mut rules = 0;
        for row in Program::ALL.iter().flat_map(|program| program.table()) {
            for rule in row.acl.iter().chain(row.acl_filter) {
                rules += 1;
                assert!(
                    Action::of(rule.object, rule.permission).is_some(),
                    "{}: {}.{}",
                    row.name,
                    rule.object.name(),
                    rule.permission.name()
                );
            }
        }
        assert!(rules > 400, "{rules}");
    }

    #[test]
    fn names_go_both_ways_and_wrong_ones_are_answered_with_right_ones() {
        for action in ACTIONS {
            assert_eq!(Action::named(&action.to_string()), Ok(*action));
        }
        let graphics = Action::named("domain.open-graphics").unwrap();
        assert_eq!(graphics.polkit_id(), "org.libvirt.api.domain.open-graphics");
        let text = Action::named("domain.strat").unwrap_err();
        assert!(
            text.contains("domain.strat") && text.contains("start"),
            "{text}"
        );
        let text = Action::named("guest.start").unwrap_err();
        assert!(text.contains("nwfilter_binding"), "{text}");
    }
}
