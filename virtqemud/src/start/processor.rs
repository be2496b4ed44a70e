//! Asks a new QEMU what its processors can do, and says so in the running guest.

use virt_domain::Domain;
use virt_domain::cpu::{CpuCheck, CpuMode};
use virt_domain::vcpu::VcpuEntry;
use virt_error::Result;
use virt_host::cpu::FeatureSet;
use virt_host::cpu::map::X86;

use crate::guest::Body;
use crate::live_cpu;
use crate::qmp::cpu::{FeatureWord, cpuid};
use crate::qmp::machine::Cpu;
use crate::qmp::monitor::Pending;
use crate::qmp::{Monitor, QmpError};

/// Where QEMU has the first processor of every x86 machine that lists none on its command line.
const FIRST: &str = "/machine/unattached/device[0]";

/// The question, sent ahead of knowing where the processor is.
pub(super) struct Asked(Option<Pending>);

/// Asks, where the guest's `<cpu>` will tell.
pub(super) fn ask(domain: &Domain, monitor: &Monitor) -> Asked {
    Asked(live_cpu::is_told(domain).then(|| monitor.feature_words(FIRST)))
}

impl Body {
    /// Plugs in the processors that are there from the start and may be taken out; whether there
    /// were any.
    pub(super) async fn plug_processors(&mut self) -> Result<bool> {
        let live = self.live()?;
        let Some(vcpus) = &live.domain.vcpus else {
            return Ok(false);
        };
        let pluggable = |entry: &&VcpuEntry| entry.enabled.is_yes() && entry.hotpluggable.is_yes();
        let mut plugged: Vec<_> = vcpus.list.iter().filter(pluggable).collect();
        plugged.sort_by_key(|entry| (entry.order.unwrap_or(u32::MAX), entry.id));
        for entry in &plugged {
            self.plug_vcpu(entry.id).await?;
        }
        Ok(!plugged.is_empty())
    }

    /// Checks what QEMU gave and writes it into the running guest.
    pub(super) async fn learn_processor(&mut self, asked: Asked, cpus: &[Cpu]) -> Result<()> {
        let Asked(Some(pending)) = asked else {
            return Ok(());
        };
        let Some(map) = self.driver().host_state.cpu_map().await else {
            return Ok(());
        };
        let live = self.live()?;
        let monitor = live.qemu.monitor.clone();
        let path = cpus.first().map_or(FIRST, |cpu| cpu.qom_path.as_str());
        let given = self.attend(given(&monitor, pending, path, &map.x86)).await;
        let given = given.map_err(|error| error.about(&self.name()))?;
        let mut domain = Domain::clone(&live.domain);
        let asked = self.kept()?.cpu.clone();
        let Some(cpu) = &mut domain.cpu else {
            return Ok(());
        };
        // A model of the host's making has just what the host can give.
        let is_own = asked.is_none_or(|asked| asked.mode == Some(CpuMode::Custom));
        if is_own && cpu.check == Some(CpuCheck::Full) {
            live_cpu::check_given(cpu, &map.x86, &given)?;
        }
        live_cpu::as_given(cpu, &map.x86, &given)?;
        self.change_live(|live| live.domain = domain.into())
    }
}

async fn given(
    monitor: &Monitor,
    pending: Pending,
    path: &str,
    map: &X86,
) -> Result<FeatureSet, QmpError> {
    let words: Vec<FeatureWord> = match path {
        FIRST => pending.read().await?,
        _ => monitor.feature_words(path).read().await?,
    };
    let mut given = map.features_of(&cpuid(&words));
    // Registers of a model are told one by one, and only of processors that have them at all.
    let keys = ["arch-capabilities", "core-capability", "vmx"];
    let has = |name: &&str| map.feature(name).is_some_and(|f| given.contains(f));
    if keys.iter().any(has) {
        let names: Vec<_> = map.told_by_registers().collect();
        let asked: Vec<_> = names
            .into_iter()
            .map(|feature| {
                let known = &map.features()[feature];
                let name = known.aliases.first().unwrap_or(&known.name);
                (feature, monitor.feature(path, name))
            })
            .collect();
        for (feature, pending) in asked {
            match pending.read::<bool>().await {
                Ok(true) => given.insert(feature),
                Err(error @ (QmpError::Closed | QmpError::Timeout { .. })) => return Err(error),
                // One that QEMU doesn't know it doesn't give.
                Ok(false) | Err(_) => {}
            }
        }
    }
    Ok(given)
}
