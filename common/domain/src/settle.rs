//! What every driver fills in and checks when a definition was read.

use crate::arch::OsKind;
use crate::blkiotune::{Blkiotune, ThrottleGroups};
use crate::cpu::{Cpu, CpuMode};
use crate::cputune::{Cputune, Iothreadsched, Vcpusched};
use crate::domain::Domain;
use crate::memory::{Memtune, UNLIMITED_KIB};
use crate::numa::Numa;
use crate::numatune::{NumaMemory, NumaMode};
use crate::number_set::NumberSet;
use crate::os::{Boot, BootDev};
use crate::scaled::KiB;
use crate::seclabel::{Seclabel, SeclabelType};
use crate::sysinfo::{BiosKey, Sysinfo, SystemKey};
use crate::vcpu::{DefaultIothread, Iothread, IothreadIds, Placement};
use std::collections::HashSet;
use uuid::Uuid;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::{Content, Tree, Value, YesNo};

/// Most I/O threads of a guest: as many as a set of them can name.
const MAX_IOTHREADS: u32 = 16383;

fn xml_error(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::XmlError, ErrorDomain::Domain, text)
}

impl Domain {
    /// Fills in what every driver fills in, and checks: the second half of [`Domain::read`], for
    /// those that read the element as a part of another one. `random` fills a buffer with random
    /// bytes.
    ///
    /// # Errors
    /// As [`Domain::read`].
    pub fn settle(&mut self, random: fn(&mut [u8])) -> Result<()> {
        if self.uuid.is_nil() {
            self.uuid = random_uuid(random);
        }
        if self.genid.is_some_and(|genid| genid.is_nil()) {
            self.genid = Some(random_uuid(random));
        }
        self.os.settle();
        self.settle_memory()?;
        self.check_vcpus()?;
        self.settle_placement()?;
        self.check_identity()?;
        self.settle_tuning()?;
        if let Some(tune) = &self.blkiotune {
            tune.check()?;
        }
        if self.iothreads.is_some_and(|count| count > MAX_IOTHREADS) {
            return Err(Error::new(
                ErrorCode::ConfigUnsupported,
                ErrorDomain::Domain,
                format!("more than {MAX_IOTHREADS} threads in <iothreads>"),
            ));
        }
        self.forget_empty();
        self.settle_keywrap()?;
        if self.iothreadids.is_some() {
            let list = self.iothread_ids();
            self.iothreads = u32::try_from(list.len()).ok();
            check_iothreads(&list)?;
            self.iothreadids = Some(IothreadIds { list });
        }
        self.iothreads = self.iothreads.filter(|count| *count > 0);
        self.clock.settle()?;
        if let Some(pm) = &mut self.pm {
            pm.settle();
        }
        if let Some(cputune) = &mut self.cputune {
            cputune.check_schedulers()?;
            cputune.one_by_one();
        }
        if let Some(metadata) = &mut self.metadata {
            keep_one_of_each(metadata);
        }
        if let Some(features) = &mut self.features {
            features.settle();
        }
        // What holds nothing says nothing.
        self.metadata = self
            .metadata
            .take()
            .filter(|m| m.elements().next().is_some());
        if let Some(cpu) = &mut self.cpu {
            cpu.check_named()?;
            cpu.check_features()?;
            cpu.forget_unnamed();
        }
        for filesystem in &mut self.devices.filesystems {
            filesystem.settle();
        }
        crate::devices::controller::settle(&mut self.devices.controllers)?;
        crate::devices::disk::check_all(&self.devices.disks)?;
        self.devices.check_socket_paths()?;
        for memory in &mut self.devices.memories {
            memory.settle();
            memory.check()?;
        }
        crate::devices::memory::check_places(&self.devices.memories)?;
        if self.os.kind.kind == OsKind::Hvm
            && self.os.boot.is_empty()
            && !self.devices.is_bootable()
        {
            self.os.boot.push(Boot { dev: BootDev::Hd });
        }
        if let Some(memtune) = &mut self.memtune {
            memtune.forget_unlimited();
        }
        Ok(())
    }

