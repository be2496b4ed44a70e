//! `dirtyrate.*`: how fast the guest writes its memory, as it was measured last.

use serde::Deserialize;
use virt_rpc::protocol::remote::TypedParam;

use crate::qmp::Monitor;

/// Reply of `query-dirty-rate`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DirtyRate {
    /// `unstarted`, `measuring` or `measured`.
    pub status: String,
    /// When the measuring began, in seconds since QEMU's clock did.
    #[serde(default)]
    pub start_time: i64,
    /// How long it takes or took, in seconds.
    #[serde(default)]
    pub calc_time: i64,
    /// How it is measured.
    #[serde(default)]
    pub mode: String,
    /// MiB a second, once measured.
    #[serde(default)]
    pub dirty_rate: Option<i64>,
    /// The same of each virtual processor, when measured so.
    #[serde(default)]
    pub vcpu_dirty_rate: Vec<VcpuRate>,
}

/// One virtual processor's rate.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct VcpuRate {
    /// Its number.
    pub id: i64,
    /// MiB a second.
    pub dirty_rate: u64,
}

/// Asks QEMU; an older one has no such command.
pub async fn ask(monitor: Option<&Monitor>) -> Option<DirtyRate> {
    monitor?.query("query-dirty-rate", None).await.ok()
}

/// What it told.
pub fn push(rate: &DirtyRate, params: &mut Vec<TypedParam>) {
    let status = match rate.status.as_str() {
        "measuring" => 1,
        "measured" => 2,
        _ => 0,
    };
    let period = i32::try_from(rate.calc_time).unwrap_or(i32::MAX);
    params.push(TypedParam::int("dirtyrate.calc_status", status));
    params.push(TypedParam::llong(
        "dirtyrate.calc_start_time",
        rate.start_time,
    ));
    params.push(TypedParam::int("dirtyrate.calc_period", period));
    params.push(TypedParam::string(
        "dirtyrate.calc_mode",
        rate.mode.as_str(),
    ));
    if let Some(speed) = rate.dirty_rate.filter(|_| status == 2) {
        params.push(TypedParam::llong("dirtyrate.megabytes_per_second", speed));
    }
    for vcpu in &rate.vcpu_dirty_rate {
        let name = format!("dirtyrate.vcpu.{}.megabytes_per_second", vcpu.id);
        params.push(TypedParam::ullong(name, vcpu.dirty_rate));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_that_was_never_measured_has_none() {
        let rate: DirtyRate = serde_json::from_value(serde_json::json!({
            "status": "unstarted", "sample-pages": 512, "mode": "page-sampling",
            "start-time": 0, "calc-time-unit": "second", "calc-time": 0
        }))
        .unwrap();
        let mut params = Vec::new();
        push(&rate, &mut params);
        let names: Vec<&str> = params.iter().map(|p| p.field.as_str()).collect();
        assert_eq!(
            names,
            [
                "dirtyrate.calc_status",
                "dirtyrate.calc_start_time",
                "dirtyrate.calc_period",
                "dirtyrate.calc_mode"
            ]
        );
    }
}
