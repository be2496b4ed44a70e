//! The daemon around the leases.

use std::os::unix::net::UnixStream;
use std::sync::Arc;

use virt_daemon::conf::{ConfError, Document};
use virt_daemon::privileges::{self, Kept};
use virt_daemon::{DaemonConf, Foundation, Inherited, Paths, Saved, Service};
use virt_rpc::server::Router;

use crate::leases::Leases;
use crate::notes::Notes;
use crate::session::Session;
use crate::{api, departure, sandbox, state};

/// The daemon of disk leases.
#[derive(Debug)]
pub struct Virtlockd {
    leases: Arc<Leases>,
}

impl Service for Virtlockd {
    type Session = Session;

    const NAME: &'static str = "virtlockd";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const CAPABILITIES: &'static [Kept] = crate::privileges::STARTING;

    fn configuration(mut file: Document, paths: &Paths) -> Result<DaemonConf, ConfError> {
        let conf = DaemonConf::read_service(&mut file, paths)?;
        file.finish()?;
        Ok(conf)
    }

    async fn start(base: Foundation) -> Result<Self, String> {
        let leases = Leases::recover(notes(&base)?);
        let this = Self::confined(leases)?;
        sandbox::enter()?;
        Ok(this)
    }

    async fn take_over(base: Foundation, left: &mut Inherited) -> Result<Self, String> {
        let inner = state::restore(&left.state, &mut left.descriptors)?;
        // The sandbox came along: it holds for every later program of this process.
        Self::confined(Leases::new(inner, notes(&base)?))
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
