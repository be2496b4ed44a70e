//! Running a client program to its end, within a deadline.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Longest time any one client program may take; reaching it fails the test.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// What a finished program left.
#[derive(Debug, Clone)]
pub struct Ran {
    /// Exit code; 128 and the signal's number when a signal ended it.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// Standard output of a program that succeeded.
    ///
    /// # Panics
    /// When the program failed, with what it said.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self.out
    }

    /// Standard error of a program that failed.
    ///
    /// # Panics
    /// When it succeeded.
    #[track_caller]
    pub fn failed(self) -> String {
        assert_ne!(self.code, 0, "succeeded: {}{}", self.out, self.err);
        self.err
    }
}

/// Runs a command with empty input.
///
/// # Panics
/// When it cannot be started or does not end within [`DEADLINE`].
pub fn run(command: &mut Command) -> Ran {
    let shown = format!("{command:?}");
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    finish(
        child.unwrap_or_else(|error| panic!("{shown}: {error}")),
        &shown,
    )
}

/// Waits for a program whose output is piped here.
///
/// # Panics
/// When it does not end within [`DEADLINE`].
pub fn finish(mut child: Child, shown: &str) -> Ran {
    let out = collect(child.stdout.take());
    let err = collect(child.stderr.take());
    let deadline = std::time::Instant::now() + DEADLINE;
    let gather = |from: &mpsc::Receiver<String>, child: &mut Child| {
        let left = deadline.saturating_duration_since(std::time::Instant::now());
        from.recv_timeout(left).unwrap_or_else(|_| {
            let _ = child.kill();
            panic!("{shown}: not finished after {DEADLINE:?}")
        })
    };
    let out = gather(&out, &mut child);
    let err = gather(&err, &mut child);
    let status = child.wait().expect("wait for a child");
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    Ran {
        code: status
            .code()
            .or(signal.map(|number| 128 + number))
            .unwrap_or(-1),
        out,
        err,
    }
}

fn collect(from: Option<impl Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (give, take) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut from) = from {
            let _ = from.read_to_end(&mut bytes);
        }
        let _ = give.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    take
}
