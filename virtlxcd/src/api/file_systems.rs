//! The file systems that a container was given: `virsh domfsinfo`.

use std::sync::Arc;

use virt_driver::api::Session as _;
use virt_driver::off_thread;
use virt_error::{Error, ErrorDomain, Result};
use virt_rpc::protocol::remote::{DomainFsinfo, DomainGetFsinfo, DomainGetFsinfoRet};
use virt_rpc::server::Router;

use super::session::Session;
use crate::guest::{Live, no_init};
use crate::mount_info;

pub(super) fn register(router: &mut Router<Session>) {
    router.task::<DomainGetFsinfo, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        Session::only(call.args.flags, 0, "DomainGetFSInfo")?;
        let live = Arc::clone(guest.snapshot().running()?);
        let info = off_thread(move || of(&live)).await?;
        let ret = u32::try_from(info.len()).unwrap_or(u32::MAX);
        Ok(DomainGetFsinfoRet { info, ret })
    });
}

/// What of them is mounted now; what the container has mounted itself is not told.
fn of(live: &Live) -> Result<Vec<DomainFsinfo>> {
    let init = live.container.init()?;
    let path = format!("/proc/{}/mountinfo", init.pid());
    let mounts = std::fs::read_to_string(&path)
        .map_err(|e| Error::system(ErrorDomain::Lxc, format!("cannot read '{path}'"), &e))?;
    if !init.is_alive() {
        return Err(no_init());
    }
    let filesystems = live.domain.devices.filesystems.iter();
    let told = filesystems.filter_map(|filesystem| {
        let target = filesystem.target.as_ref()?.dir.as_str();
        // The one that was mounted last is seen.
        let mounted = mount_info::read(&mounts).filter(|mount| mount.point == target);
        let mounted = mounted.last()?;
        Some(DomainFsinfo {
            mountpoint: mounted.point,
            name: mounted.source,
            fstype: mounted.kind,
            dev_aliases: filesystem
                .info
                .alias()
                .map(str::to_owned)
                .into_iter()
                .collect(),
        })
    });
    Ok(told.collect())
}
