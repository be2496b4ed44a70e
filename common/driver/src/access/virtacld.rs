//! Asking virtacld, and hearing of its changes.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use virt_daemon::{DaemonConf, Paths};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::client::{Connection, Event};
use virt_rpc::codec::Internal;
use virt_rpc::protocol::decisions::{
    Acknowledge, AcknowledgeArgs, Answer, Authenticate, AuthenticateArgs, Decide, DecideArgs,
    PolicyChanged, PolicyChangedMsg, Purpose, Question, Subject, TARGETS_MAX, Watch,
};

use super::denied;
use super::known::{Asked, Known, Verdict};

/// How long a decision may take before it counts as a refusal.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a person may take to prove who they are.
const PATIENCE_WITH_PEOPLE: Duration = Duration::from_secs(300);
/// How long virtacld's silence is taken for an answer: calls meanwhile don't each wait for it.
const SILENCE: Duration = Duration::from_millis(250);

/// What a driver needs to have calls decided.
#[derive(Debug)]
pub struct Decider {
    settings: Settings,
    known: Mutex<Known>,
    connection: tokio::sync::Mutex<Option<Link>>,
}

/// A connection, and the task that hears of changes over it.
#[derive(Debug)]
struct Link {
    connection: Connection,
    listening: JoinHandle<()>,
}

/// How a driver asks.
#[derive(Debug, Clone)]
pub struct Settings {
    /// virtacld's socket.
    pub socket: PathBuf,
    /// The driver's name in policies: `QEMU`.
    pub driver: &'static str,
    /// The back ends that must all allow, as the driver's `access_drivers` names them.
    pub back_ends: Vec<String>,
    /// Whether root may do everything while virtacld does not answer.
    pub root_in_emergency: bool,
}

impl Decider {
    /// Nothing is known yet, and virtacld not asked.
    pub fn new(settings: Settings) -> Arc<Self> {
        Arc::new(Self {
            settings,
            known: Mutex::default(),
            connection: tokio::sync::Mutex::default(),
        })
    }

    /// As a driver's own file says; `driver` is its name in policies.
    pub fn configured(conf: &DaemonConf, paths: &Paths, driver: &'static str) -> Arc<Self> {
        let asks = |name: &&String| *name != "none";
        Self::new(Settings {
            socket: paths.run.join("virtacld-sock"),
            driver,
            back_ends: conf.access_drivers.iter().filter(asks).cloned().collect(),
            root_in_emergency: conf.access_root_in_emergency,
        })
    }

    /// Whether calls are decided about; otherwise it is asked only who may connect.
    pub fn decides(&self) -> bool {
        !self.settings.back_ends.is_empty()
    }

    /// How many decisions are remembered.
    pub fn remembered(&self) -> usize {
        self.lock().len()
    }

    /// What is known without asking.
    pub fn known(&self, asked: &Asked) -> Option<Verdict> {
        self.lock().get(asked, Instant::now())
    }

    /// The same for a call about this one object ([`Known::for_call`]).
    pub fn known_for_call(&self, asked: &Asked) -> Option<Verdict> {
        self.lock().for_call(asked, Instant::now())
    }

    /// What is known of many, all at one moment.
    pub(super) fn with_known<T>(&self, look: impl FnOnce(&Known, Instant) -> T) -> T {
        look(&self.lock(), Instant::now())
    }

    /// What a call is answered by a decision; `None` is one that no policy in force has made.
    ///
    /// # Errors
    /// ACCESS_DENIED.
    pub(super) fn outcome(&self, verdict: Option<Verdict>) -> Result<()> {
        let reason = match &verdict {
            Some(Verdict::Allowed) => return Ok(()),
            Some(Verdict::Refused(reason)) => reason,
            None => "the policy keeps changing; try again",
        };
        Err(denied(self.settings.driver, reason))
    }

    /// Asks for decisions for one caller and call; all of `asked` differ in their targets only. What
    /// becomes of it is known afterwards, a failure as a refusal.
    pub async fn ask(self: Arc<Self>, call: &'static str, purpose: Purpose, asked: Vec<Asked>) {
        for part in asked.chunks(TARGETS_MAX) {
            let answered = tokio::time::timeout(PATIENCE, self.answer(call, purpose, part)).await;
            let answer = answered
                .unwrap_or_else(|_| Err(unusable(&format!("no answer within {PATIENCE:?}"))));
            let now = Instant::now();
            let mut known = self.lock();
            match answer {
                Ok(answer) => learn(&mut known, purpose, part, &answer, now),
                Err(error) => {
                    let reason: Arc<str> = silence(&self.settings, &error).into();
                    tracing::error!("{call} is refused: {reason}");
                    let generation = known.generation();
                    for one in part {
                        let root = one.subject.uid == 0 && self.settings.root_in_emergency;
                        let verdict = match root {
                            true => Verdict::Allowed,
                            false => Verdict::Refused(Arc::clone(&reason)),
                        };
                        known.learn(generation, one.clone(), verdict, Some(SILENCE), now);
                    }
                }
            }
        }
    }

