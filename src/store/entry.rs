//! A run as it is found on the disk.

use std::path::{Path, PathBuf};

use super::{RunRecord, Status, file, is_held, layout, lock_key, read_metrics, read_timing};
use crate::train::event::{Row, Timing};
use crate::{Error, Result};

/// A run's folder and its record.
#[derive(Debug, Clone, PartialEq)]
pub struct RunEntry {
    /// The folder.
    pub dir: PathBuf,
    /// The name of the folder above: people copy and rename folders, records stay.
    pub experiment: String,
    /// The folder's own name.
    pub name: String,
    /// The record. `running` without a live owner is turned into `interrupted`; of a record that cannot be
    /// read there is only the status `failed` with the reason in `error`.
    pub record: RunRecord,
}

impl RunEntry {
    /// Reads a run's folder; `None` if it has no record and so is none.
    pub fn load(dir: &Path) -> Result<Option<Self>> {
        let record = match RunRecord::load(dir) {
            Ok(None) => return Ok(None),
            Ok(Some(record)) => record,
            Err(error) => {
                RunRecord { status: Status::Failed, error: Some(error.to_string()), ..RunRecord::default() }
            }
        };
        let name = |path: Option<&Path>| {
            path.and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
        };
        // A path such as `.` or `run` does not name its folder and the one above.
        let is_named = dir.file_name().is_some() && dir.parent().and_then(Path::file_name).is_some();
        let whole =
            if is_named { dir.to_path_buf() } else { dir.canonicalize().map_err(Error::io("read", dir))? };
        let (experiment, own) = (name(whole.parent()), name(Some(&whole)));
        let mut entry = Self { dir: dir.to_path_buf(), experiment, name: own, record };
        entry.notice_lost_owner(whole.parent());
        entry.notice_progress();
        Ok(Some(entry))
    }

    /// Where locks are unknown, a running run is believed.
    fn notice_lost_owner(&mut self, experiment_dir: Option<&Path>) {
        let Some(experiment_dir) = experiment_dir else { return };
        if self.record.status == Status::Running
            && is_held(experiment_dir, &lock_key(&self.record.id, &self.name)) == Some(false)
        {
            self.record.status = Status::Interrupted;
        }
    }

    /// Whether `rerun` made it: such folders are called `<name>~2`.
    pub fn is_copy(&self) -> bool {
        self.name.contains('~')
    }

    /// A run that did not come to its end has its last epoch in `metrics.csv` only; its record is as old as the
    /// attempt.
    fn notice_progress(&mut self) {
        let is_open = matches!(self.record.status, Status::Running | Status::Interrupted);
        if is_open && let Some(last) = self.metrics().unwrap_or_default().pop() {
            self.record.last = Some(last);
        }
    }

    /// The rows of `metrics.csv`.
    pub fn metrics(&self) -> Result<Vec<Row>> {
        read_metrics(&self.dir.join(layout::METRICS))
    }

    /// The rows of `timing.csv`.
    pub fn timing(&self) -> Result<Vec<Timing>> {
        read_timing(&self.dir.join(layout::TIMING))
    }

    /// The text of `config.toml`.
    pub fn config_text(&self) -> Result<String> {
        let path = self.dir.join(layout::CONFIG);
        let bytes = file::read(&path)?.ok_or_else(|| Error::unreadable(&path, "there is no such file"))?;
        String::from_utf8(bytes).map_err(|_| Error::unreadable(&path, "not UTF-8 text"))
    }

    /// `config.toml` as a table.
    pub fn config(&self) -> Result<toml::Table> {
        let path = self.dir.join(layout::CONFIG);
        self.config_text()?
            .parse()
            .map_err(|error: toml::de::Error| Error::unreadable(&path, error.message().to_owned()))
    }

    /// The weights of the best epoch.
    pub fn best_checkpoint(&self) -> PathBuf {
        self.dir.join(layout::BEST)
    }

    /// The state that a resume reads.
    pub fn last_checkpoint(&self) -> PathBuf {
        self.dir.join(layout::LAST)
    }

    /// The last line of what ended a failed run, or why a rule stopped it.
    pub fn reason(&self) -> Option<&str> {
        let text = self.record.error.as_deref().or(self.record.stop_reason.as_deref())?;
        text.lines().map(str::trim).rfind(|line| !line.is_empty())
    }

    /// The metric that says which epoch, and which run, is best: `train.monitor` of the run's settings.
    pub fn monitor(&self) -> Result<String> {
        Ok(monitor_of(&self.config()?))
    }
}

/// `train.monitor` of a run's settings.
pub(super) fn monitor_of(config: &toml::Table) -> String {
    let monitor = config.get("train").and_then(|train| train.get("monitor")).and_then(toml::Value::as_str);
    monitor.unwrap_or("valid_loss").to_owned()
}
