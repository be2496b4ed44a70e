//! libvirt-compatible daemon for containers, and the process that owns each of them.

pub mod aliases;
pub mod api;
mod block;
pub mod capabilities;
pub mod controller;
pub mod daemon;
pub mod define;
pub mod definitions;
pub mod devices;
pub mod driver;
pub mod folders;
pub mod guest;
pub mod hotplug;
mod interfaces;
mod limits;
pub mod lxc_conf;
pub mod lxc_tools;
pub mod mount_info;
pub mod plan;
pub mod planning;
pub mod privileges;
mod processors;
mod sealed;
mod sharing;
mod stats;
mod system_calls;
