//! Transcripts: files of commands with the text they are expected to print.
//!
//! Lines indented by two spaces are the session, all others are prose. `$ command` starts a
//! command, `> ` continues it; the lines after it are its standard output and then its standard
//! error, and `[N]` an exit code other than 0. Commands run in `sh`. In expected text `[..]` stands for anything within a line and
//! `[...]` alone for any lines; `[ROOT]`, `[GUEST]`, `[SOCKET]`, `[UUID]`, `[MAC]` for what differs
//! between runs. Trailing spaces and blank lines at the end are not compared.
//!
//! The text is the stock daemon's. Where ours differs on purpose, a line `@ours: reason` follows
//! and then our text; `@only ours: reason` after a command leaves the stock daemon out, and
//! `@virsh VERSION: reason` every older virsh.
//! `VIRT_TEST_RECORD=1 VIRT_TEST_TARGET=stock` writes what the stock daemon printed where it
//! differs from the file.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::guest;
use crate::host::Host;
use crate::target::{Target, is_root, skipped};

/// Shell functions that transcripts use.
const PRELUDE: &str = r#"
# guest NAME [DEVICES]: the XML of a guest that stays in its firmware
guest() { awk -v name="$1" -v devices="$2" '{ gsub("NAME", name); gsub("<!--DEVICES-->", devices); print }' ../guest.xml; }
linux() { awk -v name="$1" -v devices="$2" '{ gsub("NAME", name); gsub("<!--DEVICES-->", devices); print }' ../linux.xml; }
# eventually COMMAND...: repeats it until it succeeds, a minute at most
eventually() { n=0; until "$@" >/dev/null 2>&1; do n=$((n+1)); [ $n -lt 600 ] || { echo "in vain: $*"; return 1; }; sleep 0.1; done; }
# try: defines bad.xml, starts it, and shows what is left
try() { virsh -q define bad.xml && virsh start bad; virsh domstate bad; virsh -q undefine bad; ls ../run/libvirt/qemu ../var/lib/libvirt/qemu | grep bad; }
state_is() { [ "$(virsh domstate "$1" 2>/dev/null | head -n 1)" = "$2" ]; }
"#;

/// One command of a transcript.
#[derive(Debug, Default)]
struct Step {
    line: usize,
    command: String,
    stock: Vec<String>,
    ours: Option<(String, Vec<String>)>,
    only_ours: Option<String>,
    /// The oldest virsh that it is for, and why.
    virsh: Option<(Version, String)>,
}

/// Major and minor number.
type Version = (u32, u32);

