//! Ctrl-C and SIGTERM: the first asks for an orderly end, the second ends the process at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};

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
        for signal in [SIGINT, SIGTERM] {
            interrupt
                .watch(signal)
                .map_err(|error| Error::Environment(format!("failed to watch for signals: {error}")))?;
        }
        Ok(interrupt)
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

    /// The exit code that the signal calls for, if one has come: 130 or 143.
    pub fn exit_code(&self) -> Option<u8> {
        let signal = self.signal.load(Ordering::Relaxed);
        self.asked().then(|| u8::try_from(128 + signal).unwrap_or(crate::error::EXIT_INTERRUPTED))
    }
}
