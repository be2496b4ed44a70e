//! Plugging virtual processors into a running guest and taking them out.
//!
//! Facts: monitor commands, live XML and refusals of the stock daemon.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use virt_domain::Domain;
use virt_domain::vcpu::{VcpuEntry, Vcpus};
use virt_driver::audit::{Amount, Reason};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::YesNo;

use super::body::Body;
use super::snapshot::Vcpu;
use crate::qmp::QmpError;
use crate::qmp::hotpluggable::{Slot, ordered, slot_of};
use crate::qmp::machine::Cpu;

/// How long a guest may take to give a processor back.
const UNPLUG: Duration = Duration::from_secs(5);

/// How often QEMU is asked whether it did.
const LOOK: Duration = Duration::from_millis(100);

fn refused(code: ErrorCode, what: impl Into<String>) -> Error {
    Error::new(code, ErrorDomain::Qemu, what)
}

/// The processors one by one; those of a guest that only counts them by their number.
pub fn entries(domain: &Domain) -> Vec<VcpuEntry> {
    if let Some(vcpus) = &domain.vcpus {
        let mut list = vcpus.list.clone();
        for id in 0..domain.vcpu.max {
            if list.iter().all(|entry| entry.id != id) {
                list.push(VcpuEntry {
                    id,
                    enabled: YesNo::No,
                    hotpluggable: YesNo::Yes,
                    order: None,
                });
            }
        }
        list.sort_by_key(|entry| entry.id);
        return list;
    }
    let count = domain.vcpu.count();
    (0..domain.vcpu.max)
        .map(|id| VcpuEntry {
            id,
            enabled: (id < count).into(),
            hotpluggable: (id >= count).into(),
            order: None,
        })
        .collect()
}

/// Writes the processors into the guest.
pub fn set_entries(domain: &mut Domain, list: Vec<VcpuEntry>) {
    let on = list.iter().filter(|entry| entry.enabled.is_yes()).count();
    let on = u32::try_from(on).unwrap_or(domain.vcpu.max);
    domain.vcpu.current = (on != domain.vcpu.max).then_some(on);
    domain.vcpus = Some(Vcpus { list });
}

/// Notes that one was plugged in or taken out, with the order in which they were.
fn note(domain: &mut Domain, id: u32, on: bool) {
    let mut list = entries(domain);
    if list.iter().all(|entry| entry.order.is_none()) {
        let mut order = 0;
        for entry in list.iter_mut().filter(|entry| entry.enabled.is_yes()) {
            order += 1;
            entry.order = Some(order);
        }
    }
    let last = list.iter().filter_map(|entry| entry.order).max();
    let mut gone = None;
    if let Some(entry) = list.iter_mut().find(|entry| entry.id == id) {
        entry.enabled = on.into();
        match on {
            true => entry.order = Some(last.unwrap_or(0).saturating_add(1)),
            false => gone = entry.order.take(),
        }
    }
    if let Some(gone) = gone {
        for order in list.iter_mut().filter_map(|entry| entry.order.as_mut()) {
            *order -= u32::from(*order > gone);
        }
    }
    set_entries(domain, list);
}

impl Body {
    /// Plugs in or takes out processors until so many are on.
    pub(crate) async fn recount_vcpus(&mut self, wanted: u32) -> Result<()> {
        loop {
            let list = entries(&self.live()?.domain);
            let on = list.iter().filter(|entry| entry.enabled.is_yes()).count();
            let on = u32::try_from(on).unwrap_or(u32::MAX);
            let next = match on.cmp(&wanted) {
                std::cmp::Ordering::Equal => return Ok(()),
                std::cmp::Ordering::Less => list
                    .iter()
                    .find(|entry| !entry.enabled.is_yes())
                    .map(|entry| entry.id),
                std::cmp::Ordering::Greater => list
                    .iter()
                    .rev()
                    .find(|entry| entry.enabled.is_yes() && entry.hotpluggable.is_yes())
                    .map(|entry| entry.id),
            };
            let next = next.ok_or_else(|| {
                refused(
                    ErrorCode::OperationInvalid,
                    "failed to find appropriate hotpluggable vcpus to reach the desired target \
                     vcpu count",
                )
            })?;
            self.set_vcpus(&BTreeSet::from([next]), on < wanted).await?;
        }
    }

