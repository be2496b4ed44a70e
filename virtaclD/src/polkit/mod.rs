//! The host's polkitd, asked as libvirt asks it (WIRE.md sections 5 and 15), so that rules written for
//! libvirt keep working: its action ids, its details, no interaction.

mod actions;
mod authority;
mod lint;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use virt_rpc::protocol::decisions::{Question, Subject, Verdict};

pub use actions::{api_policy, connect_policy, connecting};
pub use lint::lint;

use crate::back_end::BackEnd;
use crate::in_force::Policy;
use crate::kinds::DRIVER_KEY;
use crate::permissions::{Action, Unasked};
use authority::{Authority, Interaction, Said};

/// How long an answer may be remembered. A rule can depend on anything: the time of day, a file, what
/// a program prints; polkitd tells when rules change and not when such a thing does. A second bounds
/// that, and still spares polkitd all but one of the questions of someone who polls.
pub const VALID: Duration = Duration::from_secs(1);
/// Questions to polkitd that are under way. It answers one after the other; more than a few only
/// wait in other queues.
const PIPELINE: usize = 64;
/// How long a person may take to authenticate.
const PERSON: Duration = Duration::from_secs(600);

/// The details of a question, under libvirt's names.
pub type Details = HashMap<String, String>;

/// The way to polkitd.
#[derive(Debug)]
pub struct Polkit {
    authority: Authority,
    patience: Duration,
    pipeline: Semaphore,
}

impl Polkit {
    /// Waits at most `patience` for an answer; tells `policy` when rules have changed.
    pub fn new(patience: Duration, policy: Arc<Policy>) -> Self {
        Self {
            authority: Authority::new(policy),
            patience,
            pipeline: Semaphore::new(PIPELINE),
        }
    }

    /// Whether the subject may do that. The inner error is polkit's refusal.
    ///
    /// # Errors
    /// Polkit can't be asked: a sentence.
    pub async fn allows(
        &self,
        subject: &Subject,
        action: Action,
        details: &Details,
    ) -> Result<Result<(), String>, String> {
        // It is never closed.
        let _place = self.pipeline.acquire().await.ok();
        let id = action.polkit_id();
        let asking = self.authority.ask(subject, &id, details, Interaction::No);
        let said = within(self.patience, asking).await?;
        Ok(match said {
            Said::Yes => Ok(()),
            said => Err(reason(said, subject, action)),
        })
    }

    /// What polkit says, for people.
    pub async fn verdict(&self, subject: &Subject, action: Action, details: &Details) -> Verdict {
        let id = action.polkit_id();
        let asking = self.authority.ask(subject, &id, details, Interaction::No);
        let said = within(self.patience, asking).await;
        verdict(said, subject, &id, details, |said| {
            reason(said, subject, action)
        })
    }

    /// Whether the subject may connect. Polkit may have the person authenticate.
    pub async fn authenticate(&self, subject: &Subject, readonly: bool) -> Verdict {
        let id = actions::connecting(readonly);
        let details = Details::new();
        let asking = self.authority.ask(subject, id, &details, Interaction::Yes);
        let said = within(PERSON, asking).await;
        verdict(said, subject, id, &details, |said| match said {
            Said::Yes => "polkit allows it".to_owned(),
            Said::No => format!("polkit refuses '{id}'"),
            Said::Challenge => format!(
                "'{id}' takes the person's authentication, which was not given, or there is no polkit \
                 agent to ask for it (pkttyagent is one); a rule of polkit's can allow it without"
            ),
        })
    }
}

fn verdict(
    said: Result<Said, String>,
    subject: &Subject,
    id: &str,
    details: &Details,
    reason: impl Fn(Said) -> String,
) -> Verdict {
    Verdict {
        back_end: BackEnd::Polkit.name().to_owned(),
        allowed: said == Ok(Said::Yes),
        reason: said.map_or_else(|text| text, reason),
        seen: seen(subject, id, details),
    }
}

/// The details of a target.
pub fn details(question: &Question, target: usize) -> Details {
    let target = question.targets.get(target).into_iter();
    let details = target.flat_map(|target| target.details.iter().cloned());
    let driver = (DRIVER_KEY.to_owned(), question.driver.clone());
    std::iter::once(driver).chain(details).collect()
}

async fn within(
    patience: Duration,
    asking: impl Future<Output = Result<Said, String>>,
) -> Result<Said, String> {
    let said = tokio::time::timeout(patience, asking).await;
    said.unwrap_or_else(|_| Err(format!("polkitd did not answer within {patience:?}")))
}

/// Polkit does not say which rule it was. What is known is what it says without any.
fn reason(said: Said, subject: &Subject, action: Action) -> String {
    match (said, action.unasked) {
        (Said::Yes, _) if subject.uid == 0 => "polkit allows root everything".to_owned(),
        (Said::Challenge, _) => {
            "a rule wants the person to authenticate, which a call can't wait for; \
             such rules are for connecting"
                .to_owned()
        }
        (Said::Yes, Unasked::Allowed) => "allowed, as it is without any rule".to_owned(),
        (Said::Yes, Unasked::Refused) => "allowed by a rule: without one it is refused".to_owned(),
        (Said::No, Unasked::Refused) => {
            "no rule allows it, and without one it is refused".to_owned()
        }
        (Said::No, Unasked::Allowed) => "refused by a rule: without one it is allowed".to_owned(),
    }
}

fn seen(subject: &Subject, id: &str, details: &Details) -> Vec<String> {
    let mut seen = vec![
        format!("action.id: {id}"),
        format!("subject.pid: {}", subject.pid.unwrap_or_default()),
        format!("subject uid: {}", subject.uid),
    ];
    let mut details: Vec<_> = details
        .iter()
        .map(|(key, value)| format!("action.lookup({key:?}): {value:?}"))
        .collect();
    details.sort();
    seen.extend(details);
    seen
}