fn version(text: &str) -> Option<Version> {
    let mut numbers = text.trim().split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// Runs `transcripts/NAME.txt` on a host with the daemon under test.
///
/// # Panics
/// When a command printed something else than the file says: all differences are shown.
pub fn play(name: &str) {
    play_on(&Host::start(), name);
}

/// The same on a host the test has prepared.
///
/// # Panics
/// As [`play`].
pub fn play_on(host: &Host, name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("transcripts")
        .join(format!("{name}.txt"));
    let text = fs::read_to_string(&path).expect("a transcript");
    fs::write(
        host.path("guest.xml"),
        guest::firmware_only("NAME", "<!--DEVICES-->"),
    )
    .expect("guest.xml");
    if text.contains("linux ") {
        fs::write(
            host.path("linux.xml"),
            guest::linux("NAME", "<!--DEVICES-->"),
        )
        .expect("linux.xml");
    }
    let virsh = host.virsh(&["--version"]).ok();
    let virsh = version(&virsh).unwrap_or_else(|| panic!("virsh --version: {virsh}"));
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut report = String::new();
    let mut recorded = Vec::new();
    for step in parse(&lines) {
        if step.only_ours.is_some() && host.target == Target::Stock {
            continue;
        }
        if let Some((_, why)) = step.virsh.as_ref().filter(|(oldest, _)| virsh < *oldest) {
            skipped(&format!("`{}` with virsh {virsh:?}: {why}", step.command));
            continue;
        }
        let ran = host.shell(&format!("{PRELUDE}\n{}", step.command));
        let mut printed = normalise(host, &format!("{}{}", ran.out, ran.err));
        if ran.code != 0 {
            printed.push(format!("[{}]", ran.code));
        }
        let expected = match (&step.ours, host.target) {
            (Some((_, ours)), Target::Ours) => ours,
            _ => &step.stock,
        };
        if !matches(expected, &printed) {
            let _ = writeln!(
                report,
                "{}:{}: $ {}\n--- expected\n{}\n--- printed\n{}\n",
                path.display(),
                step.line + 1,
                step.command,
                expected.join("\n"),
                printed.join("\n")
            );
            recorded.push((step, printed));
        }
    }
    if std::env::var_os("VIRT_TEST_RECORD").is_some() && host.target == Target::Stock {
        record(&path, &mut lines, recorded);
        return;
    }
    assert!(report.is_empty(), "\n{report}daemon's log:\n{}", host.log());
}

fn parse(lines: &[String]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut open = false;
    for (number, line) in lines.iter().enumerate() {
        let Some(session) = line.strip_prefix("  ") else {
            // A blank line inside printed text belongs to it; prose ends it.
            if !line.is_empty() {
                open = false;
            } else if let (true, Some(step)) = (open, steps.last_mut()) {
                step.text().push(String::new());
            }
            continue;
        };
        if let Some(command) = session.strip_prefix("$ ") {
            steps.push(Step {
                line: number,
                command: command.to_owned(),
                ..Step::default()
            });
            open = true;
            continue;
        }
        let step = steps.last_mut().expect("printed text follows a command");
        if let Some(more) = session.strip_prefix("> ") {
            step.command.push('\n');
            step.command.push_str(more);
        } else if let Some(reason) = session.strip_prefix("@ours: ") {
            step.ours = Some((reason.to_owned(), Vec::new()));
        } else if let Some(reason) = session.strip_prefix("@only ours: ") {
            step.only_ours = Some(reason.to_owned());
        } else if let Some(oldest) = session.strip_prefix("@virsh ") {
            let (oldest, reason) = oldest.split_once(": ").expect("@virsh VERSION: reason");
            let oldest = version(oldest).expect("@virsh VERSION");
            step.virsh = Some((oldest, reason.to_owned()));
        } else {
            step.text().push(session.to_owned());
        }
    }
    for step in &mut steps {
        trim(&mut step.stock);
        if let Some((_, ours)) = &mut step.ours {
            trim(ours);
        }
    }
    steps
}

impl Step {
    /// The text that further lines of the file belong to.
    fn text(&mut self) -> &mut Vec<String> {
        match &mut self.ours {
            Some((_, ours)) => ours,
            None => &mut self.stock,
        }
    }
}

fn trim(lines: &mut Vec<String>) {
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
}

/// Replaces what differs between two runs of the same command.
fn normalise(host: &Host, text: &str) -> Vec<String> {
    let text = text
        .replace(&host.root().to_string_lossy().into_owned(), "[ROOT]")
        .replace(host.target.socket(), "[SOCKET]");
    let text = match text.contains("vmlinuz") || text.contains("initrd") {
        true => text.replace(
            &guest::linux_folder().to_string_lossy().into_owned(),
            "[GUEST]",
        ),
        false => text,
    };
    // Where a user's own daemon has what the host's has elsewhere; see `Host`.
    let text = match is_root() {
        true => text,
        false => [
            (
                "[ROOT]/config/libvirt/qemu/lib/",
                "[ROOT]/var/lib/libvirt/qemu/",
            ),
            ("[ROOT]/config/", "[ROOT]/etc/"),
            ("/run/libvirt/qemu/run/", "/run/libvirt/qemu/"),
        ]
        .iter()
        .fold(text, |text, (from, to)| text.replace(from, to)),
    };
    // What the stock daemon sees as a path of the machine is bound to one below the root.
    let text = match host.target {
        Target::Ours => text,
        Target::Stock => OWN_PATHS.iter().fold(text, |text, path| {
            text.replace(path, &format!("[ROOT]{path}"))
                .replace("[ROOT][ROOT]", "[ROOT]")
        }),
    };
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| mask(&mask(line.trim_end(), UUID, "[UUID]"), MAC, "[MAC]"))
        .collect();
    trim(&mut lines);
    lines
}

/// Where a daemon without `--root` keeps its files.
const OWN_PATHS: [&str; 5] = [
    "/etc/libvirt",
    "/run/libvirt",
    "/var/lib/libvirt",
    "/var/log/libvirt",
    "/var/cache/libvirt",
];

