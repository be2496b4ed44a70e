//! What only a guest's actor may touch, and how it listens to QEMU.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tracing::{Instrument, Span};
use virt_driver::actor;
use virt_driver::description::not_running;
use virt_driver::logs::GuestLog;
use virt_driver::{Event, Paused, Running as RunReason, Shutoff, State};
use virt_error::Result;

use super::belongings::Belongings;
use super::entry::Guest;
use super::snapshot::{Live, Qemu, Snapshot};
use super::transition::{self, After, Becomes, Before, Then};
use crate::driver::Driver;
use crate::qmp;
use crate::status::Kept;

/// How long a QEMU that closed its monitor may take to end before it is killed.
const LINGER: Duration = Duration::from_secs(5);

/// The guest as its actor has it.
pub struct Body {
    guest: Arc<Guest>,
    pub(super) running: Option<Running>,
    /// The status file is older than the guest.
    pub(super) stale: bool,
    /// What QEMU said last, of a start that failed.
    pub(super) epitaph: String,
}

/// What the actor keeps of a running guest besides what readers see.
pub(crate) struct Running {
    pub(crate) qemu: Arc<Qemu>,
    pub(crate) events: mpsc::Receiver<qmp::Event>,
    pub(crate) belongings: Belongings,
    pub(crate) log: GuestLog,
    /// What the status file says besides state and domain.
    pub(crate) kept: Kept,
    /// The state that a command under way asks for.
    pub(crate) expected: Option<State>,
    /// What the guest's own ends become.
    pub(crate) policy: Policy,
    /// The monitor closed at that moment.
    pub(crate) hung_up: Option<tokio::time::Instant>,
    /// What was told last of a migration: `setup`, `active`, `completed`, `failed`, …
    pub(crate) migration: Option<String>,
    /// How a dump of its memory ended; the reason where it failed.
    pub(crate) dumped: Option<std::result::Result<(), String>>,
    /// The device that the guest was asked to let go of and refused.
    pub(crate) kept_device: Option<String>,
    /// It stood, and its leases could not be given back.
    pub(crate) owes_leases: bool,
    /// It was asked to come up; before that its end is a failed start.
    pub(crate) is_up: bool,
}

/// What the ends of a guest's run become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) on_poweroff: Becomes,
    pub(crate) on_crash: Becomes,
}

/// What QEMU has to tell.
#[derive(Debug)]
pub enum News {
    Event(qmp::Event),
    HungUp,
    Lingers,
    Ended,
}

impl actor::Body for Body {
    type Guest = Guest;
    type News = News;

    fn of(guest: Arc<Guest>) -> Self {
        Self::of(guest)
    }

    fn is_at_rest(&self) -> bool {
        self.is_at_rest()
    }

    async fn news(&mut self) -> News {
        self.news().await
    }

    async fn hear(&mut self, news: News) {
        self.hear(news).await;
    }

    async fn settle(&mut self) {
        self.settle().await;
    }
}

impl Body {
    pub(super) fn of(guest: Arc<Guest>) -> Self {
        Self {
            guest,
            running: None,
            stale: false,
            epitaph: String::new(),
        }
    }

    /// The guest's entry.
    pub fn guest(&self) -> &Arc<Guest> {
        &self.guest
    }

    /// What it shares with all guests.
    pub fn driver(&self) -> &Arc<Driver> {
        self.guest.driver()
    }

    /// The guest's name.
    pub fn name(&self) -> Arc<str> {
        Arc::clone(&self.guest.snapshot().name)
    }

    /// Changes what readers see, at once. A change of a running guest's reaches its status file
    /// before the job is answered.
    pub fn change(&mut self, change: impl FnOnce(&mut Snapshot)) {
        let mut snapshot = Snapshot::clone(&self.guest.snapshot());
        change(&mut snapshot);
        self.guest.publish(snapshot);
        self.stale = self.running.is_some();
    }

    /// Changes the running guest that readers see.
    ///
    /// # Errors
    /// OPERATION_INVALID when it does not run.
    pub fn change_live(&mut self, change: impl FnOnce(&mut Live)) -> Result<()> {
        let mut live = Live::clone(&*self.live()?);
        change(&mut live);
        self.change(|snapshot| snapshot.live = Some(Arc::new(live)));
        Ok(())
    }

    /// Tells clients of an event of this guest.
    pub fn emit(&self, event: Event) {
        self.driver().events.emit(&*self.guest, event);
    }

    /// The running guest.
    ///
    /// # Errors
    /// OPERATION_INVALID "domain is not running".
    pub fn live(&self) -> Result<Arc<Live>> {
        let live = self.guest.snapshot().live.clone();
        live.ok_or_else(not_running)
    }

    /// A QEMU is there from now on.
    pub(crate) fn set_running(&mut self, running: Running) {
        self.running = Some(running);
    }

