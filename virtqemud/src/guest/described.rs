//! The guest's descriptions and limits, as shared code looks at them and changes them.

use std::sync::Arc;

use virt_domain::Domain;
use virt_driver::api::rename::Rename;
use virt_driver::{Definition, Describe, Described, Edit, Edited, Event, Registry, Store};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::NonnullDomain;
use virt_tuning::{Limited, Limits, Scheduled, Threads};

use super::body::Body;
use super::entry::Guest;
use super::resize;
use crate::definitions;

impl Describe for Guest {
    fn described(&self) -> Described {
        self.snapshot().described()
    }
}

impl Edited for Guest {
    type Editor = Body;
}

impl Limited for Guest {
    const SCHEDULED: &'static [Scheduled] = virt_tuning::OF_MACHINES;

    fn limits(&self) -> Limits {
        let snapshot = self.current();
        let live = snapshot.live.as_ref();
        Limits {
            described: snapshot.described(),
            placed: live.and_then(|live| live.qemu.groups.clone()),
            process: live.map(|live| live.qemu.process.pid()),
            threads: Some(live.map_or_else(Threads::default, |live| Threads {
                vcpus: live.vcpus.iter().map(|vcpu| vcpu.index).collect(),
                iothreads: live.iothreads.iter().map(|one| one.id).collect(),
            })),
        }
    }

    const SIZE_IS_FIXED: &'static str = "cannot resize the maximum memory on an active domain";

    const TOO_MUCH_MEMORY: &'static str = "cannot set memory higher than max memory";

    fn check_resize(domain: &Domain) -> Result<()> {
        resize::check(domain)
    }

    fn resize(body: &mut Body, kib: u64) -> impl Future<Output = Result<()>> + Send {
        resize::resize(body, kib)
    }

    fn check_tunable(&self, what: &str) -> Result<()> {
        match self.driver().paths.is_system() {
            true => Ok(()),
            false => Err(Error::new(
                ErrorCode::OperationUnsupported,
                ErrorDomain::Qemu,
                format!("{what} tuning is not available in session mode"),
            )),
        }
    }
}

impl Edit for Body {
    fn entry(&self) -> &Arc<Guest> {
        self.guest()
    }

    fn write(&self, definition: &Arc<Definition>) -> impl Future<Output = Result<()>> + Send {
        let (driver, name) = (Arc::clone(self.driver()), self.name());
        let definition = Arc::clone(definition);
        async move { definitions::write(&driver, &name, &definition).await }
    }

    fn publish_definition(&mut self, definition: Arc<Definition>) {
        self.change(|snapshot| snapshot.definition = Some(definition));
    }

    fn publish_live(&mut self, domain: Arc<Domain>) -> Result<()> {
        self.change_live(|live| live.domain = domain)
    }

    fn emit(&self, event: Event) {
        Body::emit(self, event);
    }
}

impl Rename for Body {
    fn registry(&self) -> &Arc<Registry<Guest>> {
        &self.driver().registry
    }

    fn store(&self) -> &Store {
        &self.driver().store
    }

    fn publish_name(&mut self, name: Arc<str>, definition: Arc<Definition>) {
        self.change(|snapshot| {
            snapshot.name = name;
            snapshot.definition = Some(definition);
        });
    }

    fn emit_as(&self, dom: NonnullDomain, event: Event) {
        self.driver().events.emit_as(&**self.guest(), dom, event);
    }
}
