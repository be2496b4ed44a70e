//! The daemon around the decisions.

use std::sync::Arc;

use virt_daemon::conf::{ConfError, Document};
use virt_daemon::metrics::{Figure, FigureKind};
use virt_daemon::privileges::Kept;
use virt_daemon::{DaemonConf, Foundation, Paths, Service};
use virt_rpc::server::Router;

use crate::api::{self, Session};
use crate::conf::Conf;
use crate::decisions::Decisions;
use crate::{own_user, sandbox, watching};

/// The daemon of decisions.
#[derive(Debug)]
pub struct Virtacld {
    decisions: Arc<Decisions>,
}

impl Service for Virtacld {
    type Session = Session;
    type Conf = Conf;

    const NAME: &'static str = "virtacld";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const CAPABILITIES: &'static [Kept] = own_user::TO_BECOME_IT;
    const HAS_OWN_USER: bool = true;

    fn configuration(file: Document, paths: &Paths) -> Result<(DaemonConf, Conf), ConfError> {
        let (conf, daemon) = Conf::read(file, paths)?;
        Ok((daemon, conf))
    }

    async fn start(base: Foundation<Conf>) -> Result<Self, String> {
        let conf = base.own;
        own_user::become_it(&conf.user)?;
        sandbox::enter(&conf.cedar_policies, &base.paths.run)?;
        let decisions = Arc::new(Decisions::new(conf, Arc::clone(base.logging.outgoing())));
        Ok(Self { decisions })
    }

    fn router(self: &Arc<Self>) -> Router<Session> {
        api::router(&self.decisions)
    }

    fn serving(self: &Arc<Self>) {
        watching::begin(&self.decisions);
    }

    async fn reload(self: &Arc<Self>) {
        // What becomes of it is in the log.
        let _ = self.decisions.reload().await;
    }

    fn figures(&self) -> Vec<Figure> {
        let (allowed, refused) = self.decisions.count();
        let result = |word: &str| vec![("result", word.to_owned())];
        vec![
            Figure {
                name: "decisions",
                help: "Objects that were decided about",
                kind: FigureKind::Counter,
                samples: vec![(result("allowed"), allowed), (result("refused"), refused)],
            },
            Figure::one(
                FigureKind::Gauge,
                "policy_generation",
                "Number of the policy in force",
                self.decisions.policy().now().generation,
            ),
        ]
    }

    fn is_busy(&self) -> bool {
        // Drivers stay connected as long as they may have to ask.
        false
    }
}