    /// Asks whether a person may connect at all; it may ask the person.
    ///
    /// # Errors
    /// AUTH_FAILED with the reason.
    pub async fn authenticate(self: Arc<Self>, subject: Subject, readonly: bool) -> Result<()> {
        let args = AuthenticateArgs {
            subject: Internal(subject),
            readonly,
        };
        let asked = async {
            let connection = self.connection().await?;
            Ok(connection.call::<Authenticate>(&args).await?.verdict.0)
        };
        let failed = |reason: &str| Error::new(ErrorCode::AuthFailed, ErrorDomain::Polkit, reason);
        let verdict = tokio::time::timeout(PATIENCE_WITH_PEOPLE, asked)
            .await
            .unwrap_or_else(|_| Err(unusable("nobody has authenticated in time")))
            .map_err(|error| failed(&silence(&self.settings, &error)))?;
        match verdict.allowed {
            true => Ok(()),
            false => Err(failed(&format!("{}: {}", verdict.back_end, verdict.reason))),
        }
    }

    async fn answer(
        self: &Arc<Self>,
        call: &'static str,
        purpose: Purpose,
        part: &[Asked],
    ) -> Result<Answer> {
        let Some(first) = part.first() else {
            return Err(unusable("nothing is asked"));
        };
        let question = Question {
            subject: first.subject.clone(),
            driver: self.settings.driver.to_owned(),
            back_ends: self.settings.back_ends.clone(),
            readonly: first.readonly,
            call: call.to_owned(),
            purpose,
            permissions: first.permissions.iter().collect(),
            targets: part.iter().map(|one| one.object.target().clone()).collect(),
        };
        let question = Internal(question);
        let connection = self.connection().await?;
        let answered = connection.call::<Decide>(&DecideArgs { question }).await?;
        let answer = answered.answer.0;
        match answer.allowed.len() == part.len() {
            true => Ok(answer),
            false => Err(unusable("its answer is about something else")),
        }
    }

    /// The connection, over which changes are heard of as well: without one nothing is remembered.
    async fn connection(self: &Arc<Self>) -> Result<Connection> {
        let mut current = self.connection.lock().await;
        if let Some(link) = current.as_ref().filter(|link| !link.connection.is_closed()) {
            return Ok(link.connection.clone());
        }
        if let Some(over) = current.take() {
            // What it still has to forget must not be what comes next.
            let _ = over.listening.await;
        }
        let connection = Connection::connect(&self.settings.socket).await?;
        let events = connection.events();
        let generation = connection.call::<Watch>(&()).await?.generation;
        self.lock().restart(generation);
        let listening = tokio::spawn(Arc::clone(self).listen(connection.clone(), events));
        *current = Some(Link {
            connection: connection.clone(),
            listening,
        });
        Ok(connection)
    }

    /// Forgets what the policy that changed had decided, and says so, and everything when the
    /// connection ends.
    async fn listen(self: Arc<Self>, connection: Connection, mut events: mpsc::Receiver<Event>) {
        while let Some(event) = events.recv().await {
            if let Some(PolicyChangedMsg { generation }) = event.read::<PolicyChanged>() {
                self.lock().changed(generation);
                // Not waited for: the next change may have come. Who can't be told has gone.
                let connection = connection.clone();
                tokio::spawn(async move {
                    let args = AcknowledgeArgs { generation };
                    connection.call::<Acknowledge>(&args).await
                });
            }
        }
        self.lock().restart(0);
        tracing::warn!("virtacld is gone: calls are refused until it is back");
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Known> {
        // A panic in between leaves whole entries.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn learn(known: &mut Known, purpose: Purpose, part: &[Asked], answer: &Answer, now: Instant) {
    let valid = answer.valid_ms.map(|ms| Duration::from_millis(ms.into()));
    let refusal = answer.refusal.as_ref();
    let reason: Arc<str> = match (refusal, purpose) {
        (Some(refusal), _) => {
            let (permission, back_end) = (refusal.permission.name(), &refusal.back_end);
            let reason = &refusal.reason;
            format!("permission '{permission}' is missing ({back_end}: {reason})").into()
        }
        // A call has a reason always; without one it would not be known again.
        (None, Purpose::Call) => "virtacld gives no reason".into(),
        (None, Purpose::Filter) => Arc::default(),
    };
    for (one, allowed) in part.iter().zip(&answer.allowed) {
        let verdict = match allowed {
            true => Verdict::Allowed,
            false => Verdict::Refused(Arc::clone(&reason)),
        };
        known.learn(answer.generation, one.clone(), verdict, valid, now);
    }
}

fn silence(settings: &Settings, error: &Error) -> String {
    format!(
        "virtacld, which decides about access, can't be asked at {}: {}; start it (virtacld.socket)",
        settings.socket.display(),
        error.message()
    )
}

fn unusable(why: &str) -> Error {
    Error::new(ErrorCode::Rpc, ErrorDomain::Access, why)
}