/// Shapes: `x` is a hexadecimal digit, all else itself.
const UUID: &str = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
const MAC: &str = "52:54:00:xx:xx:xx";

fn mask(line: &str, shape: &str, name: &str) -> String {
    let shape = shape.as_bytes();
    let mut rest = line.as_bytes();
    let mut masked = Vec::new();
    while let Some((first, further)) = rest.split_first() {
        let fits = rest.len() >= shape.len()
            && shape.iter().zip(rest).all(|(s, byte)| {
                if *s == b'x' {
                    byte.is_ascii_hexdigit()
                } else {
                    s == byte
                }
            });
        if fits {
            masked.extend_from_slice(name.as_bytes());
            rest = &rest[shape.len()..];
        } else {
            masked.push(*first);
            rest = further;
        }
    }
    String::from_utf8_lossy(&masked).into_owned()
}

/// Whether lines fit the expected ones, `[...]` standing for any number of lines.
fn matches(expected: &[String], printed: &[String]) -> bool {
    match expected.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first == "[...]" => {
            (0..=printed.len()).any(|skipped| matches(rest, &printed[skipped..]))
        }
        Some((first, rest)) => {
            printed
                .first()
                .is_some_and(|line| line_matches(first.trim_end(), line))
                && matches(rest, &printed[1..])
        }
    }
}

fn line_matches(expected: &str, printed: &str) -> bool {
    let mut parts = expected.split("[..]");
    let Some(mut rest) = parts.next().and_then(|start| printed.strip_prefix(start)) else {
        return false;
    };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty()
}

/// Writes what was printed into the file in place of what it expected.
fn record(path: &PathBuf, lines: &mut Vec<String>, changed: Vec<(Step, Vec<String>)>) {
    for (step, printed) in changed.into_iter().rev() {
        let start = step.line + 1 + step.command.matches('\n').count();
        let mut end = start;
        while lines.get(end).is_some_and(|line| {
            line.is_empty()
                || (line.starts_with("  ") && !line.starts_with("  $ ") && !line.starts_with("  @"))
        }) {
            end += 1;
        }
        let text = printed.into_iter().map(|line| {
            if line.is_empty() {
                line
            } else {
                format!("  {line}")
            }
        });
        let blank = lines.get(end).map(|_| String::new());
        lines.splice(start..end, text.chain(blank));
    }
    fs::write(path, lines.join("\n") + "\n").expect("write the transcript");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn wildcards_stand_for_parts_of_a_line_and_for_lines() {
        assert!(line_matches("CPU time:  [..]s", "CPU time:  0.3s"));
        assert!(!line_matches("CPU time:  [..]s", "CPU time:  0.3"));
        assert!(line_matches("a[..]b[..]c", "a1b2b3c"));
        assert!(!line_matches("ab", "abc"));
        assert!(matches(&lines("a\n[...]\nd"), &lines("a\nb\nc\nd")));
        assert!(!matches(&lines("a\n[...]\nd"), &lines("a\nb")));
    }

    #[test]
    fn a_step_has_its_text_and_its_difference() {
        let text =
            "Prose\n\n  $ one\n  > more\n  out\n\n  end\n  @ours: why\n  other\n\nProse\n  $ two\n";
        let steps = parse(&lines(text));
        assert_eq!(steps.len(), 2);
        assert_eq!(steps[0].command, "one\nmore");
        assert_eq!(steps[0].stock, ["out", "", "end"]);
        assert_eq!(
            steps[0].ours,
            Some(("why".to_owned(), vec!["other".to_owned()]))
        );
    }

    #[test]
    fn a_step_may_be_for_newer_clients_alone() {
        let steps = parse(&lines("  $ one\n  @virsh 11.3: why\n  out\n  $ two\n"));
        assert_eq!(steps[0].virsh, Some(((11, 3), "why".to_owned())));
        assert_eq!(
            (&steps[0].stock[0], &steps[1].virsh),
            (&"out".to_owned(), &None)
        );
        assert!(version("9.10.0\n") < version("10.0.0"));
    }

    #[test]
    fn identifiers_are_masked() {
        let line = "id 11111111-2222-3333-4444-555555555555 mac 52:54:00:ab:cd:ef";
        assert_eq!(
            mask(&mask(line, UUID, "[UUID]"), MAC, "[MAC]"),
            "id [UUID] mac [MAC]"
        );
    }
}
