//! Limits of a link: the commands of tc(8) that set them.
//!
//! What goes to the guest is shaped as it leaves the host's end; what comes from it is policed as it
//! arrives there. Facts: tc-htb(8), tc-police(8); the commands of the stock daemon.

use virt_domain::devices::interface::{Bandwidth, Rate};
use virt_error::Result;

use crate::command;

/// The arguments of each command, in order, for the link of that name.
pub fn commands(link: &str, limits: &Bandwidth) -> Vec<Vec<String>> {
    let mut commands = Vec::new();
    let mut tc = |text: String| {
        commands.push(text.split(' ').map(str::to_owned).collect());
    };
    if let Some((average, rate)) = limited(limits.inbound.as_ref()) {
        tc(format!("qdisc add dev {link} root handle 1: htb default 1"));
        let mut class =
            format!("class add dev {link} parent 1: classid 1:1 htb rate {average}kbps");
        if let Some(peak) = rate.peak.filter(|peak| *peak > 0) {
            class += &format!(" ceil {peak}kbps");
        }
        if let Some(burst) = rate.burst.filter(|burst| *burst > 0) {
            class += &format!(" burst {burst}kb");
        }
        tc(format!("{class} quantum {}", quantum(average)));
        tc(format!(
            "qdisc add dev {link} parent 1:1 handle 2: sfq perturb 10"
        ));
        tc(format!(
            "filter add dev {link} parent 1:0 protocol all prio 1 handle 1 fw flowid 1"
        ));
    }
    if let Some((average, rate)) = limited(limits.outbound.as_ref()) {
        let burst = rate.burst.filter(|burst| *burst > 0).unwrap_or(average);
        tc(format!("qdisc add dev {link} ingress"));
        tc(format!(
            "filter add dev {link} parent ffff: protocol all u32 match u32 0 0 police rate \
             {average}kbps burst {burst}kb mtu 64kb drop flowid :1"
        ));
    }
    commands
}

/// Sets the limits of a link in the place of those that it has. Blocks.
///
/// # Errors
/// INTERNAL_ERROR with the words of tc(8).
pub fn set(link: &str, limits: Option<&Bandwidth>) -> Result<()> {
    for kind in ["root", "ingress"] {
        let words = ["qdisc", "del", "dev", link, kind];
        // There may be none.
        let _ = command::run("tc", &words.map(str::to_owned));
    }
    let commands = limits.map(|limits| commands(link, limits));
    let mut commands = commands.into_iter().flatten();
    commands.try_for_each(|arguments| command::run("tc", &arguments))
}

/// The average, where there is one; without it there is no limit.
fn limited(rate: Option<&Rate>) -> Option<(u64, &Rate)> {
    let rate = rate?;
    Some((rate.average.filter(|average| *average > 0)?, rate))
}

/// Packets of 1500 bytes that a class may send in one turn.
fn quantum(average: u64) -> u64 {
    (average.saturating_mul(1024) / 8 / 1500).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(inside: &str) -> Vec<String> {
        let text = format!("<bandwidth>{inside}</bandwidth>");
        let limits: Bandwidth = virt_xml::read_named("bandwidth", &text).unwrap().0;
        let commands = commands("vnet0", &limits);
        commands.iter().map(|words| words.join(" ")).collect()
    }

    #[test]
    fn both_directions_are_limited_as_the_stock_daemon_does() {
        let all = said(
            "<inbound average='1000' peak='5000' burst='64'/>
             <outbound average='300' peak='400' burst='16'/>",
        );
        assert_eq!(
            all,
            [
                "qdisc add dev vnet0 root handle 1: htb default 1",
                "class add dev vnet0 parent 1: classid 1:1 htb rate 1000kbps ceil 5000kbps burst \
                 64kb quantum 85",
                "qdisc add dev vnet0 parent 1:1 handle 2: sfq perturb 10",
                "filter add dev vnet0 parent 1:0 protocol all prio 1 handle 1 fw flowid 1",
                "qdisc add dev vnet0 ingress",
                "filter add dev vnet0 parent ffff: protocol all u32 match u32 0 0 police rate \
                 300kbps burst 16kb mtu 64kb drop flowid :1",
            ]
        );
        assert_eq!(said("<inbound floor='5'/>"), Vec::<String>::new());
        assert!(said("<outbound average='300'/>")[1].contains("burst 300kb"));
    }
}
