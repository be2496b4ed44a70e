//! What virtlockd calls leases: the path itself, or a name in one of its folders (WIRE.md section
//! 16).

use sha2::Sha256;
use virt_domain::devices::lease::Lease;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use super::LockdConf;
use super::resource::{Names, Resource, digest};

/// What is behind a path below `/dev`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Behind {
    /// UUID of a logical volume.
    pub volume: Option<String>,
    /// Id of a SCSI disk.
    pub scsi: Option<String>,
}

/// The names that the configuration asks for. `behind` looks a path below `/dev` up.
#[derive(Debug)]
pub(super) struct LockdNames<'a, F> {
    pub conf: &'a LockdConf,
    pub behind: F,
}

impl<F: Fn(&str) -> Behind> Names for LockdNames<'_, F> {
    /// INTERNAL_ERROR for a lease with an offset.
    fn of_lease(&self, lease: &Lease) -> Result<Resource> {
        if let Some(offset) = lease.target.offset.filter(|offset| *offset != 0) {
            return Err(Error::new(
                ErrorCode::InternalError,
                ErrorDomain::Locking,
                format!(
                    "Offset must be zero for this lock manager; lease '{}' has {offset}",
                    lease.key
                ),
            ));
        }
        let folder = &lease.target.path;
        Ok(Resource {
            space: match &lease.lockspace {
                Some(space) => format!("{folder}/{space}"),
                None => folder.clone(),
            },
            name: lease.key.clone(),
            shared: false,
            transient: false,
            area: None,
            purpose: format!("lease '{}'", lease.key),
        })
    }

    fn of_disk(&self, path: &str, shared: bool) -> Result<Resource> {
        Ok(self.of_path(path, shared))
    }
}

impl<F: Fn(&str) -> Behind> LockdNames<'_, F> {
    fn of_path(&self, path: &str, shared: bool) -> Resource {
        let (conf, behind) = (self.conf, &self.behind);
        let purpose = format!("disk '{path}'");
        let indirect = |space: &String, name: String| Resource {
            space: space.clone(),
            name,
            shared,
            transient: true,
            area: None,
            purpose: purpose.clone(),
        };
        if path.starts_with("/dev") && (conf.lvm_space.is_some() || conf.scsi_space.is_some()) {
            let behind = behind(path);
            if let (Some(space), Some(volume)) = (&conf.lvm_space, behind.volume) {
                return indirect(space, volume);
            }
            if let (Some(space), Some(scsi)) = (&conf.scsi_space, behind.scsi) {
                return indirect(space, scsi);
            }
        }
        if let Some(space) = &conf.file_space {
            return indirect(space, digest::<Sha256>(path));
        }
        Resource {
            space: String::new(),
            name: path.to_owned(),
            shared,
            transient: false,
            area: None,
            purpose,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::resource::{Policy, wanted};
    use super::*;
    use virt_domain::Domain;

    const GUEST: &str = "<domain type='qemu'><name>g</name><memory>1</memory>\
        <os><type arch='x86_64'>hvm</type></os><devices>\
        <disk type='file' device='disk'><source file='/i/a'/><target dev='vda'/></disk>\
        <disk type='file' device='cdrom'><source file='/i/b'/><target dev='sda'/><readonly/></disk>\
        <disk type='file' device='cdrom'><target dev='sdb'/></disk>\
        <disk type='block' device='disk'><source dev='/dev/v'/><target dev='vdb'/><shareable/></disk>\
        <lease><lockspace>s</lockspace><key>k</key><target path='/l'/></lease>\
        </devices></domain>";

    fn conf() -> LockdConf {
        LockdConf {
            policy: Policy {
                auto_disk_leases: true,
                require_lease_for_disks: false,
            },
            file_space: None,
            lvm_space: None,
            scsi_space: None,
        }
    }

    fn names(conf: &LockdConf) -> Vec<(String, String, bool, bool)> {
        let domain = Domain::read(GUEST).unwrap();
        let behind = |_: &str| Behind {
            volume: None,
            scsi: Some("id".to_owned()),
        };
        let names = LockdNames { conf, behind };
        let wanted = wanted(&domain, conf.policy, &names).unwrap().into_iter();
        wanted
            .map(|r| (r.space, r.name, r.shared, r.transient))
            .collect()
    }

    fn resource(
        space: &str,
        name: &str,
        shared: bool,
        transient: bool,
    ) -> (String, String, bool, bool) {
        (space.to_owned(), name.to_owned(), shared, transient)
    }

    #[test]
    fn disks_that_can_be_written_are_held_and_leases_before_them() {
        let expected = [
            resource("/l/s", "k", false, false),
            resource("", "/i/a", false, false),
            resource("", "/dev/v", true, false),
        ];
        assert_eq!(names(&conf()), expected);
    }

    #[test]
    fn indirect_leases_are_named_by_what_is_behind_the_path() {
        let conf = LockdConf {
            file_space: Some("/f".to_owned()),
            scsi_space: Some("/s".to_owned()),
            ..conf()
        };
        let names = names(&conf);
        // sha256sum of "/i/a" without a newline.
        let digest = "23eae693aa852e5334202ecb30cff980e865016620ee51c87ad4e50b81a517e6";
        assert_eq!(names[1], resource("/f", digest, false, true));
        assert_eq!(names[2], resource("/s", "id", true, true));
    }

    #[test]
    fn a_guest_without_a_lease_is_refused_where_one_is_required() {
        let conf = LockdConf {
            policy: Policy {
                auto_disk_leases: false,
                require_lease_for_disks: true,
            },
            ..conf()
        };
        let without = GUEST.replace(
            "<lease><lockspace>s</lockspace><key>k</key><target path='/l'/></lease>",
            "",
        );
        let domain = Domain::read(&without).unwrap();
        let names = LockdNames {
            conf: &conf,
            behind: |_: &str| Behind::default(),
        };
        let refused = wanted(&domain, conf.policy, &names).unwrap_err();
        assert!(refused.is(ErrorCode::ConfigUnsupported), "{refused}");
        let domain = Domain::read(GUEST).unwrap();
        assert_eq!(wanted(&domain, conf.policy, &names).unwrap().len(), 1);
    }
}
