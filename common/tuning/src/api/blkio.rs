//! Limits at block devices: `virsh blkiotune`.

use std::sync::Arc;

use virt_cgroup::{Controller, Placed};
use virt_domain::Domain;
use virt_domain::blkiotune::{BlkioDevice, Blkiotune};
use virt_driver::api::Session;
use virt_driver::api::flags::{self, AFFECT_CONFIG, AFFECT_LIVE};
use virt_driver::{Edit as _, change, change_live, off_thread};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::{
    DomainGetBlkioParameters, DomainGetBlkioParametersRet, DomainSetBlkioParameters, TypedParam,
};
use virt_rpc::server::{Call, Router};

use super::params::{self, Kind};
use super::{STRING_OKAY, asked, run};
use crate::Limited;
use crate::blkio::Limit;

const WEIGHT: &str = "weight";
const NOT_MOUNTED: &str = "blkio cgroup isn't mounted";

pub(super) fn register<S: Session<Guest: Limited>>(router: &mut Router<S>) {
    router.call::<DomainGetBlkioParameters>(get);
    router.task::<DomainSetBlkioParameters, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        let flags = call.args.flags;
        S::only(
            flags,
            AFFECT_LIVE | AFFECT_CONFIG,
            "DomainSetBlkioParameters",
        )?;
        let changes = changes(&call.args.params, S::DOMAIN)?;
        guest.check_tunable("Block I/O")?;
        let guest = guest.into_guest();
        run(&guest, "blkiotune", move |body| {
            Box::pin(set::<S::Guest>(body, changes, flags))
        })
        .await
    });
}

fn get<S: Session<Guest: Limited>>(
    call: &Call<DomainGetBlkioParameters, S>,
) -> Result<DomainGetBlkioParametersRet> {
    let args = &call.args;
    let guest = call.session().guest(call, &args.dom)?;
    S::only(
        args.flags,
        AFFECT_LIVE | AFFECT_CONFIG | STRING_OKAY,
        "DomainGetBlkioParameters",
    )?;
    guest.check_tunable("Block I/O")?;
    flags::exclusive("virDomainGetBlkioParameters", args.flags)?;
    let flags = args.flags & !STRING_OKAY;
    let limits = guest.limits();
    let affects = limits.described.affects(flags)?;
    let domain = limits.described.domain(flags)?;
    let tune = domain.blkiotune.as_ref();
    let noted = tune.and_then(|tune| tune.weight).unwrap_or(0);
    let weight = match affects.live {
        false => noted,
        true => {
            let placed = limits.groups::<S::Guest>(Controller::Blkio, NOT_MOUNTED)?;
            match placed.outer().blkio_weight() {
                Ok(weight) => u32::try_from(weight).unwrap_or(u32::MAX),
                // No scheduler of the host weighs guests.
                Err(error) if error.is(ErrorCode::OperationInvalid) => noted,
                Err(error) => return Err(error),
            }
        }
    };
    let mut told = vec![TypedParam::uint(WEIGHT, weight)];
    for (limit, name) in Limit::ALL {
        told.push(TypedParam::string(name, list(tune, limit)));
    }
    let (params, nparams) = asked(args.nparams, told);
    Ok(DomainGetBlkioParametersRet { params, nparams })
}

