//! Events that wait until it is known whether their client may hear of the guest.
//!
//! What comes later waits behind them, so that a client hears of everything in order.

use std::collections::VecDeque;
use std::sync::Arc;

use virt_rpc::protocol::Row;

use super::{Events, Subscription};
use crate::access::{Access, AccessObject, Asked, hearing};

/// Events that wait for one client; beyond, new ones are lost, which is told in the log.
const HELD_MAX: usize = 4096;

/// Which registration an event is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// The one of that callback id.
    Callback(i32),
    /// The one of that kind in the old style.
    Legacy(usize),
}

/// What waits for one client.
#[derive(Debug, Default)]
pub(super) struct Held {
    queue: VecDeque<Message>,
    /// A task is asking.
    asking: bool,
}

#[derive(Debug)]
struct Message {
    asked: Asked,
    to: For,
    row: &'static Row,
    payload: Vec<u8>,
}

/// How one event reaches one client.
pub(super) enum Way {
    Send,
    Hold(Asked),
    Not,
}

impl Held {
    /// The way of an event of the guest that `object` is; without one everybody may hear of all.
    pub(super) fn way(
        &self,
        access: &Access,
        subscription: &Subscription,
        object: Option<&Arc<AccessObject>>,
    ) -> Way {
        let Some(object) = object else {
            return Way::Send;
        };
        let listener = &subscription.listener;
        let asked = hearing(
            &listener.identity(),
            listener.is_readonly(),
            Arc::clone(object),
        );
        match access.may_hear(&asked) {
            _ if !self.queue.is_empty() => Way::Hold(asked),
            None => Way::Hold(asked),
            Some(true) => Way::Send,
            Some(false) => Way::Not,
        }
    }

    pub(super) fn push(&mut self, asked: &Asked, to: For, row: &'static Row, payload: &[u8]) {
        if self.queue.len() >= HELD_MAX {
            tracing::warn!("{HELD_MAX} events wait for decisions about access: one is lost");
            return;
        }
        self.queue.push_back(Message {
            asked: asked.clone(),
            to,
            row,
            payload: payload.to_vec(),
        });
    }

    /// A registration is over: nothing more of it is told.
    pub(super) fn forget(&mut self, to: For) {
        self.queue.retain(|message| message.to != to);
    }

    /// Whether someone must start to ask; they are taken to do so.
    pub(super) fn needs_asking(&mut self) -> bool {
        !self.queue.is_empty() && !std::mem::replace(&mut self.asking, true)
    }
}

impl Events {
    /// Asks, and tells what may be told, until nothing waits for that client.
    pub(super) async fn decide(self: Arc<Self>, subscriber: u64) {
        while let Some(asked) = self.tell_decided(subscriber) {
            self.access.ask("an event", asked).await;
        }
    }

    /// Tells what is decided; what must be asked about the rest.
    fn tell_decided(&self, subscriber: u64) -> Option<Vec<Asked>> {
        let mut registered = self.registered();
        let Subscription { listener, held, .. } = registered.subscribers.get_mut(&subscriber)?;
        while let Some(message) = held.queue.front() {
            match self.access.may_hear(&message.asked) {
                None => break,
                Some(true) => listener.event(message.row, &message.payload),
                Some(false) => {}
            }
            held.queue.pop_front();
        }
        if held.queue.is_empty() {
            held.asking = false;
            return None;
        }
        let mut unknown: Vec<Asked> = Vec::new();
        for message in &held.queue {
            if !unknown.contains(&message.asked) && self.access.may_hear(&message.asked).is_none() {
                unknown.push(message.asked.clone());
            }
        }
        Some(unknown)
    }
}
