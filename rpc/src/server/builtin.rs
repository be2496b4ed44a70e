//! The calls that the server answers itself: opening, authentication and its own features
//! (WIRE.md section 5).

use tokio::time::Instant;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use super::asked::Asked;
use super::connection::Connection;
use super::dispatch::rpc;
use super::door::Wants;
use super::identity::Identity;
use super::router::Opening;
use crate::framing::Frame;
use crate::link::Keepalive;
use crate::protocol::remote::{
    AuthList, AuthListRet, AuthPolkit, AuthSaslInit, AuthSaslStart, AuthSaslStep, AuthType,
    ConnectClose, ConnectOpen, ConnectRegisterCloseCallback, ConnectSetIdentity,
    ConnectSupportsFeature, ConnectSupportsFeatureRet, ConnectUnregisterCloseCallback,
};
use crate::protocol::{Procedure, Program, Row, admin};
use crate::xdr::{self, Encode};

/// Bit of CONNECT_OPEN's flags.
const OPEN_READONLY: u32 = 1;

/// Features that are the server's own.
mod feature {
    pub const FD_PASSING: i32 = 8;
    pub const KEEPALIVE: i32 = 10;
    pub const EVENT_CALLBACKS: i32 = 14;
    pub const CLOSE_CALLBACK: i32 = 15;
}

