//! The program: reads what was typed, carries it out, says what went wrong, and sets the exit code.

use std::process::ExitCode;

use clap::Parser;
use runner::{cli::Cli, command};

/// Keeps freed blocks for the next step instead of handing their pages back to the system.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    runner::device::limit_candle_threads();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Help and version are no errors; clap knows the stream and the code of each.
        Err(answer) => {
            let code = if answer.use_stderr() { runner::error::EXIT_REQUEST } else { runner::error::EXIT_OK };
            return match answer.print() {
                Ok(()) => ExitCode::from(code),
                Err(_) => ExitCode::SUCCESS,
            };
        }
    };
    ExitCode::from(command::execute(cli))
}
