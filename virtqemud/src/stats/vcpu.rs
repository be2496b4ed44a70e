//! `vcpu.*`: each virtual processor.

use virt_rpc::protocol::remote::TypedParam;
use virt_tuning::{figures, usage};

use crate::guest::{Live, Size};

/// The processor is running (`virVcpuState`).
const RUNNING: i32 = 1;

/// How many there are and what each did.
pub fn push(size: Size, live: &Live, params: &mut Vec<TypedParam>) {
    figures::vcpus(size, params);
    let pid = live.qemu.process.pid();
    for vcpu in live.vcpus.iter() {
        let name = |what: &str| format!("vcpu.{}.{what}", vcpu.index);
        params.push(TypedParam::int(name("state"), RUNNING));
        if let Ok(thread) = usage::thread(pid, vcpu.thread) {
            params.push(TypedParam::ullong(name("time"), thread.time.total()));
        }
        if let Ok(waits) = usage::waits(pid, vcpu.thread) {
            params.push(TypedParam::ullong(name("wait"), waits.wait));
            params.push(TypedParam::ullong(name("delay"), waits.delay));
        }
    }
}