    /// Elements that hold nothing say nothing.
    fn forget_empty(&mut self) {
        if let Some(blkiotune) = &mut self.blkiotune {
            blkiotune.settle();
        }
        self.blkiotune = self.blkiotune.take().filter(|b| *b != Blkiotune::default());
        if let Some(backing) = &mut self.memory_backing {
            backing.forget_empty();
        }
        self.forget_page_nodes();
        self.vcpus = self.vcpus.take().filter(|v| !v.list.is_empty());
        self.iothreadids = self.iothreadids.take().filter(|i| !i.list.is_empty());
        let default = DefaultIothread::default();
        self.defaultiothread = self.defaultiothread.take().filter(|d| *d != default);
        let filter = self.devices.redirfilter.take();
        self.devices.redirfilter = filter.filter(|filter| !filter.rules.is_empty());
        let groups = self.throttlegroups.take();
        self.throttlegroups = groups.filter(|g| *g != ThrottleGroups::default());
    }

    /// A guest without nodes of its own has node 0, of which nothing is to be said.
    fn forget_page_nodes(&mut self) {
        let numa = self.cpu.as_ref().is_some_and(|cpu| cpu.numa.is_some());
        let pages = self
            .memory_backing
            .as_mut()
            .and_then(|b| b.hugepages.as_mut());
        let Some(pages) = pages.filter(|_| !numa) else {
            return;
        };
        for page in &mut pages.pages {
            let only_first = |set: &NumberSet| set.to_text() == "0";
            page.nodeset = page.nodeset.take().filter(|set| !only_first(set));
        }
    }

    fn settle_keywrap(&mut self) -> Result<()> {
        let ciphers = self.keywrap.iter().flat_map(|keywrap| &keywrap.ciphers);
        let mut seen = HashSet::new();
        for cipher in ciphers {
            if !seen.insert(cipher.name.word()) {
                return Err(Error::new(
                    ErrorCode::InternalError,
                    ErrorDomain::Domain,
                    format!(
                        "A domain definition can have no more than one cipher node with name {}",
                        cipher.name
                    ),
                ));
            }
        }
        if let Some(keywrap) = &mut self.keywrap {
            keywrap.ciphers.sort_by_key(|cipher| cipher.name.word());
        }
        Ok(())
    }

    fn settle_memory(&mut self) -> Result<()> {
        let max = self.vcpu.max;
        if let Some(numa) = self.cpu.as_mut().and_then(|cpu| cpu.numa.as_mut()) {
            numa.take_in_the_rest(max);
            numa.settle()?;
        }
        // What is said counts until the guest starts; its nodes say it where nothing else does.
        if self.memory.size.0 == 0 {
            let initial = self.initial_memory();
            if initial.0 == 0 {
                return Err(xml_error(
                    "Memory size must be specified via <memory> or in the <numa> configuration",
                ));
            }
            let plugged = self.plugged_memory();
            self.memory.size = KiB(initial.0.saturating_add(plugged.0));
        }
        if self.current_memory.0 == 0 || self.current_memory > self.memory.size {
            self.current_memory = self.memory.size;
        }
        if let Some(max) = &self.max_memory
            && max.size < self.memory.size
        {
            return Err(xml_error(
                "maximum memory size must be equal or greater than the actual memory size",
            ));
        }
        Ok(())
    }

    fn check_vcpus(&mut self) -> Result<()> {
        let max = self.vcpu.max;
        let numa = self.cpu.as_ref().and_then(|cpu| cpu.numa.as_ref());
        if numa.is_some_and(|numa| numa.cpu_count() > max as usize) {
            return Err(Error::new(
                ErrorCode::InternalError,
                ErrorDomain::Domain,
                "Number of CPUs in <numa> exceeds the <vcpu> count",
            ));
        }
        let last = numa.and_then(|numa| numa.last_cpu());
        if max == 0 || last.is_some_and(|last| last >= max) {
            return Err(Error::new(
                ErrorCode::InternalError,
                ErrorDomain::Domain,
                "CPU IDs in <numa> exceed the <vcpu> count",
            ));
        }
        Ok(())
    }
}

