//! `runner worker`: trains one run for another process of this program; people do not type it.

use std::io::{BufReader, Write};

use super::say;
use crate::Result;
use crate::error::{EXIT_INTERRUPTED, EXIT_OK};
use crate::run::{Interrupt, Worker};

/// Ends at once when nobody is there any more who wants the run: its lock is then free for the next one.
pub fn execute() -> Result<u8> {
    Interrupt::ignore_file_size_limit()?;
    let mut input = BufReader::new(std::io::stdin());
    let worker = Worker::read(&mut input)?;
    let halt = worker.halt();
    std::thread::spawn(move || {
        Worker::obey(&halt, &mut input);
        leave();
    });
    let mut out = std::io::stdout();
    if let Err(error) = worker.work(&mut out) {
        say(&error.to_string());
        return Ok(error.exit_code());
    }
    let _ = out.flush();
    Ok(EXIT_OK)
}

#[expect(clippy::exit, reason = "whoever asked for the run is gone: nothing of it is worth more than a kill")]
fn leave() -> ! {
    std::process::exit(i32::from(EXIT_INTERRUPTED))
}
