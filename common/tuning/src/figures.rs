//! Figures of guests in bulk statistics that their groups count.

use virt_cgroup::{CpuUsage, Group, Pressure, Resource, Stall};
use virt_driver::Size;
use virt_rpc::protocol::remote::TypedParam;

/// `cpu.*`: processor time of the whole guest.
pub fn cpu(used: &CpuUsage, params: &mut Vec<TypedParam>) {
    params.push(TypedParam::ullong("cpu.time", used.total));
    params.push(TypedParam::ullong("cpu.user", used.user));
    params.push(TypedParam::ullong("cpu.system", used.system));
}

/// `balloon.current` and `balloon.maximum`.
pub fn memory(size: Size, params: &mut Vec<TypedParam>) {
    params.push(TypedParam::ullong("balloon.current", size.current_memory));
    params.push(TypedParam::ullong("balloon.maximum", size.memory));
}

/// `vcpu.current` and `vcpu.maximum`.
pub fn vcpus(size: Size, params: &mut Vec<TypedParam>) {
    params.push(TypedParam::uint("vcpu.current", size.vcpus));
    params.push(TypedParam::uint("vcpu.maximum", size.max_vcpus));
}

/// `NAME.pressure.*`: how much of the time some or all processes of the group wait for a resource;
/// nothing where the kernel does not tell it.
pub fn pressure(group: &Group, of: Resource, name: &str, params: &mut Vec<TypedParam>) {
    if let Some(told) = group.pressure(of) {
        push(told, name, params);
    }
}

fn push(told: Pressure, name: &str, params: &mut Vec<TypedParam>) {
    for (who, stall) in [("some", told.some), ("full", told.full)] {
        let Some(Stall {
            avg10,
            avg60,
            avg300,
            total,
        }) = stall
        else {
            continue;
        };
        let field = |what: &str| format!("{name}.pressure.{who}.{what}");
        params.push(TypedParam::double(field("avg10"), avg10));
        params.push(TypedParam::double(field("avg60"), avg60));
        params.push(TypedParam::double(field("avg300"), avg300));
        params.push(TypedParam::ullong(field("total"), total));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_told_is_left_out() {
        let told = Pressure {
            some: Some(Stall::default()),
            full: None,
        };
        let mut params = Vec::new();
        push(told, "cpu", &mut params);
        let names: Vec<&str> = params.iter().map(|param| param.field.as_str()).collect();
        assert_eq!(names[0], "cpu.pressure.some.avg10");
        assert_eq!(names[3], "cpu.pressure.some.total");
        assert_eq!(names.len(), 4);
    }
}