impl Domain {
    /// Who chooses processors and nodes: when a service chooses the nodes it chooses the
    /// processors that aren't given too, and the other way round.
    fn settle_placement(&mut self) -> Result<()> {
        if let Some(numatune) = &mut self.numatune {
            numatune.memnodes.sort_by_key(|memnode| memnode.cellid);
        }
        let numatune = self.numatune.as_mut();
        if let Some(memory) = numatune.and_then(|numatune| numatune.memory.as_mut()) {
            memory.mode.get_or_insert_default();
            let placement = match (memory.placement, &memory.nodeset) {
                (Some(placement), _) => placement,
                (None, Some(_)) => Placement::Static,
                (None, None) => self.vcpu.placement,
            };
            match placement {
                Placement::Auto => {
                    memory.placement = Some(Placement::Auto);
                    memory.nodeset = None;
                    let pinned = self
                        .cputune
                        .as_ref()
                        .is_some_and(|t| t.emulatorpin.is_some() || !t.vcpupins.is_empty());
                    if self.vcpu.cpuset.is_none() && !pinned {
                        self.vcpu.placement = Placement::Auto;
                    }
                }
                Placement::Static => {
                    memory.placement = None;
                    let nodeset = memory.nodeset.as_ref();
                    if nodeset.is_none() {
                        return Err(xml_error(
                            "nodeset for NUMA memory tuning must be set if 'placement' is 'static'",
                        ));
                    }
                }
            }
        } else if self.vcpu.placement == Placement::Auto {
            self.numatune.get_or_insert_default().memory = Some(NumaMemory {
                mode: Some(NumaMode::Strict),
                nodeset: None,
                placement: Some(Placement::Auto),
            });
        }
        Ok(())
    }
}

impl Domain {
    /// What says who the guest is must agree.
    fn check_identity(&mut self) -> Result<()> {
        for info in &self.sysinfo {
            let Sysinfo::Smbios(info) = info else {
                continue;
            };
            if let Some(date) = info.bios.as_ref().and_then(|bios| bios.get(BiosKey::Date))
                && !is_bios_date(date)
            {
                return Err(detail("Invalid BIOS 'date' format"));
            }
            let uuid = info.system.as_ref().and_then(|s| s.get(SystemKey::Uuid));
            if let Some(uuid) = uuid {
                match Uuid::from_text(uuid) {
                    None => return Err(detail("malformed <sysinfo> uuid element")),
                    Some(uuid) if uuid != self.uuid => {
                        return Err(detail("UUID mismatch between <uuid> and <sysinfo>"));
                    }
                    Some(_) => {}
                }
            }
        }
        settle_labels(&mut self.seclabels)?;
        let mut models = HashSet::new();
        for label in &self.seclabels {
            if let Some(model) = label.model.as_deref()
                && !models.insert(model)
            {
                return Err(detail(format!(
                    "seclabel for model {model} is already provided"
                )));
            }
        }
        if let Some(idmap) = &self.idmap
            && idmap.uids.is_empty() != idmap.gids.is_empty()
        {
            return Err(Error::new(
                ErrorCode::ConfigUnsupported,
                ErrorDomain::Domain,
                "uid and gid should be mapped both",
            ));
        }
        let ranges = self.idmap.iter().flat_map(|map| [&map.uids, &map.gids]);
        let starts = ranges.filter_map(|ranges| ranges.iter().map(|range| range.start).min());
        if starts.max().is_some_and(|start| start > 0) {
            return Err(Error::new(
                ErrorCode::ConfigUnsupported,
                ErrorDomain::Domain,
                "You must map the root user of container",
            ));
        }
        Ok(())
    }

