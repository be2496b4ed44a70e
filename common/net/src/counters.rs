//! What went through the host's interfaces, from `/proc/net/dev`.

use std::io;

/// Counters of one interface, seen from the host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets received.
    pub rx_packets: u64,
    /// Errors while receiving.
    pub rx_errors: u64,
    /// Packets dropped while receiving.
    pub rx_drops: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Errors while sending.
    pub tx_errors: u64,
    /// Packets dropped while sending.
    pub tx_drops: u64,
}

impl Counters {
    /// The same seen from the guest: what the host sent to a tap, the guest received.
    #[must_use]
    pub fn of_the_guest(self) -> Self {
        Self {
            rx_bytes: self.tx_bytes,
            rx_packets: self.tx_packets,
            rx_errors: self.tx_errors,
            rx_drops: self.tx_drops,
            tx_bytes: self.rx_bytes,
            tx_packets: self.rx_packets,
            tx_errors: self.rx_errors,
            tx_drops: self.rx_drops,
        }
    }
}

/// The counters of every interface at one moment.
#[derive(Debug, Clone, Default)]
pub struct Table(String);

impl Table {
    /// Reads them.
    ///
    /// # Errors
    /// When `/proc` is not there.
    pub fn read() -> io::Result<Self> {
        std::fs::read_to_string("/proc/net/dev").map(Self)
    }

    /// Those of the network of the process with this number.
    ///
    /// # Errors
    /// When it has ended.
    pub fn of_process(pid: i32) -> io::Result<Self> {
        std::fs::read_to_string(format!("/proc/{pid}/net/dev")).map(Self)
    }

    /// The counters of one interface.
    pub fn of(&self, interface: &str) -> Option<Counters> {
        let numbers = self.0.lines().find_map(|line| {
            let (name, numbers) = line.rsplit_once(':')?;
            (name.trim() == interface).then_some(numbers)
        })?;
        let mut numbers = numbers.split_ascii_whitespace().map(str::parse);
        let mut next = || numbers.next()?.ok();
        let (rx_bytes, rx_packets, rx_errors, rx_drops) = (next()?, next()?, next()?, next()?);
        // fifo, frame, compressed, multicast
        let _rest: [u64; 4] = [next()?, next()?, next()?, next()?];
        Some(Counters {
            rx_bytes,
            rx_packets,
            rx_errors,
            rx_drops,
            tx_bytes: next()?,
            tx_packets: next()?,
            tx_errors: next()?,
            tx_drops: next()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_table_is_read_by_column() {
        let table = Table(
            "Inter-|   Receive  |  Transmit\n face |bytes packets\n    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n vnet0:90 1 0 0 0 0 0 0 300 5 0 0 0 0 0 0\n".into(),
        );
        let lo = table.of("lo").unwrap();
        assert_eq!((lo.rx_bytes, lo.rx_drops), (1, 4));
        assert_eq!((lo.tx_bytes, lo.tx_drops), (9, 12));
        assert_eq!(table.of("vnet0").unwrap().of_the_guest().rx_bytes, 300);
        assert_eq!(table.of("net0"), None);
    }

    #[test]
    fn the_real_table_has_a_loopback() {
        assert!(Table::read().unwrap().of("lo").is_some());
    }
}
