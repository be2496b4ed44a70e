//! Checks of watchdogs against what QEMU and this driver can do.

use super::Context;
use super::refusal::unsupported;
use crate::board::Board;
use virt_domain::Domain;
use virt_domain::devices::watchdog::WatchdogModel;
use virt_error::Result;

pub(super) fn check(domain: &Domain, _context: &Context) -> Result<()> {
    let watchdogs = &domain.devices.watchdogs;
    let board = Board::of(domain);
    for (at, watchdog) in watchdogs.iter().enumerate() {
        let model = watchdog.model;
        // PCI cards alone can be had more than once.
        let again = watchdogs[..at].iter().any(|other| other.model == model);
        if again && model != WatchdogModel::I6300esb {
            return Err(unsupported(format!(
                "domain can only have one watchdog with model '{model}'"
            )));
        }
        let there = match model {
            WatchdogModel::Itco => board == Board::Q35,
            WatchdogModel::Diag288 => board == Board::S390Ccw,
            WatchdogModel::Ib700 => board.has_isa() && board != Board::Q35,
            WatchdogModel::I6300esb => true,
        };
        if !there {
            return Err(unsupported(format!(
                "{model} model of watchdog is not part of this machine type"
            )));
        }
    }
    match watchdogs.split_first() {
        Some((first, rest)) if rest.iter().any(|w| w.action != first.action) => Err(unsupported(
            "watchdogs with different actions are not supported with this QEMU binary",
        )),
        _ => Ok(()),
    }
}
