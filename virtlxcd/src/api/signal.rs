//! Signals to a container's first process: `virsh send-process-signal`.

use rustix::process::Signal;
use virt_driver::api::Session as _;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::DomainSendProcessSignal;
use virt_rpc::server::Router;

use super::session::Session;

/// How many there are for the API, `VIR_DOMAIN_PROCESS_SIGNAL_LAST` (`libvirt-domain.h`). Their numbers
/// are the kernel's.
const COUNT: u32 = 65;

pub(super) fn register(router: &mut Router<Session>) {
    router.task::<DomainSendProcessSignal, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        Session::only(call.args.flags, 0, "DomainSendProcessSignal")?;
        let signal = wanted(call.args.signum)?;
        let live = std::sync::Arc::clone(guest.snapshot().running()?);
        if call.args.pid_value != 1 {
            return Err(Error::new(
                ErrorCode::ArgumentUnsupported,
                ErrorDomain::Lxc,
                "Only the init process may be killed",
            ));
        }
        let init = live.container.init()?;
        match signal {
            None => Ok(()),
            Some(signal) => init.signal(signal).map_err(|e| {
                let what = format!("Unable to send signal to process {}", init.pid());
                Error::system(ErrorDomain::Lxc, what, &e)
            }),
        }
    });
}

/// The signal; none for the number that only asks whether one could be sent.
fn wanted(number: u32) -> Result<Option<Signal>> {
    if number >= COUNT {
        return Err(Error::from_wire(
            ErrorCode::InvalidArg.number(),
            ErrorDomain::Lxc.number(),
            format!("signum value {number} is out of range"),
            None,
            None,
            None,
        ));
    }
    if number == 0 {
        return Ok(None);
    }
    let named = i32::try_from(number).ok().and_then(Signal::from_named_raw);
    named.map(Some).ok_or_else(|| {
        Error::new(
            ErrorCode::ArgumentUnsupported,
            ErrorDomain::Lxc,
            format!("signal {number} is a real-time signal, which containers are not sent"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_kernels() {
        assert_eq!(wanted(15).unwrap(), Some(Signal::TERM));
        assert_eq!(wanted(0).unwrap(), None);
        for refused in [40, 65, u32::MAX] {
            assert!(wanted(refused).is_err());
        }
    }
}