    /// The guest came up: from here on its end is news for clients.
    pub(crate) fn is_up(&mut self) {
        if let Some(running) = &mut self.running {
            running.is_up = true;
        }
    }

    /// What QEMU said last, of a start that failed.
    pub(crate) fn last_words(&mut self) -> String {
        std::mem::take(&mut self.epitaph)
    }

    /// Waits until QEMU is gone and cleaned up after.
    pub(crate) async fn await_end(&mut self) {
        while self.running.is_some() {
            let news = self.news().await;
            self.hear(news).await;
        }
    }

    /// What the status file says besides state and domain.
    ///
    /// # Errors
    /// OPERATION_INVALID when the guest does not run.
    pub(crate) fn kept(&self) -> Result<&Kept> {
        let running = self.running.as_ref().ok_or_else(not_running)?;
        Ok(&running.kept)
    }

    /// The same, to change; the status file follows.
    ///
    /// # Errors
    /// OPERATION_INVALID when the guest does not run.
    pub(crate) fn kept_mut(&mut self) -> Result<&mut Kept> {
        let running = self.running.as_mut().ok_or_else(not_running)?;
        self.stale = true;
        Ok(&mut running.kept)
    }

    /// What the actor keeps of the running guest.
    ///
    /// # Errors
    /// OPERATION_INVALID when it does not run.
    pub(crate) fn running_mut(&mut self) -> Result<&mut Running> {
        self.running()
    }

    /// The device that the guest refused to let go of.
    pub(crate) fn kept_device(&self) -> Option<&str> {
        self.running.as_ref()?.kept_device.as_deref()
    }

    pub(super) fn running(&mut self) -> Result<&mut Running> {
        self.running.as_mut().ok_or_else(not_running)
    }

    /// Whether there is nothing to wait for.
    pub(super) fn is_at_rest(&self) -> bool {
        self.running.is_none()
    }

    /// Waits for what QEMU has to tell; for ever when there is no QEMU.
    pub(super) async fn news(&mut self) -> News {
        let Some(running) = &mut self.running else {
            return std::future::pending().await;
        };
        if let Some(since) = running.hung_up {
            return tokio::select! {
                _ = running.qemu.process.ended() => News::Ended,
                () = tokio::time::sleep_until(since + LINGER) => News::Lingers,
            };
        }
        tokio::select! {
            // What it said before it ended comes first: a shutdown is no crash.
            biased;
            event = running.events.recv() => event.map_or(News::HungUp, News::Event),
            _ = running.qemu.process.ended() => News::Ended,
        }
    }

    /// Acts upon it. What a QEMU tells that somebody ends is told of the call that ends it.
    pub(super) async fn hear(&mut self, news: News) {
        let ended_by = self.running.as_ref().and_then(|r| r.qemu.ending.by());
        let span = ended_by.unwrap_or_else(Span::current);
        self.act_upon(news).instrument(span).await;
    }

    async fn act_upon(&mut self, news: News) {
        match news {
            News::Event(event) => self.take(event).await,
            News::HungUp => {
                if let Some(running) = &mut self.running {
                    running.hung_up = Some(tokio::time::Instant::now());
                }
            }
            News::Lingers => {
                tracing::warn!(guest = %self.name(), "QEMU closed its monitor and lives on; it is killed");
                self.emit(Event::ControlError);
                let name = self.name();
                if let Some(running) = &mut self.running {
                    running.qemu.ending.intend(Shutoff::Failed);
                    if let Err(error) = running.qemu.process.kill() {
                        tracing::error!(guest = %name, %error, "QEMU can't be killed");
                    }
                    // From here on only its end counts.
                    let forever = Duration::from_secs(1 << 32);
                    running.hung_up = Some(tokio::time::Instant::now() + forever);
                }
            }
            News::Ended => {
                // The monitor's task may not have read the last words yet; after the end of the
                // process nothing more is coming, so this ends.
                while let Some(event) = self.last_event().await {
                    self.take(event).await;
                }
                self.end().await;
            }
        }
    }

    async fn last_event(&mut self) -> Option<qmp::Event> {
        let running = self.running.as_mut()?;
        // A monitor held open by a child of QEMU's would never hang up.
        let event = tokio::time::timeout(Duration::from_secs(1), running.events.recv()).await;
        event.ok().flatten()
    }

    /// Acts upon what QEMU told already, without waiting for more. A command's effects are told
    /// before its answer, so after an answer this brings the state up to date.
    pub(super) async fn catch_up(&mut self) {
        while let Some(Ok(event)) = self.running.as_mut().map(|r| r.events.try_recv()) {
            self.take(event).await;
        }
    }

