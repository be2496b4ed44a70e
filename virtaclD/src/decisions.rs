//! From a question to its answer: who asks is made sure of, then every back end has to allow.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use virt_rpc::protocol::Permission;
use virt_rpc::protocol::decisions::{Answer, Decided, Question, Refusal, Subject, Verdict};

use crate::back_end::BackEnd;
use crate::conf::Conf;
use crate::in_force::{InForce, Policy};
use crate::listeners::Listeners;
use crate::people::{self, People};
use crate::permissions::Action;
use crate::polkit::{self, Polkit};
use crate::processes::Processes;
use crate::question;

/// Targets that a trace shows of one question.
const TRACED: usize = 16;
/// What refuses before any back end is asked.
const OURSELVES: &str = "virtacld";

/// What decides.
#[derive(Debug)]
pub struct Decisions {
    conf: Conf,
    policy: Arc<Policy>,
    people: People,
    processes: Processes,
    polkit: Arc<Polkit>,
}

/// An answer as it grows.
struct Growing {
    allowed: Vec<bool>,
    /// Of the first target.
    refusal: Option<Refusal>,
    valid: Option<Duration>,
}

impl Decisions {
    /// Reads the policies.
    pub fn new(conf: Conf) -> Self {
        let policy = Arc::new(Policy::read(conf.cedar_policies.clone()));
        let polkit = Arc::new(Polkit::new(conf.polkit_patience, Arc::clone(&policy)));
        Self {
            policy,
            conf,
            people: People::default(),
            processes: Processes::default(),
            polkit,
        }
    }

    /// The policy in force.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Who is told of things.
    pub fn listeners(&self) -> &Listeners {
        self.policy.listeners()
    }

    /// Reads the policies again.
    pub fn reload(&self) {
        self.policy.reload();
    }

    /// Decides, and tells the log and those who trace.
    ///
    /// # Errors
    /// The question can't be asked: what is wrong with it.
    pub async fn answer(&self, question: &Question) -> Result<Answer, String> {
        let began = Instant::now();
        let answer = self.decide(question).await?;
        tell_log(question, &answer);
        self.listeners().decided(|| {
            let mut shown = question.clone();
            shown.targets.truncate(TRACED);
            let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
            Decided {
                nanoseconds: u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX),
                question: shown,
                targets: count(question.targets.len()),
                allowed: count(answer.allowed.iter().filter(|allowed| **allowed).count()),
                refusal: answer.refusal.clone(),
            }
        });
        Ok(answer)
    }

    async fn decide(&self, question: &Question) -> Result<Answer, String> {
        let actions = question::check(question)?;
        let back_ends = self.back_ends(question)?;
        let in_force = self.policy.now();
        let mut growing = Growing {
            allowed: vec![true; question.targets.len()],
            refusal: None,
            valid: None,
        };
        match self.processes.verify(&question.subject) {
            Err(text) => growing.refuse_all(question, OURSELVES, &text),
            Ok(()) => {
                if back_ends.contains(&BackEnd::Cedar) {
                    self.ask_cedar(question, &actions, &in_force, &mut growing)
                        .await;
                }
                if back_ends.contains(&BackEnd::Polkit) {
                    self.ask_polkit(question, &actions, &mut growing).await;
                }
            }
        }
        Ok(Answer {
            generation: in_force.generation,
            valid_ms: growing
                .valid
                .map(|valid| u32::try_from(valid.as_millis()).unwrap_or(u32::MAX)),
            refusal: growing.refusal.filter(|_| question.targets.len() == 1),
            allowed: growing.allowed,
        })
    }

    async fn ask_cedar(
        &self,
        question: &Question,
        actions: &[Action],
        in_force: &InForce,
        growing: &mut Growing,
    ) {
        growing.valid_for(people::VALID);
        let subject = &question.subject;
        let patience = self.conf.names_patience;
        let person = self.people.person(subject.uid, subject.gid, patience).await;
        let asked = person.and_then(|person| {
            let policies = in_force.cedar.as_ref().map_err(Clone::clone)?;
            policies.ask(&person, question, actions)
        });
        match asked {
            Err(text) => growing.refuse_all(question, BackEnd::Cedar.name(), &text),
            Ok(asking) => {
                for target in 0..question.targets.len() {
                    for action in actions {
                        if let Err(reason) = asking.allows(*action, target) {
                            let back_end = BackEnd::Cedar.name();
                            growing.refuse(target, action.permission, back_end, reason);
                            break;
                        }
                    }
                }
            }
        }
    }

    /// What every back end says to one permission on one target.
    ///
    /// # Errors
    /// The question can't be asked: what is wrong with it.
    pub async fn explain(&self, question: &Question) -> Result<Vec<Verdict>, String> {
        let actions = question::check(question)?;
        let (&[action], &[_]) = (actions.as_slice(), question.targets.as_slice()) else {
            return Err("one permission on one target is explained at a time".to_owned());
        };
        let back_ends = self.back_ends(question)?;
        if let Err(reason) = self.processes.verify(&question.subject) {
            return Ok(vec![Verdict {
                back_end: OURSELVES.to_owned(),
                allowed: false,
                reason,
                seen: Vec::new(),
            }]);
        }
        let in_force = self.policy.now();
        let mut verdicts = Vec::with_capacity(back_ends.len());
        for back_end in back_ends {
            verdicts.push(match back_end {
                BackEnd::None => Verdict {
                    back_end: back_end.name().to_owned(),
                    allowed: true,
                    reason: "it allows everything".to_owned(),
                    seen: Vec::new(),
                },
                BackEnd::Cedar => self.explain_cedar(question, action, &in_force).await,
                BackEnd::Polkit => {
                    let details = polkit::details(question, 0);
                    let polkit = &self.polkit;
                    polkit.verdict(&question.subject, action, &details).await
                }
            });
        }
        Ok(verdicts)
    }

    async fn explain_cedar(
        &self,
        question: &Question,
        action: Action,
        in_force: &InForce,
    ) -> Verdict {
        let subject = &question.subject;
        let patience = self.conf.names_patience;
        let person = self.people.person(subject.uid, subject.gid, patience).await;
        let asked = person.and_then(|person| {
            let policies = in_force.cedar.as_ref().map_err(Clone::clone)?;
            policies.ask(&person, question, &[action])
        });
        match asked {
            Err(text) => refused(BackEnd::Cedar, text),
            Ok(asking) => asking.verdict(action, 0),
        }
    }

    /// Asks about the targets that nobody refused so far, several at a time.
    async fn ask_polkit(&self, question: &Question, actions: &[Action], growing: &mut Growing) {
        growing.valid_for(polkit::VALID);
        let mut asked = JoinSet::new();
        let open = growing.allowed.iter().enumerate();
        for (target, _) in open.filter(|(_, allowed)| **allowed) {
            let polkit = Arc::clone(&self.polkit);
            let subject = question.subject.clone();
            let actions = actions.to_vec();
            let details = polkit::details(question, target);
            asked.spawn(async move {
                for action in actions {
                    match polkit.allows(&subject, action, &details).await {
                        Ok(Ok(())) => {}
                        Ok(Err(reason)) => return Ok(Some((target, action.permission, reason))),
                        Err(failure) => return Err(failure),
                    }
                }
                Ok(None)
            });
        }
        while let Some(ended) = asked.join_next().await {
            let name = BackEnd::Polkit.name();
            match ended {
                Ok(Ok(None)) => {}
                Ok(Ok(Some((target, permission, reason)))) => {
                    growing.refuse(target, permission, name, reason);
                }
                // Who doesn't answer one question doesn't answer the others.
                Ok(Err(failure)) => return growing.refuse_all(question, name, &failure),
                Err(_) => return growing.refuse_all(question, name, "a question ended early"),
            }
        }
    }

    /// Whether a person may connect at all, for reading only or for everything.
    pub async fn authenticate(&self, subject: &Subject, readonly: bool) -> Verdict {
        match self.processes.verify(subject) {
            Ok(()) => self.polkit.authenticate(subject, readonly).await,
            Err(reason) => refused(BackEnd::Polkit, reason),
        }
    }

    /// Those that this host always asks and those that the driver names.
    fn back_ends(&self, question: &Question) -> Result<Vec<BackEnd>, String> {
        let mut back_ends = self.conf.back_ends.clone();
        for name in &question.back_ends {
            let back_end = BackEnd::named(name)?;
            if !back_ends.contains(&back_end) {
                back_ends.push(back_end);
            }
        }
        match back_ends.is_empty() {
            true => Err(
                "no back end is named: set 'access_drivers' in virtacld.conf or in the driver's own \
                 configuration"
                    .to_owned(),
            ),
            false => Ok(back_ends),
        }
    }
}

