//! From a question to its answer: who asks is made sure of, then every back end has to allow.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use virt_daemon::logging::Outgoing;
use virt_rpc::protocol::Permission;
use virt_rpc::protocol::decisions::{
    Answer, Decided, Purpose, Question, Refusal, Reloaded, Subject, Verdict,
};
use virt_rpc::server::Client;

use crate::back_end::BackEnd;
use crate::conf::Conf;
use crate::denial::Denial;
use crate::in_force::{InForce, Policy};
use crate::listeners::Listeners;
use crate::people::{self, People};
use crate::permissions::Action;
use crate::polkit::{self, Polkit};
use crate::processes::Processes;
use crate::question;

/// Targets that a trace shows of one question.
const TRACED: usize = 16;
/// How long drivers may take to acknowledge a policy; it takes them no work.
const DRIVERS: Duration = Duration::from_secs(5);
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
    /// Where the audit trail is told of refusals.
    outgoing: Arc<Outgoing>,
    /// Targets that were allowed, and refused.
    counts: [AtomicU64; 2],
}

/// An answer as it grows.
struct Growing {
    allowed: Vec<bool>,
    /// Of the first target.
    refusal: Option<Refusal>,
    valid: Option<Duration>,
}

impl Decisions {
    /// Reads the policies. Records for the audit trail go to `outgoing`.
    pub fn new(conf: Conf, outgoing: Arc<Outgoing>) -> Self {
        let policy = Arc::new(Policy::read(conf.cedar_policies.clone()));
        let polkit = Arc::new(Polkit::new(conf.polkit_patience, Arc::clone(&policy)));
        Self {
            policy,
            conf,
            people: People::default(),
            processes: Processes::default(),
            polkit,
            outgoing,
            counts: Default::default(),
        }
    }

    /// How many targets were allowed and how many refused so far.
    pub fn count(&self) -> (u64, u64) {
        let [allowed, refused] = &self.counts;
        (
            allowed.load(Ordering::Relaxed),
            refused.load(Ordering::Relaxed),
        )
    }

    /// The policy in force.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Who is told of things.
    pub fn listeners(&self) -> &Listeners {
        self.policy.listeners()
    }

    /// Reads the policies again, on a thread of its own: reading many takes a while, in which decisions
    /// go on. When they are in force, waits for drivers to forget what the ones before decided.
    ///
    /// # Errors
    /// The policies are wrong: the first reason.
    pub async fn reload(&self) -> Result<Reloaded, String> {
        let policy = Arc::clone(&self.policy);
        let read = tokio::task::spawn_blocking(move || policy.reload()).await;
        let generation = read.unwrap_or_else(|_| Err("reading them ended early".to_owned()))?;
        let behind = self.listeners().confirmed(generation, DRIVERS).await;
        let unconfirmed: Vec<_> = behind.iter().map(named).collect();
        match unconfirmed.is_empty() {
            true => tracing::info!("all drivers decide by policy {generation}"),
            false => tracing::error!(
                "within {DRIVERS:?} no word that policy {generation} is in force came from {}: what \
                 was decided before may still be used there",
                unconfirmed.join(", ")
            ),
        }
        Ok(Reloaded {
            generation,
            unconfirmed,
        })
    }

    /// Decides, and tells the log and those who trace.
    ///
    /// # Errors
    /// The question can't be asked: what is wrong with it.
    pub async fn answer(&self, question: &Question) -> Result<Answer, String> {
        let began = Instant::now();
        let answer = self.decide(question).await?;
        let allowed = answer.allowed.iter().filter(|allowed| **allowed).count();
        let refused = answer.allowed.len() - allowed;
        for (count, more) in self.counts.iter().zip([allowed, refused]) {
            count.fetch_add(more as u64, Ordering::Relaxed);
        }
        self.tell_refusal(question, &answer);
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

    /// As [`Self::answer`], where that has nothing to wait for: only Cedar is asked, and of someone whose
    /// groups are remembered.
    pub fn answer_at_once(&self, question: &Question) -> Option<Result<Answer, String>> {
        let only_cedar = |back_ends: Vec<BackEnd>| !back_ends.contains(&BackEnd::Polkit);
        let subject = &question.subject;
        let at_hand = self.back_ends(question).is_ok_and(only_cedar)
            && self.people.remember(subject.uid, subject.gid);
        if !at_hand {
            return None;
        }
        // Who is forgotten just now is asked for by the one who waits.
        let mut nobody = Context::from_waker(Waker::noop());
        match pin!(self.answer(question)).poll(&mut nobody) {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => None,
        }
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
            refusal: growing
                .refusal
                .filter(|_| question.purpose == Purpose::Call && question.targets.len() == 1),
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
        let decided = person.and_then(|person| {
            let policies = in_force.cedar.as_ref().map_err(Clone::clone)?;
            match question.targets.as_slice() {
                [target] => {
                    let asking = policies.ask(&person, question, actions, &[target])?;
                    let mut refusals = actions
                        .iter()
                        .filter_map(|action| Some((action, asking.refusal(*action, 0)?)));
                    if let Some((action, reason)) = refusals.next() {
                        growing.refuse(0, action.permission, BackEnd::Cedar.name(), reason);
                    }
                }
                _ => {
                    let allowed = policies.allowed(&person, question, actions)?;
                    let both = growing.allowed.iter_mut().zip(allowed);
                    both.for_each(|(so_far, allowed)| *so_far &= allowed);
                }
            }
            Ok(())
        });
        if let Err(text) = decided {
            growing.refuse_all(question, BackEnd::Cedar.name(), &text);
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
            policies.ask(&person, question, &[action], &[&question.targets[0]])
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
        let verdict = match self.processes.verify(subject) {
            Ok(()) => self.polkit.authenticate(subject, readonly).await,
            Err(reason) => refused(BackEnd::Polkit, reason),
        };
        if !verdict.allowed {
            let denial = Denial {
                subject,
                permission: polkit::connecting(readonly),
                object: None,
                call: "a connection",
                back_end: &verdict.back_end,
                rule: &verdict.reason,
            };
            denial.tell(&self.outgoing);
        }
        verdict
    }

    /// Every refusal of a call is told; what a list leaves out is no refusal.
    fn tell_refusal(&self, question: &Question, answer: &Answer) {
        let (Some(refusal), Some(target)) = (&answer.refusal, question.targets.first()) else {
            return;
        };
        let permission = format!("{}.{}", target.object.name(), refusal.permission.name());
        let (back_end, rule) = (&refusal.back_end, &refusal.reason);
        Denial::of(question, &permission, back_end, rule).tell(&self.outgoing);
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

/// A driver, for people.
fn named(client: &Client) -> String {
    let Some(pid) = client.identity().pid else {
        return "a driver without a process".to_owned();
    };
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    format!("{} (process {pid})", name.trim_end())
}

fn refused(back_end: BackEnd, reason: String) -> Verdict {
    Verdict {
        back_end: back_end.name().to_owned(),
        allowed: false,
        reason,
        seen: Vec::new(),
    }
}
