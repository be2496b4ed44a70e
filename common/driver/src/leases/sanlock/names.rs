//! What sanlock calls leases: a guest's own as it says, those for disks by a digest of the path, as
//! libvirt's plugin does, so that both keep each other out.

use md5::Md5;
use virt_domain::devices::lease::Lease;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use super::super::resource::{Area, Names, Resource, digest};
use super::conf::SanlockConf;
use super::library::{NAME_ROOM, PATH_ROOM};

/// The lock space of the leases that are made for disks.
pub(super) const SPACE: &str = "__LIBVIRT__DISKS__";

impl Names for SanlockConf {
    /// INTERNAL_ERROR for what is longer than sanlock takes, CONFIG_UNSUPPORTED for a lease without
    /// a lock space.
    fn of_lease(&self, lease: &Lease) -> Result<Resource> {
        let Some(space) = &lease.lockspace else {
            return Err(Error::new(
                ErrorCode::ConfigUnsupported,
                ErrorDomain::Locking,
                format!(
                    "lease '{}' has no <lockspace>, which sanlock needs",
                    lease.key
                ),
            ));
        };
        fits("Resource lockspace", space, NAME_ROOM)?;
        fits("Resource name", &lease.key, NAME_ROOM)?;
        fits("Lease path", &lease.target.path, PATH_ROOM)?;
        Ok(Resource {
            space: space.clone(),
            name: lease.key.clone(),
            shared: false,
            transient: false,
            area: Some(Area {
                path: lease.target.path.clone(),
                offset: lease.target.offset.unwrap_or(0),
            }),
            purpose: format!("lease '{}'", lease.key),
        })
    }

    fn of_disk(&self, path: &str, shared: bool) -> Result<Resource> {
        let name = digest::<Md5>(path);
        let file = format!("{}/{name}", self.disk_lease_dir.display());
        fits("Lease path", &file, PATH_ROOM)?;
        Ok(Resource {
            space: SPACE.to_owned(),
            name,
            shared,
            transient: true,
            area: Some(Area {
                path: file,
                offset: 0,
            }),
            purpose: format!("disk '{path}'"),
        })
    }
}

fn fits(what: &str, text: &str, room: usize) -> Result<()> {
    if text.len() < room {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::InternalError,
        ErrorDomain::Locking,
        format!("{what} '{text}' exceeds {room} characters"),
    ))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use virt_daemon::conf::Document;
    use virt_domain::Domain;

    use super::super::super::resource::wanted;
    use super::*;

    const GUEST: &str = "<domain type='qemu'><name>g</name><memory>1</memory>\
        <os><type arch='x86_64'>hvm</type></os><devices>\
        <disk type='file' device='disk'><source file='/i/a'/><target dev='vda'/></disk>\
        <disk type='file' device='disk'><source file='/i/b'/><target dev='vdb'/><shareable/></disk>\
        <disk type='file' device='cdrom'><source file='/i/c'/><target dev='sda'/><readonly/></disk>\
        <lease><lockspace>s</lockspace><key>k</key><target path='/l' offset='1048576'/></lease>\
        </devices></domain>";

    fn of(conf: &str, guest: &str) -> Result<Vec<Resource>> {
        let file = Document::parse(Path::new("c"), conf).unwrap();
        let conf = SanlockConf::read(file, Path::new("/d"), Path::to_owned).unwrap();
        wanted(&Domain::read(guest).unwrap(), conf.policy, &conf)
    }

    #[test]
    fn disks_are_named_by_the_digest_of_their_path() {
        let found = of("auto_disk_leases = 1\nhost_id = 1\n", GUEST).unwrap();
        let named: Vec<_> = found
            .iter()
            .map(|r| {
                let area = r.area.as_ref().unwrap();
                (&*r.space, &*r.name, &*area.path, area.offset, r.shared)
            })
            .collect();
        // md5sum of "/i/a" and "/i/b" without a newline.
        let (a, b) = (
            "038fc7467c21d16cfd9c0ddbe1caacc2",
            "8cd1b9fe5e670ca361eb5820408b6976",
        );
        let expected = [
            ("s", "k", "/l", 1_048_576, false),
            (SPACE, a, &*format!("/d/{a}"), 0, false),
            (SPACE, b, &*format!("/d/{b}"), 0, true),
        ];
        assert_eq!(named, expected);
    }

    #[test]
    fn what_sanlock_has_no_room_for_is_refused() {
        assert_eq!(of("", GUEST).unwrap().len(), 1);
        let long = GUEST.replace("<key>k</key>", &format!("<key>{}</key>", "k".repeat(48)));
        let refused = of("", &long).unwrap_err().to_string();
        assert!(refused.ends_with("exceeds 48 characters"), "{refused}");
        let nowhere = GUEST.replace("<lockspace>s</lockspace>", "");
        assert!(of("", &nowhere).is_err());
        let none = "<lease>";
        let start = GUEST.find(none).unwrap();
        let end = GUEST.find("</lease>").unwrap() + "</lease>".len();
        let without = [&GUEST[..start], &GUEST[end..]].concat();
        assert!(
            of("", &without)
                .unwrap_err()
                .is(ErrorCode::ConfigUnsupported)
        );
    }
}
