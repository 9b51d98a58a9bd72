//! One file a subcommand: thin scripts over the library. Only here do results meet the terminal.

mod compare;
mod completions;
mod data;
mod devices;
mod diff;
mod evaluate;
mod explain;
mod gc;
mod init;
mod list;
mod logs;
mod plan;
mod predict;
mod request;
mod rerun;
mod resume;
mod run;
mod schema;
mod session;
mod show;
mod training;
mod worker;

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::cli::{Cli, Command, FormatArgs, GridArgs};
use crate::config::Overrides;
use crate::error::{EXIT_BUG, EXIT_OK};
use crate::output::{Table, diagnostic};
use crate::{Error, Result};

/// Carries a command out and says what went wrong; the exit code of the process.
pub fn execute(cli: Cli) -> u8 {
    cli.color.apply();
    // A panic is a bug, but one that should read like an error and end with its own code.
    match catch_unwind(AssertUnwindSafe(|| dispatch(cli.command))) {
        Ok(Ok(code)) => code,
        Ok(Err(error)) if is_closed_pipe(&error) => EXIT_OK,
        Ok(Err(error)) => {
            say(&diagnostic::render(&error, error_width()));
            error.exit_code()
        }
        Err(_) => {
            say(&diagnostic::render(&Error::Bug("the program panicked".into()), error_width()));
            EXIT_BUG
        }
    }
}

fn dispatch(command: Command) -> Result<u8> {
    match command {
        Command::Run(args) => run::execute(&args),
        Command::Resume(args) => resume::execute(&args),
        Command::Plan(args) => plan::execute(&args),
        Command::List(args) => list::execute(&args),
        Command::Compare(args) => compare::execute(&args),
        Command::Show(args) => show::execute(&args),
        Command::Diff(args) => diff::execute(&args),
        Command::Rerun(args) => rerun::execute(&args),
        Command::Evaluate(args) => evaluate::execute(&args),
        Command::Predict(args) => predict::execute(&args),
        Command::Logs(args) => logs::execute(&args),
        Command::Gc(args) => gc::execute(&args),
        Command::Explain(args) => explain::execute(&args),
        Command::Data(args) => data::execute(&args),
        Command::Devices(args) => devices::execute(args),
        Command::Init(args) => init::execute(&args),
        Command::Schema(args) => schema::execute(&args),
        Command::Completions(args) => completions::execute(&args),
        Command::Worker => worker::execute(),
    }
}

/// Writes a result to standard output.
fn print(text: &str) -> Result<()> {
    let mut out = anstream::stdout().lock();
    write_whole(&mut out, text)
}

/// Writes anything else to standard error; a terminal that is gone must not end a training.
fn say(text: &str) {
    let mut err = anstream::stderr().lock();
    let _ = write_whole(&mut err, text);
}

fn write_whole(out: &mut impl Write, text: &str) -> Result<()> {
    let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    write!(out, "{text}{newline}")
        .and_then(|()| out.flush())
        .map_err(Error::io("write to", "the output".as_ref()))
}

fn is_closed_pipe(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if source.kind() == std::io::ErrorKind::BrokenPipe)
}

/// A table in the format that was asked for.
fn render(table: &Table, format: FormatArgs) -> Result<String> {
    if format.json {
        table.json()
    } else if format.csv {
        table.csv()
    } else if format.markdown {
        Ok(table.markdown())
    } else {
        Ok(table.text(width()))
    }
}

/// Columns of the terminal that standard output is, if it is one.
fn width() -> Option<usize> {
    terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0))
}

/// Columns of the terminal that standard error is, if it is one.
fn error_width() -> Option<usize> {
    terminal_size::terminal_size_of(std::io::stderr()).map(|(width, _)| usize::from(width.0))
}

/// The settings of the environment and of the command line.
fn overrides(sets: &[String], grid: &GridArgs) -> Result<Overrides> {
    let (sets, grid, rows) = (sets.to_vec(), grid.grid.clone(), grid.rows.clone());
    Ok(Overrides { variables: variables()?, sets, grid, rows })
}

/// The variables of the environment that are settings.
fn variables() -> Result<Vec<(String, String)>> {
    let ours = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    let ours = ours.filter(|(name, _)| name.starts_with("RUNNER__"));
    let text = |(name, value): (String, std::ffi::OsString)| match value.into_string() {
        Ok(value) => Ok((name, value)),
        Err(_) => Err(Error::Request(format!("the value of {name} is not UTF-8 text"))),
    };
    let mut found = ours.map(text).collect::<Result<Vec<_>>>()?;
    found.sort();
    Ok(found)
}