/// `PATH,VALUE,PATH,VALUE` of those that have the limit.
fn list(tune: Option<&Blkiotune>, limit: Limit) -> String {
    let devices = tune.map(|tune| tune.devices.as_slice()).unwrap_or_default();
    let set: Vec<String> = devices
        .iter()
        .filter_map(|device| Some(format!("{},{}", device.path, limit.get(device)?)))
        .collect();
    set.join(",")
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Change {
    Weight(u32),
    Device(Limit, String, u64),
}

fn changes(given: &[TypedParam], domain: ErrorDomain) -> Result<Vec<Change>> {
    let mut known = vec![(WEIGHT, Kind::Uint)];
    known.extend(Limit::ALL.map(|(_, name)| (name, Kind::String)));
    params::check(given, &known, domain)?;
    let mut changes = Vec::new();
    for param in given {
        match Limit::ALL.iter().find(|(_, name)| *name == param.field) {
            None => {
                let weight = u32::try_from(params::positive(param)).unwrap_or(u32::MAX);
                changes.push(Change::Weight(weight));
            }
            Some((limit, name)) => {
                let text = params::text(param);
                changes.extend(devices(*limit, name, text).ok_or_else(|| {
                    let what = format!("unable to parse blkio device '{name}' '{text}'");
                    Error::new(ErrorCode::InvalidArg, domain, what)
                })?);
            }
        }
    }
    Ok(changes)
}

/// The pairs of a list `PATH,VALUE,…`; `None` when it is none.
fn devices(limit: Limit, name: &str, text: &str) -> Option<Vec<Change>> {
    let words: Vec<&str> = text.split(',').collect();
    let pairs = words.chunks(2).map(|pair| match pair {
        [path, value] if !path.is_empty() => {
            let value = value.parse().ok()?;
            // Bytes alone have room for more.
            let small = name.contains("bytes") || u32::try_from(value).is_ok();
            small.then(|| Change::Device(limit, (*path).to_owned(), value))
        }
        _ => None,
    });
    pairs.collect()
}

async fn set<G: Limited>(body: &mut G::Editor, changes: Vec<Change>, flags: u32) -> Result<()> {
    let limits = body.entry().limits();
    let affects = limits.described.affects(flags)?;
    if affects.live {
        let placed = limits.groups::<G>(Controller::Blkio, NOT_MOUNTED)?;
        for one in &changes {
            let (placed, own) = (Arc::clone(placed), one.clone());
            off_thread(move || keep(&placed, &own)).await?;
            change_live(body, |domain| {
                note(domain, one);
                Ok(())
            })?;
        }
    }
    if affects.config {
        change(body, move |domain| {
            changes.iter().for_each(|one| note(domain, one));
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// Has the kernel keep it. Blocks.
fn keep(placed: &Placed, change: &Change) -> Result<()> {
    match change {
        Change::Weight(weight) => placed.set_blkio_weight((*weight).into()),
        Change::Device(limit, path, value) => limit.set(placed, path, *value),
    }
}

fn note(domain: &mut Domain, change: &Change) {
    let tune = domain.blkiotune.get_or_insert_default();
    match change {
        Change::Weight(weight) => tune.weight = Some(*weight),
        Change::Device(limit, path, value) => {
            let mut devices = tune.devices.iter_mut();
            match devices.find(|device| device.path == *path) {
                Some(device) => limit.note(device, *value),
                None => {
                    let mut device = BlkioDevice {
                        path: path.clone(),
                        ..BlkioDevice::default()
                    };
                    limit.note(&mut device, *value);
                    tune.devices.push(device);
                }
            }
            let is_limited = |device: &BlkioDevice| {
                let mut limits = Limit::ALL.iter();
                limits.any(|(limit, _)| limit.get(device).is_some())
            };
            tune.devices.retain(is_limited);
        }
    }
    if *tune == Blkiotune::default() {
        domain.blkiotune = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(name: &str, text: &str) -> Result<Vec<Change>> {
        changes(
            &[TypedParam::string(name, text.to_owned())],
            ErrorDomain::Qemu,
        )
    }

    #[test]
    fn devices_come_in_pairs() {
        let both = string("device_read_bytes_sec", "/dev/a,5000,/dev/b,1").unwrap();
        assert_eq!(both.len(), 2);
        let error = string("device_weight", "/dev/vda").unwrap_err();
        assert_eq!(
            error.message(),
            "invalid argument: unable to parse blkio device 'device_weight' '/dev/vda'"
        );
        for wrong in [
            "",
            ",1",
            "/dev/a,",
            "/dev/a,x",
            "/dev/a,-1",
            "/dev/a,99999999999",
        ] {
            assert!(string("device_weight", wrong).is_err(), "{wrong}");
        }
        assert!(string("device_write_bytes_sec", "/dev/a,99999999999").is_ok());
    }

    #[test]
    fn a_device_without_limits_is_forgotten() {
        let mut domain = Domain::default();
        let mut apply = |name, text| {
            for one in string(name, text).unwrap() {
                note(&mut domain, &one);
            }
            Limit::ALL.map(|(limit, _)| list(domain.blkiotune.as_ref(), limit))
        };
        apply("device_read_bytes_sec", "/dev/a,5000,/dev/b,1");
        let lists = apply("device_weight", "/dev/a,100");
        assert_eq!(lists[0], "/dev/a,100");
        assert_eq!(lists[3], "/dev/a,5000,/dev/b,1");
        let lists = apply("device_read_bytes_sec", "/dev/b,0");
        assert_eq!(lists[3], "/dev/a,5000");
        apply("device_read_bytes_sec", "/dev/a,0");
        apply("device_weight", "/dev/a,0");
        assert_eq!(domain.blkiotune, None);
    }
}