    /// Plugs in (`on`) or takes out processors.
    ///
    /// # Errors
    /// OPERATION_UNSUPPORTED for one that can't be taken out, OPERATION_TIMEOUT when the guest does
    /// not give it back, INTERNAL_ERROR with QEMU's reason.
    pub(crate) async fn set_vcpus(&mut self, ids: &BTreeSet<u32>, on: bool) -> Result<()> {
        let list = entries(&self.live()?.domain);
        for id in ids {
            let Some(entry) = list.iter().find(|entry| entry.id == *id) else {
                return Err(refused(
                    ErrorCode::InvalidArg,
                    format!("vcpu {id} is not present in live config"),
                ));
            };
            if entry.enabled.is_yes() == on {
                continue;
            }
            if !on && !entry.hotpluggable.is_yes() {
                return Err(refused(
                    ErrorCode::OperationUnsupported,
                    format!("vcpu '{id}' can't be unplugged"),
                ));
            }
            let before = u64::from(self.live()?.domain.vcpu.count());
            let done = match on {
                true => self.plug_vcpu(*id).await,
                false => self.unplug_vcpu(*id).await,
            };
            let after = if on {
                before + 1
            } else {
                before.saturating_sub(1)
            };
            self.audit(|guest| {
                vec![guest.amount(Amount::Vcpus, before, after, Reason::Update, done.is_ok())]
            });
            done?;
            self.change_live(|live| note(std::sync::Arc::make_mut(&mut live.domain), *id, on))?;
            self.learn_vcpus().await?;
        }
        Ok(())
    }

    /// Fills the slot of a processor.
    pub(crate) async fn plug_vcpu(&mut self, id: u32) -> Result<()> {
        let slots = self.slots().await?;
        let Some((first, slot)) = slot_of(&slots, id) else {
            return Err(refused(
                ErrorCode::InternalError,
                format!("QEMU has no slot for vcpu '{id}'"),
            ));
        };
        let arguments = slot.arguments(&format!("vcpu{first}"));
        self.ask(|monitor| monitor.send("device_add", Some(arguments)))
            .await
    }

    async fn unplug_vcpu(&mut self, id: u32) -> Result<()> {
        let slots = self.slots().await?;
        let first = slot_of(&slots, id).map_or(id, |(first, _)| first);
        let arguments = json!({ "id": format!("vcpu{first}") });
        self.ask(|monitor| monitor.send("device_del", Some(arguments)))
            .await?;
        let deadline = tokio::time::Instant::now() + UNPLUG;
        loop {
            let slots = self.slots().await?;
            if slot_of(&slots, id).is_none_or(|(_, slot)| slot.qom_path.is_none()) {
                return Ok(());
            }
            if tokio::time::Instant::now() >= deadline {
                return Err(refused(
                    ErrorCode::OperationTimeout,
                    "vcpu unplug request timed out. Unplug result must be manually inspected in \
                     the domain",
                ));
            }
            self.attend(tokio::time::sleep(LOOK)).await;
        }
    }

    async fn slots(&mut self) -> Result<Vec<Slot>> {
        let name = self.name();
        let pending = self.running()?.qemu.monitor.processor_slots();
        let slots = self.attend(pending.read::<Vec<Slot>>()).await;
        let slots = slots.map_err(|error: QmpError| error.about(&name))?;
        Ok(ordered(slots))
    }

    /// Notes the threads of the processors that are on now, and puts them where they belong.
    async fn learn_vcpus(&mut self) -> Result<()> {
        let name = self.name();
        let pending = self.running()?.qemu.monitor.cpus();
        let cpus = self.attend(pending.read::<Vec<Cpu>>()).await;
        let cpus = cpus.map_err(|error: QmpError| error.about(&name))?;
        let vcpus: std::sync::Arc<[Vcpu]> = cpus.iter().map(Into::into).collect();
        let live = self.live()?;
        self.place_threads(&live, &vcpus, &live.iothreads).await?;
        self.change_live(|live| live.vcpus = vcpus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_noted_in_the_order_they_came() {
        let mut domain = Domain::default();
        domain.vcpu.max = 4;
        domain.vcpu.current = Some(1);
        note(&mut domain, 1, true);
        note(&mut domain, 3, true);
        note(&mut domain, 1, false);
        let list = domain.vcpus.clone().unwrap().list;
        let seen: Vec<_> = list
            .iter()
            .map(|e| (e.enabled.is_yes(), e.hotpluggable.is_yes(), e.order))
            .collect();
        assert_eq!(
            seen,
            [
                (true, false, Some(1)),
                (false, true, None),
                (false, true, None),
                (true, true, Some(2))
            ]
        );
        assert_eq!(domain.vcpu.current, Some(2));
    }
}
