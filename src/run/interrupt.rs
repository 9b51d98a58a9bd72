//! Ctrl-C, SIGTERM and a terminal that is closed: the first asks for an orderly end, the second ends the process at
//! once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::{Error, Result};

/// Whether the user has asked to stop.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    asked: Arc<AtomicBool>,
    signal: Arc<AtomicUsize>,
}

impl Interrupt {
    /// Takes the signals over for the rest of the process.
    pub fn install() -> Result<Self> {
        let interrupt = Self::default();
        let mut signals = vec![SIGINT, SIGTERM];
        // Under nohup a closed terminal is to be nothing.
        if !is_ignored(SIGHUP) {
            signals.push(SIGHUP);
        }
        for signal in signals {
            interrupt.watch(signal).map_err(|error| failed(&error))?;
        }
        Self::ignore_file_size_limit()?;
        Ok(interrupt)
    }

    /// A file that would pass the limit on its size is then an error of its run, not the end of the process.
    pub fn ignore_file_size_limit() -> Result<()> {
        #[cfg(unix)]
        signal_hook::flag::register(SIGXFSZ, Arc::default()).map_err(|error| failed(&error))?;
        Ok(())
    }

    fn watch(&self, signal: i32) -> std::io::Result<()> {
        // The order matters: the conditional exit looks at the flag before this signal sets it.
        let status = 128 + signal;
        signal_hook::flag::register_conditional_shutdown(signal, status, Arc::clone(&self.asked))?;
        let number = usize::try_from(signal).unwrap_or_default();
        signal_hook::flag::register_usize(signal, Arc::clone(&self.signal), number)?;
        signal_hook::flag::register(signal, Arc::clone(&self.asked))?;
        Ok(())
    }

    /// Whether a signal has come.
    pub fn asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// The exit code that the signal calls for, if one has come: 130 or 143, 129 for a closed terminal.
    pub fn exit_code(&self) -> Option<u8> {
        let signal = self.signal.load(Ordering::Relaxed);
        self.asked().then(|| u8::try_from(128 + signal).unwrap_or(crate::error::EXIT_INTERRUPTED))
    }
}

fn failed(error: &std::io::Error) -> Error {
    Error::Environment(format!("failed to watch for signals: {error}"))
}

/// The number of SIGXFSZ, which signal-hook has no name for, on Linux and on macOS.
#[cfg(unix)]
const SIGXFSZ: i32 = 25;

/// Whether the process was started with a signal ignored; unknown is no. Linux keeps a mask of them.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}