impl Growing {
    fn refuse(&mut self, target: usize, permission: Permission, back_end: &str, reason: String) {
        if let Some(allowed) = self.allowed.get_mut(target) {
            *allowed = false;
        }
        if target == 0 && self.refusal.is_none() {
            self.refusal = Some(Refusal {
                permission,
                back_end: back_end.to_owned(),
                reason,
            });
        }
    }

    /// Nothing could be asked. The next question tries again.
    fn refuse_all(&mut self, question: &Question, back_end: &str, reason: &str) {
        self.valid_for(Duration::ZERO);
        for target in 0..question.targets.len() {
            let permission = question.permissions[0];
            self.refuse(target, permission, back_end, reason.to_owned());
        }
    }

    fn valid_for(&mut self, valid: Duration) {
        self.valid = Some(self.valid.map_or(valid, |before| before.min(valid)));
    }
}

fn refused(back_end: BackEnd, reason: String) -> Verdict {
    Verdict {
        back_end: back_end.name().to_owned(),
        allowed: false,
        reason,
        seen: Vec::new(),
    }
}

/// Every refusal of a call is told; what a list leaves out is no refusal.
fn tell_log(question: &Question, answer: &Answer) {
    let (Some(refusal), Some(target)) = (&answer.refusal, question.targets.first()) else {
        return;
    };
    let details = target.details.iter();
    let details: Vec<_> = details
        .map(|(key, value)| format!("{key}={value:?}"))
        .collect();
    tracing::warn!(
        uid = question.subject.uid,
        pid = question.subject.pid,
        object = target.object.name(),
        permission = refusal.permission.name(),
        back_end = refusal.back_end,
        "refused: user {}, process {}, {}.{} on {}={:?} {} for {}: {}: {}",
        question.subject.uid,
        question.subject.pid.unwrap_or_default(),
        target.object.name(),
        refusal.permission.name(),
        crate::kinds::DRIVER_KEY,
        question.driver,
        details.join(" "),
        question.call,
        refusal.back_end,
        refusal.reason
    );
}
