//! When to ask whether the other end is still there (WIRE.md section 7). Takes times, returns
//! times.

use std::time::Duration;

use tokio::time::Instant;

/// The pinging side of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keepalive {
    interval: Duration,
    count: u32,
    due: Instant,
    unanswered: u32,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing before then.
    Later(Instant),
    /// Send a ping.
    Ping,
    /// Give the connection up.
    Dead,
}

impl Keepalive {
    /// Starts counting silence at `now`.
    pub(crate) fn new(interval: Duration, count: u32, now: Instant) -> Self {
        Self {
            interval,
            count,
            due: now + interval,
            unanswered: 0,
        }
    }

    /// Something arrived, whatever it was.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.due = now + self.interval;
        self.unanswered = 0;
    }

    /// When to look again.
    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// What to do at `now`. While we do not listen ourselves, silence is not held against the
    /// other end, but it is pinged nevertheless: that keeps it from giving us up.
    pub(crate) fn check(&mut self, now: Instant, listening: bool) -> Due {
        if now < self.due {
            return Due::Later(self.due);
        }
        self.due = now + self.interval;
        if !listening {
            return Due::Ping;
        }
        if self.unanswered >= self.count {
            return Due::Dead;
        }
        self.unanswered += 1;
        Due::Ping
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_silent_peer_is_pinged_and_then_given_up() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(5 * SECOND, 2, start);
        assert_eq!(
            keepalive.check(start + 4 * SECOND, true),
            Due::Later(start + 5 * SECOND)
        );
        assert_eq!(keepalive.check(start + 5 * SECOND, true), Due::Ping);
        assert_eq!(keepalive.check(start + 10 * SECOND, true), Due::Ping);
        assert_eq!(keepalive.check(start + 15 * SECOND, true), Due::Dead);
    }

    #[test]
    fn anything_heard_starts_over() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(5 * SECOND, 1, start);
        assert_eq!(keepalive.check(start + 5 * SECOND, true), Due::Ping);
        keepalive.heard(start + 6 * SECOND);
        assert_eq!(
            keepalive.check(start + 10 * SECOND, true),
            Due::Later(start + 11 * SECOND)
        );
        assert_eq!(keepalive.check(start + 11 * SECOND, true), Due::Ping);
    }

    #[test]
    fn a_count_of_zero_gives_up_without_a_ping() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(SECOND, 0, start);
        assert_eq!(keepalive.check(start + SECOND, true), Due::Dead);
    }

    #[test]
    fn silence_while_we_do_not_listen_is_not_counted() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(SECOND, 1, start);
        for seconds in 1..10 {
            assert_eq!(keepalive.check(start + seconds * SECOND, false), Due::Ping);
        }
        assert_eq!(keepalive.check(start + 10 * SECOND, true), Due::Ping);
    }
}
