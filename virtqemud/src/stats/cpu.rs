//! `cpu.*`: processor time of the whole guest.

use virt_cgroup::CpuUsage;
use virt_rpc::protocol::remote::TypedParam;
use virt_tuning::{figures, usage};

use crate::guest::Live;

/// A guest that is off uses none. (The stock daemon gives its own processor time here, seen with
/// 11.3.)
pub fn push(live: Option<&Live>, params: &mut Vec<TypedParam>) {
    let used = match live {
        None => CpuUsage::default(),
        // A process that ended a moment ago tells nothing.
        Some(live) => match usage::guest(live.qemu.groups.as_deref(), live.qemu.process.pid()) {
            Ok(used) => used,
            Err(_) => return,
        },
    };
    figures::cpu(&used, params);
    if let Some(live) = live {
        params.push(TypedParam::uint("cpu.cache.monitor.count", 0_u32));
        let polled = usage::halt_polling(live.qemu.process.pid());
        params.push(TypedParam::ullong(
            "cpu.haltpoll.success.time",
            polled.success,
        ));
        params.push(TypedParam::ullong("cpu.haltpoll.fail.time", polled.fail));
    }
}
