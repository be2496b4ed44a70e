//! Developer tool: one definition in, the daemon's command line or document out.

use std::process::ExitCode;

fn main() -> ExitCode {
    virtqemud::conform::main()
}
