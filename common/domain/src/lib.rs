//! the guest model: domain XML, one file per device family.
