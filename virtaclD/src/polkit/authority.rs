//! polkitd's interface on the system bus, `org.freedesktop.PolicyKit1.Authority`.

use std::collections::HashMap;
use std::sync::Arc;

use futures_lite::StreamExt;
use tokio::sync::Mutex;
use virt_rpc::protocol::decisions::Subject;
use zbus::zvariant::Value;
use zbus::{Connection, MatchRule, MessageStream};

use super::Details;
use crate::in_force::Policy;

const SERVICE: &str = "org.freedesktop.PolicyKit1";
const PATH: &str = "/org/freedesktop/PolicyKit1/Authority";
const INTERFACE: &str = "org.freedesktop.PolicyKit1.Authority";

/// Whether polkit may have a person authenticate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Interaction {
    /// It answers at once.
    No = 0,
    /// It may ask, which takes as long as the person takes.
    Yes = 1,
}

/// What it said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// Authorized.
    Yes,
    /// Not authorized.
    No,
    /// Only after the person has authenticated.
    Challenge,
}

/// The connection to the bus: made when the first question comes, and anew when it was lost.
#[derive(Debug)]
pub struct Authority {
    bus: Mutex<Option<Connection>>,
    policy: Arc<Policy>,
}

impl Authority {
    /// Tells `policy` when polkit's answers may have changed.
    pub fn new(policy: Arc<Policy>) -> Self {
        Self {
            bus: Mutex::new(None),
            policy,
        }
    }

    /// Asks.
    ///
    /// # Errors
    /// There is no bus, no polkitd, or it does not know the action: a sentence.
    pub async fn ask(
        &self,
        subject: &Subject,
        action: &str,
        details: &Details,
        interaction: Interaction,
    ) -> Result<Said, String> {
        let (Some(pid), Some(start_time)) = (subject.pid, subject.start_time) else {
            return Err("polkit asks about processes, and no process is known".to_owned());
        };
        let pid = u32::try_from(pid).map_err(|_| format!("{pid} is no process"))?;
        // Polkit's interface has it signed.
        let uid = i32::from_ne_bytes(subject.uid.to_ne_bytes());
        let process = HashMap::from([
            ("pid", Value::from(pid)),
            ("start-time", Value::from(start_time)),
            ("uid", Value::from(uid)),
        ]);
        let body = (
            ("unix-process", process),
            action,
            details,
            interaction as u32,
            "",
        );
        let bus = self.bus().await?;
        let called = bus
            .call_method(
                Some(SERVICE),
                PATH,
                Some(INTERFACE),
                "CheckAuthorization",
                &body,
            )
            .await;
        let reply = match called {
            Ok(reply) => reply,
            Err(error) => {
                if !matches!(error, zbus::Error::MethodError(..)) {
                    self.lost(&bus).await;
                }
                return Err(in_words(&error, action));
            }
        };
        let answer: Result<(bool, bool, HashMap<String, String>), _> = reply.body().deserialize();
        match answer {
            Ok((true, _, _)) => Ok(Said::Yes),
            Ok((false, true, _)) => Ok(Said::Challenge),
            Ok((false, false, _)) => Ok(Said::No),
            Err(error) => Err(format!("polkitd's answer is not understood: {error}")),
        }
    }

    async fn bus(&self) -> Result<Connection, String> {
        let mut bus = self.bus.lock().await;
        if let Some(bus) = &*bus {
            return Ok(bus.clone());
        }
        let failed = |e: zbus::Error| format!("the system bus can't be reached: {e}");
        let new = Connection::system().await.map_err(failed)?;
        let changes = MatchRule::builder()
            .msg_type(zbus::message::Type::Signal)
            .interface(INTERFACE)
            .and_then(|rule| rule.member("Changed"))
            .and_then(|rule| rule.path(PATH))
            .map_err(failed)?
            .build();
        let restarts = MatchRule::builder()
            .msg_type(zbus::message::Type::Signal)
            .sender("org.freedesktop.DBus")
            .and_then(|rule| rule.member("NameOwnerChanged"))
            .and_then(|rule| rule.arg(0, SERVICE))
            .map_err(failed)?
            .build();
        let changes = MessageStream::for_match_rule(changes, &new, None).await;
        let restarts = MessageStream::for_match_rule(restarts, &new, None).await;
        let mut told = changes.map_err(failed)?.or(restarts.map_err(failed)?);
        let policy = Arc::clone(&self.policy);
        tokio::spawn(async move {
            while let Some(Ok(_)) = told.next().await {
                tracing::info!("polkit's rules have changed");
                policy.changed_elsewhere();
            }
            // What changes from here on is not heard.
            policy.changed_elsewhere();
        });
        *bus = Some(new.clone());
        Ok(new)
    }

    /// The next question connects again.
    async fn lost(&self, lost: &Connection) {
        let mut bus = self.bus.lock().await;
        if bus
            .as_ref()
            .is_some_and(|bus| bus.unique_name() == lost.unique_name())
        {
            *bus = None;
        }
    }
}

fn in_words(error: &zbus::Error, action: &str) -> String {
    match error {
        zbus::Error::MethodError(name, _, _)
            if name.as_str() == "org.freedesktop.DBus.Error.ServiceUnknown" =>
        {
            "polkitd does not run and can't be started by the system bus".to_owned()
        }
        zbus::Error::MethodError(_, Some(text), _) if text.contains("not registered") => format!(
            "polkitd does not know '{action}': is org.libvirt.api.policy in \
             /usr/share/polkit-1/actions? (virtacld actions --polkit prints it)"
        ),
        error => format!("polkitd can't be asked: {error}"),
    }
}
