//! The inside of a process that trains one run, see [`super::ProcessExecutor`].

use std::io::{BufRead, Write};
use std::ops::ControlFlow;
use std::sync::Arc;

use super::message::{HALT, Message, Order};
use super::{Executor, Job, ThreadExecutor};
use crate::config::{Experiment, Layer};
use crate::run::halt::Halt;
use crate::run::library::Library;
use crate::run::spec::RunSpec;
use crate::store::{RunRecord, layout};
use crate::train::event::{Event, Observer};
use crate::{Error, Result};

/// A run that another process has asked for.
#[derive(Debug)]
pub struct Worker {
    order: Order,
    halt: Halt,
}

impl Worker {
    /// Reads what is to be trained: one line.
    pub fn read(input: &mut impl BufRead) -> Result<Self> {
        let mut line = String::new();
        input.read_line(&mut line).map_err(Error::io("read", "the order of a worker".as_ref()))?;
        let order = serde_json::from_str(&line).map_err(|error| {
            Error::Request(format!("a worker gets its run from another runner, on standard input: {error}"))
        })?;
        Ok(Self { order, halt: Halt::default() })
    }

    /// Asks the run to end as the other process says; returns when that is gone, and then nobody wants the run any
    /// more.
    pub fn obey(halt: &Halt, input: &mut impl BufRead) {
        let mut line = String::new();
        while matches!(input.read_line(&mut line), Ok(1..)) {
            if line.trim_end() == HALT {
                halt.ask();
            }
            line.clear();
        }
    }

    /// What ends the run.
    pub fn halt(&self) -> Halt {
        self.halt.clone()
    }

    /// Trains it and says how it goes, a line an event. A run that fails is told like any other end.
    pub fn work(self, out: &mut (dyn Write + Send)) -> Result<()> {
        let Self { order, halt } = self;
        let spec = specify(&order)?;
        let executor = ThreadExecutor::new(Arc::new(Library::default()));
        let job = Job {
            spec: &spec,
            dir: &order.dir,
            record: *order.record,
            device: order.device,
            threads: order.threads,
            resume: order.resume,
            until: order.until,
            prune: order.prune.as_ref(),
            halt: &halt,
            lock: None,
        };
        let mut teller = Teller { out };
        match executor.execute(job, &mut teller) {
            Ok(_) => Ok(()),
            Err(failed) => teller.tell(&Message::failed(failed)),
        }
    }
}

/// The run of a `config.toml`, with the id that its data has given it before.
fn specify(order: &Order) -> Result<RunSpec> {
    let layer = Layer::parse(layout::CONFIG.to_owned(), order.dir.clone(), &order.config)?;
    let mut drafts = Experiment::from_layers(vec![layer], &order.record.experiment, None)?.expand()?.drafts;
    let draft = drafts.pop().ok_or_else(|| Error::Bug("a worker was given no run".into()))?;
    let RunRecord { id, name, data, .. } = &*order.record;
    Ok(RunSpec::known(draft, id, name, &data.fingerprint, order.weights.as_deref()))
}

/// Writes events as lines. That nobody listens any more ends the run.
struct Teller<'a> {
    out: &'a mut (dyn Write + Send),
}

impl Teller<'_> {
    fn tell(&mut self, message: &Message) -> Result<()> {
        let mut line = serde_json::to_string(message)
            .map_err(|error| Error::Bug(format!("an event is no JSON: {error}")))?;
        line.push('\n');
        self.out
            .write_all(line.as_bytes())
            .and_then(|()| self.out.flush())
            .map_err(Error::io("write to", "the process that asked for the run".as_ref()))
    }
}

impl Observer for Teller<'_> {
    fn on(&mut self, event: &Event<'_>) -> Result<ControlFlow<()>> {
        if let Some(message) = Message::of(event) {
            self.tell(&message)?;
        }
        Ok(ControlFlow::Continue(()))
    }
}