    /// Times are within what the kernel takes; processors that don't exist aren't pinned.
    fn settle_tuning(&mut self) -> Result<()> {
        let max = self.vcpu.max;
        let Some(tune) = &mut self.cputune else {
            return Ok(());
        };
        let mut pinned = HashSet::new();
        for pin in &tune.vcpupins {
            if !pinned.insert(pin.vcpu) {
                return Err(Error::new(
                    ErrorCode::InternalError,
                    ErrorDomain::Domain,
                    format!("duplicate vcpupin for vcpu '{}'", pin.vcpu),
                ));
            }
        }
        tune.vcpupins.retain(|pin| pin.vcpu < max);
        crate::resctrl::settle(&mut tune.cachetunes, &mut tune.memorytunes, max)?;
        // A number of 0 is none.
        for period in [
            &mut tune.period,
            &mut tune.global_period,
            &mut tune.emulator_period,
            &mut tune.iothread_period,
        ] {
            *period = period.filter(|period| *period > 0);
        }
        for quota in [
            &mut tune.quota,
            &mut tune.global_quota,
            &mut tune.emulator_quota,
            &mut tune.iothread_quota,
        ] {
            *quota = quota.filter(|quota| *quota != 0);
        }
        let out_of_range = |name: &str, range: &str| {
            Error::new(
                ErrorCode::ConfigUnsupported,
                ErrorDomain::Domain,
                format!("Value of cputune '{name}' must be in range {range}"),
            )
        };
        for (name, period) in [
            ("period", tune.period),
            ("global_period", tune.global_period),
            ("emulator_period", tune.emulator_period),
            ("iothread_period", tune.iothread_period),
        ] {
            if period.is_some_and(|p| !(1_000..=1_000_000).contains(&p)) {
                return Err(out_of_range(name, "[1000, 1000000]"));
            }
        }
        for (name, quota) in [
            ("quota", tune.quota),
            ("global_quota", tune.global_quota),
            ("emulator_quota", tune.emulator_quota),
            ("iothread_quota", tune.iothread_quota),
        ] {
            if quota.is_some_and(|q| q >= 0 && !(1_000..=17_592_186_044_415).contains(&q)) {
                return Err(out_of_range(name, "[1000, 17592186044415]"));
            }
        }
        Ok(())
    }
}

/// A refusal without a phrase in front.
fn detail(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::XmlDetail, ErrorDomain::Domain, text)
}

/// `mm/dd/yy` or `mm/dd/yyyy` with a year from 1900.
fn is_bios_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('/').collect();
    let [month, day, year] = parts.as_slice() else {
        return false;
    };
    let within = |text: &str, first: u32, last: u32| {
        text.parse().is_ok_and(|n: u32| (first..=last).contains(&n))
    };
    within(month, 1, 12) && within(day, 1, 31) && (within(year, 0, 99) || within(year, 1900, 9999))
}

/// Of elements of one namespace the first is kept; one without a namespace belongs to nobody.
fn keep_one_of_each(metadata: &mut Tree) {
    let outer = metadata.attributes.clone();
    let mut seen = HashSet::new();
    metadata.content.retain(|content| {
        let Content::Element(tree) = content else {
            return true;
        };
        let declared = tree.own_namespace().map(str::to_owned).or_else(|| {
            let (prefix, _) = tree.name.split_once(':')?;
            let name = format!("xmlns:{prefix}");
            let found = outer.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| value.clone())
        });
        declared.is_some_and(|namespace| seen.insert(namespace))
    });
}

