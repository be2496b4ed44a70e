//! What the audit trail hears of a guest: what it has when it starts, what comes and goes, its end.

use virt_domain::Domain;
use virt_driver::Shutoff;
use virt_driver::audit::{NetNode, Reason, Subject};
use virt_rpc::protocol::audit::Audit;

use super::body::Body;
use super::snapshot::Live;

impl Body {
    /// Has records about the running guest written.
    pub(crate) fn audit(&self, records: impl FnOnce(&Subject) -> Vec<Audit>) {
        if let Ok(live) = self.live() {
            let subject = Subject::from(&*live.domain);
            self.driver().auditor.tell(&subject, records);
        }
    }

    /// The labels that the guest got. Told before it runs.
    pub(crate) fn audit_labels(&self) {
        let Ok(live) = self.live() else { return };
        let labels = live.domain.seclabels.iter();
        let labels = labels.filter(|label| label.label.is_some());
        self.audit(|subject| labels.map(|label| subject.labelled(label)).collect());
    }

    /// What was opened for its interfaces.
    pub(crate) fn audit_opened(&self, nodes: &[NetNode]) {
        let opened = |node, subject: &Subject| subject.gained(node, Reason::Open, true);
        self.audit(|subject| {
            nodes
                .iter()
                .flat_map(|node| opened(node, subject))
                .collect()
        });
    }

    /// The guest was started, or was not: what it was to have, which was given to it in any case, and
    /// how that went. `planned` is its definition as far as there is no running guest.
    pub(crate) fn audit_start(&self, planned: &Domain, reason: &str, success: bool) {
        let live = self.live().ok();
        let domain = live.as_ref().map_or(planned, |live| &live.domain);
        let pid = live.as_ref().map(|live| live.qemu.process.pid());
        let subject = Subject::from(domain);
        self.driver().auditor.tell(&subject, |subject| {
            let mut records = subject.at_start(domain);
            records.push(subject.started(reason, pid, success));
            records
        });
    }

    /// The guest's run ended; one that never came up has not stopped.
    pub(super) fn audit_stop(&self, live: &Live, reason: Shutoff) {
        let subject = Subject::from(&*live.domain);
        let auditor = &self.driver().auditor;
        auditor.tell(&subject, |subject| vec![subject.stopped(reason.word())]);
    }
}
