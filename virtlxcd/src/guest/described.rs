//! The container's descriptions and limits, as shared code looks at them and changes them.

use std::sync::Arc;

use virt_domain::Domain;
use virt_driver::api::rename::Rename;
use virt_driver::{
    Definition, Describe, Described, Edit, Edited, Event, Guest as _, Registry, Store,
};
use virt_error::Result;
use virt_rpc::protocol::remote::NonnullDomain;
use virt_tuning::{Limited, Limits, Scheduled};

use super::body::Body;
use super::entry::Guest;
use super::resize;
use super::snapshot::Live;
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
    const SCHEDULED: &'static [Scheduled] = virt_tuning::OF_CONTAINERS;

    fn limits(&self) -> Limits {
        let snapshot = self.current();
        let live = snapshot.live.as_ref();
        Limits {
            described: snapshot.described(),
            placed: live.and_then(|live| live.container.groups.clone()),
            process: live.map(|live| live.container.controller.pid()),
            threads: None,
        }
    }

    const SIZE_IS_FIXED: &'static str = "Cannot resize the max memory on an active domain";

    const TOO_MUCH_MEMORY: &'static str = "Cannot set memory higher than max memory";

    fn check_resize(_: &Domain) -> Result<()> {
        // Every container's group keeps its memory.
        Ok(())
    }

    fn resize(body: &mut Body, kib: u64) -> impl Future<Output = Result<()>> + Send {
        resize::resize(body, kib)
    }

    fn check_tunable(&self, _: &str) -> Result<()> {
        // Containers are the system's alone.
        Ok(())
    }
}

impl Edit for Body {
    fn entry(&self) -> &Arc<Guest> {
        self.guest()
    }

    fn write(&self, definition: &Arc<Definition>) -> impl Future<Output = Result<()>> + Send {
        let (driver, name) = (Arc::clone(self.driver()), self.guest().name());
        let definition = Arc::clone(definition);
        async move { definitions::write(&driver, &name, &definition).await }
    }

    fn publish_definition(&mut self, definition: Arc<Definition>) {
        self.change(|snapshot| snapshot.definition = Some(definition));
    }

    fn publish_live(&mut self, domain: Arc<Domain>) -> Result<()> {
        let snapshot = self.guest().current();
        let container = Arc::clone(&snapshot.running()?.container);
        let live = Live { domain, container };
        self.change(|snapshot| snapshot.live = Some(Arc::new(live)));
        Ok(())
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
