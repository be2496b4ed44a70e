//! Figures for whoever watches the host: `GET /metrics` in OpenMetrics' text form, on a UNIX socket of each
//! daemon's own (`DAEMON-metrics-sock`) and, where `metrics_port` says so, on a port of the loopback
//! interface.

mod http;
mod report;

use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinHandle;
use virt_rpc::server::Listener;

pub use report::{Figure, FigureKind};
pub(crate) use report::{Report, Served};

/// What makes the answer.
pub(crate) type Answer = Arc<dyn Fn() -> Result<String, std::fmt::Error> + Send + Sync>;

/// Serves figures.
pub(crate) struct Metrics {
    answer: Answer,
    sockets: Mutex<Vec<(JoinHandle<()>, Listener)>>,
}

impl Metrics {
    pub(crate) fn new(answer: Answer) -> Self {
        Self {
            answer,
            sockets: Mutex::default(),
        }
    }

    /// Answers on a UNIX socket.
    pub(crate) fn listen(&self, listener: Listener) -> std::io::Result<()> {
        let socket = listener.socket()?;
        let task = tokio::spawn(http::serve_unix(socket, Arc::clone(&self.answer)));
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        sockets.push((task, listener));
        Ok(())
    }

    /// Answers on a port.
    pub(crate) fn listen_on_port(&self, socket: TcpListener) -> std::io::Result<()> {
        socket.set_nonblocking(true)?;
        let socket = tokio::net::TcpListener::from_std(socket)?;
        tokio::spawn(http::serve_tcp(socket, Arc::clone(&self.answer)));
        Ok(())
    }

    /// Stops answering; the UNIX sockets, to go on with.
    pub(crate) async fn pause(&self) -> Vec<Listener> {
        let sockets = {
            let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *sockets)
        };
        let mut listeners = Vec::new();
        for (task, listener) in sockets {
            task.abort();
            // Only now is nobody accepted any more.
            let _ = task.await;
            listeners.push(listener);
        }
        listeners
    }
}

/// The port that is configured, on the loopback interface alone.
///
/// # Errors
/// It can't be had: a sentence.
pub(crate) fn bind(port: u16) -> Result<TcpListener, String> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .map_err(|e| format!("'metrics_port': port {port} of 127.0.0.1 can't be listened on: {e}"))
}
