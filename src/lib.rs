//! `runner` turns a TOML description of an experiment into trained, comparable, repeatable runs.
//!
//! The modules form layers; each uses only those below it, and a test holds them to it:
//! command, output, report, run, then config, sweep, train and store, then the components (data, model,
//! optimizer, scheduler, loss, metric), then kernel, then device, rng, sample, setting, target and error.
//! `ARCHITECTURE.md` says why.

pub mod cli;
pub mod command;
pub mod config;
pub mod data;
pub mod device;
pub mod error;
pub mod kernel;
pub mod loss;
pub mod metric;
pub mod model;
pub mod optimizer;
pub mod output;
pub mod report;
pub mod rng;
pub mod run;
pub mod sample;
pub mod scheduler;
pub mod setting;
pub mod store;
pub mod sweep;
pub mod target;
pub mod train;

pub use error::{Error, Result};
