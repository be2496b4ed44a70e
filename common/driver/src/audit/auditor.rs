//! Sending audit records, as far as the configuration wants them.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use virt_daemon::logging::{Outgoing, fact};
use virt_daemon::{DaemonConf, Paths, RECORDS_SOCKET};
use virt_rpc::client::Connection;
use virt_rpc::protocol::audit::{Audit, Value};
use virt_rpc::protocol::records::{GetStatistics, Guest, Record};

use super::Subject;

/// The category of audit records, in the log and in virtlogd's records.
const CATEGORY: &str = "audit";

/// `audit_level` of a daemon that must not run without the kernel's audit trail.
const REQUIRED: u8 = 2;
/// How long virtlogd may take to say whether it can write to the trail; it may have to be started.
const PATIENCE: Duration = Duration::from_secs(30);

/// Makes sure of the audit trail where `audit_level` requires it.
///
/// # Errors
/// There is none to be had: a sentence with the reason and the remedy.
pub async fn check(conf: &DaemonConf, paths: &Paths) -> Result<(), String> {
    if conf.audit_level < REQUIRED {
        return Ok(());
    }
    let socket = paths.run.join(RECORDS_SOCKET);
    let asked = async {
        let virtlogd = Connection::connect(&socket).await?;
        virtlogd.call::<GetStatistics>(&()).await
    };
    let reason = match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(answer)) => match answer.statistics.0.audit.closed {
            None => return Ok(()),
            Some(reason) => reason,
        },
        Ok(Err(error)) => format!("virtlogd can't be asked ({error}); start virtlogd.socket"),
        Err(_) => format!("virtlogd did not answer within {PATIENCE:?}"),
    };
    Err(format!(
        "audit_level = 2 requires the kernel's audit trail: {reason}; or set audit_level = 1"
    ))
}

/// What a driver sends audit records with.
#[derive(Debug, Clone)]
pub struct Auditor {
    /// This program's path.
    program: String,
    outgoing: Option<Arc<Outgoing>>,
    logged: bool,
}

impl Auditor {
    /// As `audit_level` and `audit_logging` of the daemon's configuration say.
    pub fn configured(conf: &DaemonConf, outgoing: &Arc<Outgoing>) -> Self {
        let program = std::env::current_exe().unwrap_or_default();
        Self {
            program: program.to_string_lossy().into_owned(),
            outgoing: (conf.audit_level > 0).then(|| Arc::clone(outgoing)),
            logged: conf.audit_logging,
        }
    }

    /// One that writes nothing.
    pub fn none() -> Self {
        Self {
            program: String::new(),
            outgoing: None,
            logged: false,
        }
    }

    /// Sends records about a guest, in order; none are made where nobody wants them. Never waits.
    pub fn tell(&self, subject: &Subject, records: impl FnOnce(&Subject) -> Vec<Audit>) {
        if self.outgoing.is_none() && !self.logged {
            return;
        }
        for audit in records(subject) {
            let success = if audit.success { "yes" } else { "no" };
            let text = format!("success={success} {}", audit.text());
            if self.logged {
                tracing::info!(target: CATEGORY, "{text}");
            }
            if let Some(outgoing) = &self.outgoing {
                outgoing.push(Record {
                    guest: Some(Guest {
                        uuid: subject.uuid.into_bytes(),
                        name: subject.name.clone(),
                    }),
                    audit: Some(Box::new(self.signed(audit))),
                    ..fact(CATEGORY, text)
                });
            }
        }
    }

    /// The record with the program that it is about; virtlogd may not look who sends it.
    fn signed(&self, mut audit: Audit) -> Audit {
        let program = Value::Text(self.program.clone());
        audit.fields.push((Cow::Borrowed("exe"), program));
        audit
    }
}
