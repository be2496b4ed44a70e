//! Owns one container: see `virtlxcd::controller`. Started by virtlxcd alone.

use std::process::ExitCode;

fn main() -> ExitCode {
    virtlxcd::controller::main()
}
