//! The daemon around the leases.

use std::convert::Infallible;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use virt_daemon::conf::{ConfError, Document};
use virt_daemon::metrics::{Figure, FigureKind};
use virt_daemon::privileges::{self, Kept};
use virt_daemon::{DaemonConf, Foundation, Inherited, Paths, Saved, Service};
use virt_rpc::server::Router;

use crate::files::Files;
use crate::leases::Leases;
use crate::notes::Notes;
use crate::session::Session;
use crate::{api, departure, sandbox, state};

/// How long a replacement of the program waits for calls that wait for file systems, while the others
/// are served.
const SETTLE: Duration = Duration::from_secs(3);
/// What has waited for less than that is likely to be answered in a moment.
const YOUNG: Duration = Duration::from_millis(300);
/// What has waited for that long is given up for a replacement: less is a busy machine.
const STUCK: Duration = Duration::from_secs(2);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// The daemon of disk leases.
#[derive(Debug)]
pub struct Virtlockd {
    leases: Arc<Leases>,
}

impl Service for Virtlockd {
    type Session = Session;
    type Conf = ();

    const NAME: &'static str = "virtlockd";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const CAPABILITIES: &'static [Kept] = crate::privileges::STARTING;

    fn configuration(mut file: Document, paths: &Paths) -> Result<(DaemonConf, ()), ConfError> {
        let conf = DaemonConf::read_service(&mut file, paths)?;
        file.finish()?;
        Ok((conf, ()))
    }

    async fn start(base: Foundation) -> Result<Self, String> {
        let leases = Leases::recover(notes(&base)?, Files::of_daemon());
        let this = Self::confined(leases)?;
        sandbox::enter()?;
        Ok(this)
    }

    async fn take_over(base: Foundation, left: &mut Inherited) -> Result<Self, String> {
        let inner = state::restore(&left.state, &mut left.descriptors)?;
        // The sandbox came along: it holds for every later program of this process.
        Self::confined(Leases::new(inner, notes(&base)?, Files::of_daemon()))
    }

    async fn settle(&self) {
        let files = self.leases.files();
        let until = Instant::now() + SETTLE;
        while Instant::now() < until && files.longest_wait().is_some_and(|wait| wait > YOUNG) {
            tokio::time::sleep(LOOK).await;
        }
        files.give_up(STUCK);
    }

    async fn hurry(&self) -> Infallible {
        loop {
            tokio::time::sleep(LOOK).await;
            self.leases.files().give_up(STUCK);
        }
    }

    fn may_be_replaced(&self) -> Result<(), String> {
        match self.leases.under_way().first() {
            None => Ok(()),
            // What another process does later to the file must not happen to the next holder's.
            Some(name) => Err(format!(
                "'{name}' is being given back and its file system does not answer"
            )),
        }
    }

    fn save(&self) -> Option<Saved> {
        Some(state::save(&self.leases.lock()))
    }

    fn save_session(session: &Session) -> Vec<u8> {
        session.save()
    }

    fn load_session(
        self: &Arc<Self>,
        saved: &[u8],
        socket: &Arc<UnixStream>,
    ) -> Result<Session, String> {
        let session = Session::load(saved, Arc::downgrade(socket))?;
        if session.is_restricted()
            && let Some(process) = session.own_process()
        {
            self.leases.guest_is_connected(process.pid, socket);
        }
        Ok(session)
    }

    fn check(saved: &[u8]) -> Result<(), String> {
        state::check(saved)
    }

    fn figures(&self) -> Vec<Figure> {
        let inner = self.leases.lock();
        vec![
            Figure::one(
                FigureKind::Gauge,
                "leases",
                "Leases that are held",
                inner.spaces.held().count() as u64,
            ),
            Figure::one(
                FigureKind::Gauge,
                "lease_guests",
                "Guests that may hold leases",
                inner.guests.iter().count() as u64,
            ),
        ]
    }

    fn router(self: &Arc<Self>) -> Router<Session> {
        api::router(&self.leases)
    }

    fn is_busy(&self) -> bool {
        !self.leases.lock().spaces.is_idle()
    }
}

impl Virtlockd {
    fn confined(leases: Leases) -> Result<Self, String> {
        let leases = Arc::new(leases);
        privileges::keep_only(crate::privileges::SERVING)?;
        let processes: Vec<_> = leases
            .lock()
            .guests
            .iter()
            .map(|guest| guest.process)
            .collect();
        for process in processes {
            departure::watch(Arc::clone(&leases), process);
        }
        Ok(Self { leases })
    }
}

fn notes(base: &Foundation) -> Result<Notes, String> {
    Notes::new(base.paths.run.join("virtlockd"))
}
