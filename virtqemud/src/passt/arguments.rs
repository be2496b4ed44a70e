//! passt's command line.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use virt_domain::devices::interface::{
    ForwardProtocol, ForwardRange, Interface, InterfaceSource, InterfaceType, PortForward,
};
use virt_xml::YesNo;

/// The files of one passt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// Its socket.
    pub socket: PathBuf,
    /// Its number.
    pub pid: PathBuf,
    /// The socket that newer ones make besides their own.
    pub repair: PathBuf,
    /// What it says.
    pub output: PathBuf,
}

impl Files {
    /// The files of an interface's passt.
    pub fn of(state_dir: &Path, short_name: &str, alias: &str) -> Self {
        let file = |end: &str| {
            state_dir
                .join("passt")
                .join(format!("{short_name}-{alias}{end}"))
        };
        Self {
            socket: file(".socket"),
            pid: file("-passt.pid"),
            repair: file(".socket.repair"),
            output: file("-passt.out"),
        }
    }
}

/// The arguments for an interface. `runas` is the user and group it runs as; without one it chooses.
pub fn arguments(interface: &Interface, files: &Files, runas: Option<(u32, u32)>) -> Vec<String> {
    let mut args = vec!["--one-off".to_owned()];
    let mut option = |name: &str, value: String| args.extend([name.to_owned(), value]);
    option("--socket", files.socket.display().to_string());
    option("--pid", files.pid.display().to_string());
    if let Some((user, group)) = runas {
        option("--runas", format!("{user}:{group}"));
    }
    if interface.kind() == InterfaceType::Vhostuser {
        args.push("--vhost-user".to_owned());
    }
    let mut option = |name: &str, value: String| args.extend([name.to_owned(), value]);
    if let Some(mtu) = interface.mtu {
        option("--mtu", mtu.to_string());
    }
    let dev = match &interface.source {
        InterfaceSource::User { dev } => dev.clone(),
        InterfaceSource::Vhostuser(source) => source.dev.clone(),
        _ => None,
    };
    if let Some(dev) = dev {
        option("--interface", dev);
    }
    if let Some(log) = interface.backend.as_ref().and_then(|b| b.log_file.clone()) {
        option("--log-file", log);
    }
    for ip in &interface.ips {
        option("--address", ip.address.to_string());
        if let Some(prefix) = ip.prefix.filter(|_| ip.address.is_ipv4()) {
            option("--netmask", prefix.to_string());
        }
    }
    for forward in &interface.port_forwards {
        let name = match forward.proto {
            ForwardProtocol::Tcp => "--tcp-ports",
            ForwardProtocol::Udp => "--udp-ports",
        };
        option(name, ports(forward));
    }
    args
}

/// `ADDRESS%DEV/RANGE,RANGE,~EXCLUDED`, all ports where there are no ranges.
fn ports(forward: &PortForward) -> String {
    let mut spec = String::new();
    if let Some(address) = forward.address {
        // Writing to a String can't fail, here and below.
        let _ = write!(spec, "{address}");
    }
    if let Some(dev) = &forward.dev {
        let _ = write!(spec, "%{dev}");
    }
    if forward.ranges.is_empty() {
        spec.push_str(if spec.is_empty() { "all" } else { "/1-65535" });
        return spec;
    }
    if !spec.is_empty() {
        spec.push('/');
    }
    let ranges: Vec<String> = forward.ranges.iter().map(range).collect();
    spec.push_str(&ranges.join(","));
    spec
}

fn range(range: &ForwardRange) -> String {
    let span = |first: u16, last: u16| {
        if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        }
    };
    let last = range.end.unwrap_or(range.start);
    let host = span(range.start, last);
    if range.exclude == Some(YesNo::Yes) {
        return format!("~{host}");
    }
    match range.to {
        None => host,
        Some(to) => format!("{host}:{}", span(to, to.saturating_add(last - range.start))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use virt_xml::read_named;

    #[test]
    fn forwarded_ports_are_said_as_passt_reads_them() {
        let text = "<interface type='user'><mac address='52:54:00:00:00:01'/><source dev='eth42'/>\
            <ip address='172.17.2.0' prefix='24'/><ip address='2001:db8::feed'/>\
            <portForward proto='tcp' address='2001:db8::10'><range start='22' to='2022'/>\
            <range start='1000' end='1050'/><range start='1020' exclude='yes'/>\
            <range start='1030' end='1040' exclude='yes'/></portForward>\
            <portForward proto='udp' address='1.2.3.4' dev='eth0'>\
            <range start='5000' end='5020' to='6000'/></portForward>\
            <portForward proto='tcp'/><backend type='passt' logFile='/l'/></interface>";
        let (interface, _) = read_named::<Interface>("interface", text).unwrap();
        let files = Files::of(Path::new("/run/libvirt/qemu"), "1-a", "net0");
        assert_eq!(
            arguments(&interface, &files, Some((64, 65))).join(" "),
            "--one-off --socket /run/libvirt/qemu/passt/1-a-net0.socket \
             --pid /run/libvirt/qemu/passt/1-a-net0-passt.pid --runas 64:65 --interface eth42 \
             --log-file /l --address 172.17.2.0 --netmask 24 --address 2001:db8::feed \
             --tcp-ports 2001:db8::10/22:2022,1000-1050,~1020,~1030-1040 \
             --udp-ports 1.2.3.4%eth0/5000-5020:6000-6020 --tcp-ports all"
        );
    }
}