    /// Runs something that takes its time while listening to QEMU.
    pub(crate) async fn attend<T>(&mut self, work: impl Future<Output = T> + Send) -> T {
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => {
                    self.catch_up().await;
                    return done;
                }
                news = self.news() => Box::pin(self.hear(news)).await,
            }
        }
    }

    /// Listens to QEMU until `done` is true or that moment has come; whether it is true.
    pub(crate) async fn listen_until(
        &mut self,
        deadline: tokio::time::Instant,
        done: impl Fn(&Self) -> bool,
    ) -> bool {
        while !done(self) {
            tokio::select! {
                biased;
                news = self.news() => Box::pin(self.hear(news)).await,
                () = tokio::time::sleep_until(deadline) => return done(self),
            }
        }
        true
    }

    /// Brings the disk up to date with what was changed.
    pub(super) async fn settle(&mut self) {
        // The file of a guest that is being destroyed goes in a moment.
        if self.is_destroyed() {
            return;
        }
        if std::mem::take(&mut self.stale)
            && self.running.is_some()
            && let Err(error) = self.write_status().await
        {
            // The change itself is done; the next one tries again.
            tracing::error!(guest = %self.name(), %error, "the status file is out of date");
        }
    }

    async fn take(&mut self, event: qmp::Event) {
        self.pass_on(&event);
        let Some(before) = self.before() else { return };
        match transition::of(&before, &event.name, &event.data) {
            Some(after) => {
                if event.name == "RESUME"
                    && let Some(running) = &mut self.running
                {
                    running.expected = None;
                }
                self.follow(after).await;
            }
            None => self.device_event(&before, &event).await,
        }
        self.settle().await;
    }

    pub(super) fn before(&self) -> Option<Before> {
        let running = self.running.as_ref()?;
        Some(Before {
            state: self.guest.snapshot().state,
            expected: running.expected,
            reboot_wanted: running.kept.reboot_wanted,
            on_poweroff: running.policy.on_poweroff,
            on_crash: running.policy.on_crash,
        })
    }

    pub(super) async fn follow(&mut self, after: After) {
        let ran = self.guest.snapshot().state.holds_leases();
        if let Some(state) = after.state {
            self.change(|snapshot| snapshot.state = state);
            if ran && !state.holds_leases() {
                self.give_leases_back().await;
            }
        }
        for event in after.events {
            self.emit(event);
        }
        match after.then {
            Then::Nothing => {}
            // Whoever ends it already waits for it, too.
            Then::End(_) if self.is_ending() => {}
            Then::End(reason) => self.end_qemu(reason),
            Then::Restart => self.restart_machine().await,
        }
    }

    fn is_destroyed(&self) -> bool {
        let intended = self.running.as_ref().and_then(|r| r.qemu.ending.intended());
        intended == Some(Shutoff::Destroyed)
    }

    fn is_ending(&self) -> bool {
        let running = self.running.as_ref();
        running.is_some_and(|running| running.qemu.ending.intended().is_some())
    }

    /// Resets the machine of a guest that shut itself down, and lets it run.
    async fn restart_machine(&mut self) {
        let Some(running) = &mut self.running else {
            return;
        };
        running.kept.reboot_wanted = false;
        let reason = match self.guest.snapshot().state {
            State::Crashed(_) => RunReason::Crashed,
            _ => RunReason::Booted,
        };
        running.expected = Some(State::Running(reason));
        let monitor = running.qemu.monitor.clone();
        if !self.guest.snapshot().state.holds_leases()
            && let Err(error) = self.take_leases().await
        {
            tracing::error!(guest = %self.name(), %error, "the guest can't be restarted; it is ended");
            return self.end_qemu(Shutoff::Failed);
        }
        let (reset, cont) = (monitor.system_reset(), monitor.cont());
        let done = async { reset.await.and(cont.await) };
        // Not `attend`: that would call back here. What QEMU tells meanwhile waits in its queue.
        if let Err(error) = done.await {
            tracing::error!(guest = %self.name(), %error, "the guest can't be restarted; it is ended");
            self.end_qemu(Shutoff::Failed);
        }
    }

    /// Stops the processors for that reason and waits until they stand.
    pub(crate) async fn stop_cpus(&mut self, reason: Paused) -> Result<()> {
        self.command(State::Paused(reason), |monitor| monitor.stop())
            .await
    }

    /// Lets the processors run for that reason.
    pub(crate) async fn start_cpus(&mut self, reason: RunReason) -> Result<()> {
        self.take_leases().await?;
        let started = self
            .command(State::Running(reason), |monitor| monitor.cont())
            .await;
        if started.is_err() {
            self.give_leases_back().await;
        }
        started
    }

    async fn command(
        &mut self,
        expected: State,
        command: impl FnOnce(&qmp::Monitor) -> qmp::Pending,
    ) -> Result<()> {
        let running = self.running()?;
        running.expected = Some(expected);
        let pending = command(&running.qemu.monitor);
        let result = self.attend(pending).await;
        if let Some(running) = &mut self.running {
            running.expected = None;
        }
        result.map_err(|error| error.about(&self.name()))?;
        Ok(())
    }
}
