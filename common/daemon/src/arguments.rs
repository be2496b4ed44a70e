//! The command line, alike for every daemon: libvirt's own options (WIRE.md section 13) and
//! `--root` and `--session`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::prelude::*;

/// What the person, systemd or a client's auto-spawn asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arguments {
    /// The configuration file; a missing file given here is fatal, a missing default is not.
    pub config: Option<PathBuf>,
    /// All paths of the daemon are below this folder.
    pub root: Option<PathBuf>,
    /// Serve one user's session, not the system; implied for everyone but root.
    pub session: bool,
    /// Stop after this long without a client and without a reason to stay.
    pub timeout: Option<Duration>,
    /// Log at level `info` rather than `warning`.
    pub verbose: bool,
    /// Write the process's number here instead of the default place.
    pub pid_file: Option<PathBuf>,
}

/// What to do, as the command line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invocation {
    /// Run the daemon.
    Run(Arguments),
    /// Print this and stop.
    Print(String),
}

impl Arguments {
    /// Reads the arguments after the program's name.
    ///
    /// # Errors
    /// A sentence for standard error: what was wrong with which option.
    pub fn parse<I>(daemon: &str, version: &str, args: I) -> Result<Invocation, String>
    where
        I: IntoIterator<Item = OsString>,
    {
        let mut parsed = Self::default();
        let mut parser = lexopt::Parser::from_args(args);
        while let Some(arg) = parser.next().map_err(|e| refuse(daemon, &e))? {
            match arg {
                Short('f') | Long("config") => parsed.config = Some(path(daemon, &mut parser)?),
                Short('p') | Long("pid-file") => parsed.pid_file = Some(path(daemon, &mut parser)?),
                Long("root") => parsed.root = Some(path(daemon, &mut parser)?),
                Long("session") => parsed.session = true,
                Short('t') | Long("timeout") => {
                    let seconds: u64 = parser
                        .value()
                        .and_then(|v| v.parse())
                        .map_err(|e| refuse(daemon, &e))?;
                    // libvirt takes 0 as "never", the same as leaving the option out.
                    parsed.timeout = (seconds > 0).then(|| Duration::from_secs(seconds));
                }
                Short('v') | Long("verbose") => parsed.verbose = true,
                Short('V') | Long("version") => {
                    return Ok(Invocation::Print(format!("{daemon} {version}")));
                }
                Short('h') | Long("help") => return Ok(Invocation::Print(help(daemon))),
                other => return Err(refuse(daemon, &other.unexpected())),
            }
        }
        Ok(Invocation::Run(parsed))
    }
}

fn path(daemon: &str, parser: &mut lexopt::Parser) -> Result<PathBuf, String> {
    let given = PathBuf::from(parser.value().map_err(|e| refuse(daemon, &e))?);
    // The daemon works in `/`, so what the person meant is fixed while it is still known.
    std::path::absolute(&given).map_err(|e| format!("{daemon}: '{}': {e}", given.display()))
}

fn refuse(daemon: &str, error: &lexopt::Error) -> String {
    format!("{daemon}: {error}; '{daemon} --help' lists the options")
}

fn help(daemon: &str) -> String {
    format!(
        "Usage: {daemon} [OPTION]...

  -f, --config FILE     read FILE instead of the default configuration
      --root DIR        put all paths (etc, run, var) below DIR
      --session         serve the user's session instead of the system
  -t, --timeout SECS    stop after SECS idle seconds
  -p, --pid-file FILE   write the process number to FILE
  -v, --verbose         log more
  -V, --version         print the version
  -h, --help            print this

SIGTERM drains and stops, SIGHUP reads the configuration again.
See {daemon}(8)."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Invocation, String> {
        Arguments::parse("virtd", "1.2", args.iter().map(OsString::from))
    }

    #[test]
    fn a_clients_auto_spawn_is_understood() {
        let Ok(Invocation::Run(arguments)) = parse(&["--timeout=120"]) else {
            panic!("refused");
        };
        assert_eq!(arguments.timeout, Some(Duration::from_secs(120)));
    }

    #[test]
    fn an_unknown_option_is_named() {
        let text = parse(&["--frob"]).unwrap_err();
        assert!(text.contains("--frob"), "{text}");
        let text = parse(&["--timeout", "soon"]).unwrap_err();
        assert!(text.contains("soon"), "{text}");
    }

    #[test]
    fn version_prints_and_stops() {
        assert_eq!(
            parse(&["-V"]),
            Ok(Invocation::Print("virtd 1.2".to_owned()))
        );
    }
}
