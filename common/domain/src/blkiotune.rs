//! `<blkiotune>` and `<throttlegroups>`: limits on block devices.

use std::collections::HashSet;

use crate::devices::disk::IoTune;
use crate::refusal::unsupported;
use virt_error::Result;
use virt_xml::{Element, Node, Tag, Writer};

/// `<blkiotune>`: limits of the control group.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct Blkiotune {
    /// Weight against other guests.
    #[xml(child_text)]
    pub weight: Option<u32>,
    /// Limits by host device.
    #[xml(child = "device")]
    pub devices: Vec<BlkioDevice>,
}

impl Blkiotune {
    /// Each device has one set of limits, also one that limits nothing.
    pub(crate) fn check(&self) -> Result<()> {
        let mut named = HashSet::new();
        let mut devices = self.devices.iter();
        match devices.find(|device| !named.insert(&device.path)) {
            Some(device) => Err(unsupported(format!(
                "duplicate blkio device path '{}'",
                device.path
            ))),
            None => Ok(()),
        }
    }

    /// A number of 0 is none, and a device without limits is not written.
    pub(crate) fn settle(&mut self) {
        self.weight = self.weight.filter(|weight| *weight > 0);
        for device in &mut self.devices {
            device.weight = device.weight.filter(|weight| *weight > 0);
            device.read_iops_sec = device.read_iops_sec.filter(|limit| *limit > 0);
            device.write_iops_sec = device.write_iops_sec.filter(|limit| *limit > 0);
            device.read_bytes_sec = device.read_bytes_sec.filter(|limit| *limit > 0);
            device.write_bytes_sec = device.write_bytes_sec.filter(|limit| *limit > 0);
        }
        self.devices.retain(|device| {
            let unlimited = BlkioDevice {
                path: device.path.clone(),
                ..BlkioDevice::default()
            };
            *device != unlimited
        });
    }
}

/// Limits on one host device.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct BlkioDevice {
    /// Its node.
    #[xml(child_text)]
    pub path: String,
    /// Weight against other guests.
    #[xml(child_text)]
    pub weight: Option<u32>,
    /// Reads a second.
    #[xml(child_text)]
    pub read_iops_sec: Option<u32>,
    /// Writes a second.
    #[xml(child_text)]
    pub write_iops_sec: Option<u32>,
    /// Bytes read a second.
    #[xml(child_text)]
    pub read_bytes_sec: Option<u64>,
    /// Bytes written a second.
    #[xml(child_text)]
    pub write_bytes_sec: Option<u64>,
}

/// `<throttlegroups>`: limits that disks share by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ThrottleGroups {
    /// The groups.
    pub groups: Vec<IoTune>,
}

impl Element for ThrottleGroups {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let mut groups: Vec<IoTune> = node.children("throttlegroup")?;
        groups.iter_mut().for_each(IoTune::settle);
        if groups.iter().any(|group| group.group_name.is_none()) {
            return Err(node.error("missing group name"));
        }
        let mut names = HashSet::new();
        for group in &groups {
            group.check_totals()?;
            let name = group.group_name.as_deref().unwrap_or_default();
            if !names.insert(name.to_owned()) {
                return Err(node.error(format!("duplicate group name '{name}' found")));
            }
        }
        Ok(Self { groups })
    }

    fn attrs(&self, _: &mut Tag<'_>) {}

    fn content(&self, out: &mut Writer) {
        for group in &self.groups {
            // Its name comes last, other than that of a disk's own limits.
            let limits = IoTune {
                group_name: None,
                ..group.clone()
            };
            out.open(
                "throttlegroup",
                |_| {},
                |out| {
                    limits.content(out);
                    if let Some(name) = &group.group_name {
                        out.text_element("group_name", name);
                    }
                },
            );
        }
    }
}
