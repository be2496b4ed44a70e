//! A guest's I/O threads: more of them, fewer, how they poll.
//!
//! Facts: libvirt-domain.h; texts and monitor commands of the stock daemon.

use std::sync::Arc;

use serde_json::{Value, json};
use virt_domain::Domain;
use virt_domain::devices::controller::Controller;
use virt_domain::vcpu::{Iothread, IothreadIds, Poll};
use virt_driver::audit::{Amount, Reason};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::{
    DomainAddIothread, DomainDelIothread, DomainSetIothreadParams, TypedParam,
    TypedParamValue as TypedValue,
};
use virt_rpc::server::Router;

use super::flags::{self, AFFECT_CONFIG, AFFECT_LIVE};
use super::session::Session;
use crate::definitions::{change, change_live};
use crate::guest::{Body, Guest, IothreadThread};
use crate::qmp::machine::Iothread as Running;

pub(super) fn register(router: &mut Router<Session>) {
    router.task::<DomainAddIothread, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        let change = Change::Add(call.args.iothread_id);
        apply(
            guest.guest(),
            change,
            call.args.flags,
            "qemuDomainAddIOThread",
        )
        .await
    });
    router.task::<DomainDelIothread, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        let change = Change::Remove(call.args.iothread_id);
        apply(
            guest.guest(),
            change,
            call.args.flags,
            "qemuDomainDelIOThread",
        )
        .await
    });
    router.task::<DomainSetIothreadParams, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        let change = Change::Set(call.args.iothread_id, Settings::of(&call.args.params)?);
        let function = "qemuDomainSetIOThreadParams";
        apply(guest.guest(), change, call.args.flags, function).await
    });
}

fn invalid(what: impl Into<String>) -> Error {
    Error::new(ErrorCode::InvalidArg, ErrorDomain::Qemu, what)
}

/// What is to become of a thread.
#[derive(Debug, Clone, PartialEq)]
enum Change {
    Add(u32),
    Remove(u32),
    Set(u32, Settings),
}

/// How a thread works; what is not said stays.
#[derive(Debug, Clone, Default, PartialEq)]
struct Settings {
    poll_max: Option<u64>,
    poll_grow: Option<u64>,
    poll_shrink: Option<u64>,
    thread_pool_min: Option<u32>,
    thread_pool_max: Option<u32>,
}

impl Settings {
    fn of(params: &[TypedParam]) -> Result<Self> {
        let mut settings = Self::default();
        for param in params {
            let number = match &param.value {
                TypedValue::Ullong(number) => Some(*number),
                TypedValue::Uint(number) => Some(u64::from(*number)),
                TypedValue::Int(number) => u64::try_from(*number).ok(),
                TypedValue::Llong(number) => u64::try_from(*number).ok(),
                _ => None,
            };
            let field = param.field.as_str();
            let number = number.ok_or_else(|| {
                invalid(format!("'{field}' must be a number that is not negative"))
            })?;
            let small = || {
                u32::try_from(number)
                    .ok()
                    .filter(|number| i32::try_from(*number).is_ok())
                    .ok_or_else(|| invalid(format!("'{field}' is too large")))
            };
            match field {
                "poll_max_ns" => settings.poll_max = Some(number),
                "poll_grow" => settings.poll_grow = Some(u64::from(small()?)),
                "poll_shrink" => settings.poll_shrink = Some(u64::from(small()?)),
                "thread_pool_min" => settings.thread_pool_min = Some(small()?),
                "thread_pool_max" => settings.thread_pool_max = Some(small()?),
                other => {
                    return Err(Error::new(
                        ErrorCode::ArgumentUnsupported,
                        ErrorDomain::None,
                        format!("parameter '{other}' not supported"),
                    ));
                }
            }
        }
        Ok(settings)
    }

    /// QEMU's names and numbers.
    fn properties(&self) -> Vec<(&'static str, Value)> {
        let all = [
            ("poll-max-ns", self.poll_max),
            ("poll-grow", self.poll_grow),
            ("poll-shrink", self.poll_shrink),
            ("thread-pool-min", self.thread_pool_min.map(u64::from)),
            ("thread-pool-max", self.thread_pool_max.map(u64::from)),
        ];
        all.into_iter()
            .filter_map(|(name, number)| Some((name, number?.into())))
            .collect()
    }

    fn note(&self, thread: &mut Iothread) {
        if self.poll_max.is_some() || self.poll_grow.is_some() || self.poll_shrink.is_some() {
            let poll = thread.poll.get_or_insert_with(Poll::default);
            poll.max = self.poll_max.or(poll.max);
            poll.grow = self.poll_grow.or(poll.grow);
            poll.shrink = self.poll_shrink.or(poll.shrink);
        }
        thread.thread_pool_min = self.thread_pool_min.or(thread.thread_pool_min);
        thread.thread_pool_max = self.thread_pool_max.or(thread.thread_pool_max);
    }
}

async fn apply(guest: &Arc<Guest>, asked: Change, flags: u32, function: &str) -> Result<()> {
    flags::only(flags, AFFECT_LIVE | AFFECT_CONFIG, function)?;
    if let Change::Add(0) | Change::Remove(0) | Change::Set(0, _) = asked {
        return Err(invalid("invalid value of 0 for iothread_id"));
    }
    guest
        .run("iothread", move |body| Box::pin(run(body, asked, flags)))
        .await
}