impl<S: Send + Sync + 'static> Connection<S> {
    /// Answers a call that is the server's own; false if it is not.
    pub(super) fn builtin(
        &mut self,
        row: &'static Row,
        frame: &Frame<'_>,
        asked: Asked,
    ) -> Result<bool> {
        match row.program {
            Program::Remote => self.remote(row.number, frame, asked),
            Program::Admin => self.admin(row.number, frame, asked),
            _ => Ok(false),
        }
    }

    fn remote(&mut self, number: i32, frame: &Frame<'_>, asked: Asked) -> Result<bool> {
        if number == ConnectOpen::ROW.number {
            let args = decode::<ConnectOpen>(frame)?;
            self.open_or_ask(asked, args.name, args.flags)?;
        } else if number == ConnectClose::ROW.number {
            self.close(asked);
        } else if number == ConnectSupportsFeature::ROW.number {
            return self.feature(frame, asked);
        } else if number == AuthList::ROW.number {
            let way = match self.client.is_authenticated() {
                true => AuthType::NONE,
                false => AuthType::POLKIT,
            };
            self.answer(asked, &AuthListRet { types: vec![way] });
        } else if number == AuthPolkit::ROW.number {
            self.polkit(asked)?;
        } else if [
            AuthSaslInit::ROW.number,
            AuthSaslStart::ROW.number,
            AuthSaslStep::ROW.number,
        ]
        .contains(&number)
        {
            return Err(Error::new(
                ErrorCode::AuthFailed,
                ErrorDomain::Rpc,
                "this daemon does not offer SASL",
            ));
        } else if number == ConnectRegisterCloseCallback::ROW.number {
            self.close_callback(asked, true)?;
        } else if number == ConnectUnregisterCloseCallback::ROW.number {
            self.close_callback(asked, false)?;
        } else if number == ConnectSetIdentity::ROW.number {
            self.act_for(frame)?;
            self.answer(asked, &());
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn admin(&mut self, number: i32, frame: &Frame<'_>, asked: Asked) -> Result<bool> {
        if number == admin::ConnectOpen::ROW.number {
            decode::<admin::ConnectOpen>(frame)?;
            self.open(None, 0)?;
            self.answer(asked, &());
        } else if number == admin::ConnectClose::ROW.number {
            self.close(asked);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn open_or_ask(&mut self, asked: Asked, uri: Option<String>, flags: u32) -> Result<()> {
        let opening = Opening {
            uri: uri.as_deref().filter(|uri| !uri.is_empty()),
            readonly: flags & OPEN_READONLY != 0 || self.client.is_readonly(),
        };
        let doorkeeper = self.server.router.doorkeeper();
        match doorkeeper.and_then(|doorkeeper| doorkeeper.admit(&self.client, &opening)) {
            Some(asking) => self.wait(asked, asking, Wants::Open { uri, flags }),
            None => {
                self.open(uri.as_deref(), flags)?;
                self.answer(asked, &());
            }
        }
        Ok(())
    }

    pub(super) fn open(&mut self, uri: Option<&str>, flags: u32) -> Result<()> {
        if self.session.is_some() {
            return Err(Error::new(
                ErrorCode::InternalError,
                ErrorDomain::Rpc,
                "connection already open",
            ));
        }
        self.open_session(uri, flags & OPEN_READONLY != 0)
    }

    fn close(&mut self, asked: Asked) {
        self.answer(asked, &());
        self.client.close();
    }

    /// Features that are the server's; the driver answers for the others.
    fn feature(&mut self, frame: &Frame<'_>, asked: Asked) -> Result<bool> {
        let feature = decode::<ConnectSupportsFeature>(frame)?.feature;
        let ours = match feature {
            feature::KEEPALIVE => {
                self.start_pinging();
                true
            }
            feature::FD_PASSING | feature::EVENT_CALLBACKS | feature::CLOSE_CALLBACK => {
                self.session.is_some()
            }
            _ => false,
        };
        if ours {
            self.answer(asked, &ConnectSupportsFeatureRet { supported: 1 });
        }
        Ok(ours)
    }

    /// The client understands pings: from now on it is sent some.
    fn start_pinging(&mut self) {
        let settings = self.server.settings.keepalive;
        if let (None, Some(interval)) = (&self.keepalive, settings.interval) {
            self.keepalive = Some(Keepalive::new(interval, settings.count, Instant::now()));
            self.set_timer();
        }
    }

    fn polkit(&mut self, asked: Asked) -> Result<()> {
        if self.client.is_authenticated() {
            return Err(rpc("this connection needs no authentication"));
        }
        if let Some(doorkeeper) = self.server.router.doorkeeper() {
            let asking = doorkeeper.authenticate(&self.client);
            self.wait(asked, asking, Wants::In);
            return Ok(());
        }
        let uid = self.client.identity().uid;
        tracing::info!(
            "client {} of user {uid} is refused: only root and the daemon's own user may connect",
            self.client.id()
        );
        Err(Error::new(
            ErrorCode::AuthFailed,
            ErrorDomain::Polkit,
            format!("user {uid} may not use this daemon: only root and its own user are let in"),
        ))
    }

    fn close_callback(&mut self, asked: Asked, register: bool) -> Result<()> {
        if self.session.is_none() {
            return Err(not_open());
        }
        if self.close_callback == register {
            return Err(Error::new(
                ErrorCode::InternalError,
                ErrorDomain::Rpc,
                match register {
                    true => "a close callback is registered already",
                    false => "no close callback is registered",
                },
            ));
        }
        self.close_callback = register;
        self.answer(asked, &());
        Ok(())
    }

    /// Another daemon says for whom it makes its calls.
    fn act_for(&mut self, frame: &Frame<'_>) -> Result<()> {
        let args = decode::<ConnectSetIdentity>(frame)?;
        if self.session.is_none() {
            return Err(not_open());
        }
        if args.flags != 0 {
            return Err(Error::new(
                ErrorCode::InvalidArg,
                ErrorDomain::Rpc,
                format!("unsupported flags ({:#x})", args.flags),
            ));
        }
        if !self.server.trusts(self.client.identity().uid) {
            return Err(Error::new(
                ErrorCode::AccessDenied,
                ErrorDomain::Access,
                "only root and the daemon's own user may act for others",
            ));
        }
        self.client.set_identity(Identity::told(&args.params)?);
        Ok(())
    }

    pub(super) fn answer<T: Encode>(&self, call: Asked, value: &T) {
        self.client.reply(call, value, Vec::new());
    }
}

/// The error of a call before CONNECT_OPEN.
pub(super) fn not_open() -> Error {
    Error::new(
        ErrorCode::InternalError,
        ErrorDomain::Rpc,
        "connection not open",
    )
}

fn decode<P: Procedure>(frame: &Frame<'_>) -> Result<P::Args> {
    xdr::from_bytes(frame.payload).map_err(|error| super::call::undecodable(P::ROW, error))
}