impl Cputune {
    /// A scheduler says whose it is.
    fn check_schedulers(&self) -> Result<()> {
        let missing = |name: &str, element: &str| {
            xml_error(format!("Missing attribute '{name}' in element '{element}'"))
        };
        if self.vcpuscheds.iter().any(|sched| sched.vcpus.is_none()) {
            return Err(missing("vcpus", "vcpusched"));
        }
        let mut iothreads = self.iothreadscheds.iter();
        if iothreads.any(|sched| sched.iothreads.is_none()) {
            return Err(missing("iothreads", "iothreadsched"));
        }
        Ok(())
    }

    /// Schedulers are kept for each thread by itself.
    fn one_by_one(&mut self) {
        let mut vcpus = Vec::new();
        for sched in self.vcpuscheds.drain(..) {
            match &sched.vcpus {
                Some(set) => vcpus.extend(set.iter().map(|vcpu| Vcpusched {
                    vcpus: Some(std::iter::once(vcpu).collect()),
                    scheduling: sched.scheduling.clone(),
                })),
                None => vcpus.push(sched),
            }
        }
        vcpus.sort_by_key(|sched| sched.vcpus.as_ref().and_then(NumberSet::last));
        self.vcpuscheds = vcpus;
        let mut iothreads = Vec::new();
        for sched in self.iothreadscheds.drain(..) {
            match &sched.iothreads {
                Some(set) => iothreads.extend(set.iter().map(|thread| Iothreadsched {
                    iothreads: Some(std::iter::once(thread).collect()),
                    scheduling: sched.scheduling.clone(),
                })),
                None => iothreads.push(sched),
            }
        }
        iothreads.sort_by_key(|sched| sched.iothreads.as_ref().and_then(NumberSet::last));
        self.iothreadscheds = iothreads;
    }
}

impl Numa {
    /// Processors that no node names belong to the first one.
    fn take_in_the_rest(&mut self, count: u32) {
        let mut named = NumberSet::new();
        for cpus in self.cells.iter().filter_map(|cell| cell.cpus.as_ref()) {
            cpus.iter().for_each(|cpu| named.insert(cpu));
        }
        // More than a set can hold are refused by the number of processors.
        let all = 0..count.min(16384);
        let rest: NumberSet = all.filter(|cpu| !named.contains(*cpu)).collect();
        if let Some(first) = self.cells.first_mut().filter(|_| !rest.is_empty()) {
            let cpus = first.cpus.get_or_insert_default();
            rest.iter().for_each(|cpu| cpus.insert(cpu));
        }
    }
}

/// Each has a number of its own, from 1 on.
fn check_iothreads(list: &[Iothread]) -> Result<()> {
    let mut seen = HashSet::new();
    for thread in list {
        if thread.id == 0 {
            return Err(xml_error(
                "Invalid value for attribute 'id' in element 'iothread': Zero is not permitted",
            ));
        }
        if !seen.insert(thread.id) {
            return Err(xml_error(format!(
                "duplicate iothread id '{}' found",
                thread.id
            )));
        }
    }
    Ok(())
}

impl Cpu {
    /// Features are said of a model, each once.
    /// What may only be said of a processor that is named, or of the host's.
    fn check_named(&self) -> Result<()> {
        if self.vendor.is_some() && self.model_name().is_none() {
            return Err(xml_error("CPU vendor specified without CPU model"));
        }
        let hosts = matches!(self.mode, Some(CpuMode::HostPassthrough | CpuMode::Maximum));
        if self.migratable.is_some() && !hosts {
            return Err(Error::new(
                ErrorCode::ConfigUnsupported,
                ErrorDomain::Domain,
                "Attribute migratable is only allowed for 'host-passthrough' / 'maximum' CPU mode",
            ));
        }
        Ok(())
    }

    fn check_features(&self) -> Result<()> {
        let is_given = matches!(self.mode, None | Some(CpuMode::Custom));
        if !self.features.is_empty() && is_given && self.model_name().is_none() {
            return Err(xml_error(
                "Non-empty feature list specified without CPU model",
            ));
        }
        let mut seen = HashSet::new();
        match self.features.iter().find(|f| !seen.insert(f.name.as_str())) {
            None => Ok(()),
            Some(feature) => Err(xml_error(format!(
                "CPU feature '{}' specified more than once",
                feature.name
            ))),
        }
    }