async fn run(body: &mut Body, asked: Change, flags: u32) -> Result<()> {
    let snapshot = body.guest().current();
    let persistent = snapshot.definition.is_some();
    let affects = flags::affects(flags, snapshot.is_active(), persistent)?;
    if let (true, Some(definition)) = (affects.config, &snapshot.definition) {
        // Nothing is done to the running guest that can't be done to its definition.
        edit(&mut Domain::clone(&*definition.domain()?), &asked)?;
    }
    if affects.live {
        let live = snapshot.running()?;
        edit(&mut Domain::clone(&live.domain), &asked)?;
        let monitor = live.qemu.monitor.clone();
        let pending: Vec<_> = match &asked {
            Change::Add(id) => vec![monitor.send(
                "object-add",
                Some(json!({ "qom-type": "iothread", "id": format!("iothread{id}") })),
            )],
            Change::Remove(id) => {
                vec![monitor.send("object-del", Some(json!({ "id": format!("iothread{id}") })))]
            }
            Change::Set(id, settings) => settings
                .properties()
                .into_iter()
                .map(|(name, value)| {
                    monitor.set_property(&format!("/objects/iothread{id}"), name, value)
                })
                .collect(),
        };
        let mut done = Ok(());
        for pending in pending {
            done = body.attend(pending).await.map(drop);
            if done.is_err() {
                break;
            }
        }
        let before = live.domain.iothread_ids().len() as u64;
        let after = match &asked {
            Change::Add(_) => before + 1,
            Change::Remove(_) => before.saturating_sub(1),
            Change::Set(..) => before,
        };
        if after != before {
            body.audit(|guest| {
                let amount = Amount::Iothreads;
                vec![guest.amount(amount, before, after, Reason::Update, done.is_ok())]
            });
        }
        done.map_err(|error| error.about(&snapshot.name))?;
        let threads = monitor.iothreads();
        let threads = body.attend(threads.read::<Vec<Running>>()).await;
        let threads = threads.map_err(|error| error.about(&snapshot.name))?;
        change_live(body, |domain| edit(domain, &asked))?;
        body.change_live(|live| {
            live.iothreads = threads.iter().filter_map(IothreadThread::of).collect();
        })?;
    }
    if affects.config {
        change(body, move |domain| edit(domain, &asked)).await?;
    }
    Ok(())
}

fn edit(domain: &mut Domain, asked: &Change) -> Result<()> {
    let mut list = domain.iothread_ids();
    let place = |id: u32| list.iter().position(|thread| thread.id == id);
    match asked {
        Change::Add(id) => {
            if place(*id).is_some() {
                return Err(invalid(format!(
                    "an IOThread is already using iothread_id '{id}'"
                )));
            }
            list.push(Iothread {
                id: *id,
                ..Iothread::default()
            });
        }
        Change::Remove(id) => {
            let place = place(*id).ok_or_else(|| {
                invalid(format!("cannot find IOThread '{id}' in iothreadids list"))
            })?;
            check_unused(domain, *id)?;
            list.remove(place);
            if let Some(tune) = &mut domain.cputune {
                tune.iothreadpins.retain(|pin| pin.iothread != *id);
            }
        }
        Change::Set(id, settings) => {
            let place = place(*id)
                .ok_or_else(|| invalid(format!("cannot find IOThread '{id}' in iothreadids")))?;
            settings.note(&mut list[place]);
            let most = |number: Option<u32>| number.map_or(-1, i64::from);
            let (min, max) = (list[place].thread_pool_min, list[place].thread_pool_max);
            if most(min) > most(max) {
                return Err(Error::new(
                    ErrorCode::OperationInvalid,
                    ErrorDomain::Qemu,
                    format!(
                        "thread_pool_min ({}) can't be greater than thread_pool_max ({})",
                        most(min),
                        most(max)
                    ),
                ));
            }
        }
    }
    domain.iothreads = u32::try_from(list.len()).ok().filter(|count| *count > 0);
    domain.iothreadids = (!list.is_empty()).then_some(IothreadIds { list });
    Ok(())
}

/// A thread that a device uses stays.
fn check_unused(domain: &Domain, id: u32) -> Result<()> {
    for disk in &domain.devices.disks {
        let driver = disk.driver.as_ref();
        let uses = driver.is_some_and(|driver| {
            driver.iothread == Some(id)
                || driver
                    .iothreads
                    .iter()
                    .flat_map(|map| &map.threads)
                    .any(|thread| thread.id == id)
        });
        if uses {
            return Err(invalid(format!(
                "cannot remove IOThread {id} since it is being used by disk '{}'",
                disk.name()
            )));
        }
    }
    let uses = |controller: &&Controller| {
        controller
            .driver
            .as_ref()
            .is_some_and(|driver| driver.iothread == Some(id))
    };
    match domain.devices.controllers.iter().find(uses) {
        Some(_) => Err(invalid(format!(
            "cannot remove IOThread '{id}' since it is being used by controller"
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_come_and_go_by_number() {
        let mut domain = Domain {
            iothreads: Some(1),
            ..Domain::default()
        };
        edit(&mut domain, &Change::Add(5)).unwrap();
        assert_eq!(domain.iothreads, Some(2));
        let again = edit(&mut domain, &Change::Add(5)).unwrap_err();
        assert!(again.message().ends_with("already using iothread_id '5'"));
        let settings = Settings {
            poll_max: Some(1000),
            ..Settings::default()
        };
        edit(&mut domain, &Change::Set(5, settings)).unwrap();
        edit(&mut domain, &Change::Remove(1)).unwrap();
        let list = domain.iothread_ids();
        assert_eq!((list.len(), list[0].id), (1, 5));
        assert_eq!(list[0].poll.as_ref().unwrap().max, Some(1000));
        assert!(edit(&mut domain, &Change::Remove(9)).is_err());
    }
}
