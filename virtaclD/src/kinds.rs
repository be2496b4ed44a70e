//! What is known of each kind of object: libvirt's names for it (`detail_keys` of `access.json`).

use virt_rpc::protocol::Object;
use virt_rpc::protocol::decisions::Target;

/// The driver's name, which every question carries, among polkit's details.
pub const DRIVER_KEY: &str = "connect_driver";

/// A kind of object.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// Which.
    pub object: Object,
    /// What policies call it.
    pub entity: &'static str,
    /// What is always known of one.
    pub always: &'static [&'static str],
    /// What is known of some.
    pub sometimes: &'static [&'static str],
    /// The one that tells objects of a driver apart; without one there is one object, the driver
    /// itself.
    pub identity: Option<&'static str>,
    /// Whether it can name its owners in its metadata.
    pub has_owners: bool,
}

const fn kind(
    object: Object,
    entity: &'static str,
    always: &'static [&'static str],
    identity: &'static str,
) -> Kind {
    Kind {
        object,
        entity,
        always,
        sometimes: &[],
        identity: Some(identity),
        has_owners: false,
    }
}

/// All of them, in the order of [`Object::ALL`].
pub const KINDS: &[Kind] = &[
    Kind {
        identity: None,
        ..kind(Object::Connect, "Connect", &[], "")
    },
    Kind {
        // One that is about to be defined may have no UUID yet.
        sometimes: &["domain_uuid"],
        has_owners: true,
        ..kind(Object::Domain, "Domain", &["domain_name"], "domain_uuid")
    },
    kind(
        Object::Interface,
        "Interface",
        &["interface_name", "interface_macaddr"],
        "interface_name",
    ),
    kind(
        Object::Network,
        "Network",
        &["network_name", "network_uuid"],
        "network_uuid",
    ),
    kind(
        Object::NetworkPort,
        "NetworkPort",
        &["network_name", "network_uuid", "port_uuid"],
        "port_uuid",
    ),
    kind(
        Object::NodeDevice,
        "NodeDevice",
        &["node_device_name"],
        "node_device_name",
    ),
    kind(
        Object::Nwfilter,
        "Nwfilter",
        &["nwfilter_name", "nwfilter_uuid"],
        "nwfilter_uuid",
    ),
    kind(
        Object::NwfilterBinding,
        "NwfilterBinding",
        &[
            "nwfilter_binding_portdev",
            "nwfilter_binding_linkdev",
            "nwfilter_binding_filter",
        ],
        "nwfilter_binding_portdev",
    ),
    Kind {
        sometimes: &[
            "secret_usage_volume",
            "secret_usage_ceph",
            "secret_usage_target",
            "secret_usage_name",
        ],
        ..kind(Object::Secret, "Secret", &["secret_uuid"], "secret_uuid")
    },
    kind(
        Object::StoragePool,
        "StoragePool",
        &["pool_name", "pool_uuid"],
        "pool_uuid",
    ),
    kind(
        Object::StorageVol,
        "StorageVol",
        &["pool_name", "pool_uuid", "vol_name", "vol_key"],
        "vol_key",
    ),
];

impl Kind {
    /// The kind of that object.
    pub fn of(object: Object) -> &'static Self {
        // `KINDS` is in the order of `Object::ALL`, which is that of the variants: see the test.
        &KINDS[object as usize]
    }

    /// What may be known of one.
    pub fn keys(&self) -> impl Iterator<Item = &'static str> {
        self.always.iter().chain(self.sometimes).copied()
    }

    /// What tells this target from others of its kind and driver.
    pub fn identity<'a>(&self, target: &'a Target, driver: &'a str) -> Option<&'a str> {
        match self.identity {
            Some(key) => detail(target, key),
            None => Some(driver),
        }
    }
}

/// One of a target's details.
pub fn detail<'a>(target: &'a Target, key: &str) -> Option<&'a str> {
    let mut details = target.details.iter();
    let found = details.find(|(name, _)| name == key);
    found.map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_found_and_told_apart_by_what_they_have() {
        for object in Object::ALL {
            let kind = Kind::of(*object);
            assert_eq!(kind.object, *object);
            if let Some(identity) = kind.identity {
                assert!(kind.keys().any(|key| key == identity), "{}", kind.entity);
            }
        }
    }
}