    /// Only a given CPU has a model; without a name there is none to fall back from.
    fn forget_unnamed(&mut self) {
        let nameless = self
            .model
            .as_ref()
            .is_some_and(|model| model.name.is_none() && model.vendor_id.is_none());
        if nameless {
            self.model = None;
        }
    }
}

fn random_uuid(random: fn(&mut [u8])) -> Uuid {
    let mut bytes = [0; 16];
    random(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

impl Memtune {
    /// Limits that limit nothing are not kept.
    fn forget_unlimited(&mut self) {
        for limit in [
            &mut self.hard_limit,
            &mut self.soft_limit,
            &mut self.min_guarantee,
            &mut self.swap_hard_limit,
        ] {
            *limit = limit.filter(|limit| limit.0 < UNLIMITED_KIB);
        }
    }
}

/// The name of no security driver, which is the host's where there is no other.
const NO_DRIVER: &str = "none";

/// Fills in what labels leave open. One alone need not name its driver.
fn settle_labels(labels: &mut Vec<Seclabel>) -> Result<()> {
    let several = labels.len() > 1;
    for label in labels.iter_mut() {
        label.settle(several)?;
    }
    // What nobody chooses says nothing.
    labels.retain(|label| label.kind.is_some());
    Ok(())
}

impl Seclabel {
    fn settle(&mut self, several: bool) -> Result<()> {
        self.check()?;
        if self.kind == Some(SeclabelType::None) {
            // There is nothing to label.
            (self.label, self.baselabel) = (None, None);
        }
        if self.model.is_none() {
            if several {
                return Err(xml_error(
                    "missing security model when using multiple labels",
                ));
            }
            let own = self.baselabel.is_some() || self.label.is_some();
            if self.kind.is_none() || self.kind == Some(SeclabelType::Static) || own {
                return Err(xml_error("missing security model in domain seclabel"));
            }
            // Of the host's driver, which is not known here.
        }
        if self.model.as_deref() == Some(NO_DRIVER) {
            self.kind = Some(SeclabelType::None);
        }
        self.relabel = match self.kind {
            Some(SeclabelType::Dynamic) => Some(YesNo::Yes),
            Some(SeclabelType::Static) => Some(self.relabel.unwrap_or(YesNo::No)),
            Some(SeclabelType::None) | None => None,
        };
        Ok(())
    }

    /// What one says must fit together.
    fn check(&self) -> Result<()> {
        let unsupported = |text: &str| {
            Err(Error::new(
                ErrorCode::ConfigUnsupported,
                ErrorDomain::Domain,
                text,
            ))
        };
        let none = self.model.as_deref() == Some(NO_DRIVER);
        match (self.kind, self.relabel) {
            (Some(SeclabelType::None), Some(YesNo::Yes)) => {
                unsupported("resource relabeling is not compatible with 'none' label type")
            }
            (Some(SeclabelType::Dynamic), Some(YesNo::No)) => {
                unsupported("dynamic label type must use resource relabeling")
            }
            (Some(SeclabelType::Static), _) if self.label.is_none() && !none => {
                Err(xml_error("security label is missing"))
            }
            _ => Ok(()),
        }
    }

    /// What one without a driver's name means where the host has none: nothing.
    pub fn on_host_without_driver(&mut self) {
        let model = self.model.get_or_insert_with(|| NO_DRIVER.to_owned());
        if model == NO_DRIVER {
            self.kind = Some(SeclabelType::None);
            self.relabel = None;
        }
    }

    /// Strips what only a running guest has: labels that the driver chose.
    pub(crate) fn inactive(&mut self) {
        self.imagelabel = None;
        if self.kind.unwrap_or(SeclabelType::Dynamic) == SeclabelType::Dynamic {
            self.label = None;
        }
    }
}
