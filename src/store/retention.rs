//! What may go of the runs that are there: a pure function of what is known of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};

use super::{RunEntry, Status, lower_is_better};

/// What a user lets go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// The checkpoints of all but so many of the best completed runs of each experiment.
    pub keep_best: Option<usize>,
    /// Nothing of a run that ended later than so long ago.
    pub older_than: Option<SignedDuration>,
    /// Whole folders of runs that stand so.
    pub statuses: BTreeSet<Status>,
    /// `last.safetensors` of completed runs.
    pub last: bool,
}

/// What lies in a run's folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Holdings {
    /// Bytes of `best.safetensors`, if there is one.
    pub best: Option<u64>,
    /// Bytes of `last.safetensors`, if there is one.
    pub last: Option<u64>,
    /// Bytes of all files.
    pub total: u64,
    /// When a file was last written.
    pub written: Option<Timestamp>,
}

/// The monitored metric of a run's best epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// The column, as in `valid_loss`.
    pub column: String,
    /// Its value.
    pub value: f64,
}

/// A run that something may go of.
#[derive(Debug, Clone)]
pub struct Candidate<'a> {
    /// The run.
    pub entry: &'a RunEntry,
    /// What it is ranked by; a completed run without is kept by [`Policy::keep_best`].
    pub score: Option<Score>,
    /// What lies in its folder.
    pub holdings: Holdings,
}

/// What goes of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Portion {
    /// All of it.
    Folder,
    /// `best.safetensors` and `last.safetensors`.
    Checkpoints,
    /// `last.safetensors`.
    Last,
}

/// Something that goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Removal<'a> {
    /// The run.
    pub entry: &'a RunEntry,
    /// What of it.
    pub portion: Portion,
    /// How much that is.
    pub bytes: u64,
    /// Why, beginning with the flag that says so.
    pub reason: String,
}

/// A run's place among those that are ranked with it, from 1.
struct Place {
    rank: usize,
    of: usize,
    column: String,
}

/// What goes, in the order of the candidates; at most one portion a run.
///
/// Nothing goes of a run that is trained now, nor of one whose record cannot be read. [`Policy::keep_best`] protects the
/// best runs from [`Policy::statuses`] as well.
pub fn removals<'a>(policy: &Policy, candidates: &[Candidate<'a>], now: Timestamp) -> Vec<Removal<'a>> {
    let places = if policy.keep_best.is_some() { places(candidates) } else { HashMap::new() };
    // An age before the beginning of time is that of no run.
    let before = policy.older_than.map(|age| now.checked_sub(age).unwrap_or(Timestamp::MIN));
    let removal = |(index, candidate): (usize, &Candidate<'a>)| {
        let record = &candidate.entry.record;
        let ended = record.ended.or(candidate.holdings.written);
        let is_old = before.is_none_or(|before| ended.is_some_and(|ended| ended < before));
        if record.status == Status::Running || record.id.is_empty() || !is_old {
            return None;
        }
        let (portion, reason) = portion(policy, candidate, places.get(&index))?;
        let Holdings { best, last, total, .. } = candidate.holdings;
        let bytes = match portion {
            Portion::Folder => total,
            Portion::Checkpoints => best.unwrap_or(0) + last.unwrap_or(0),
            Portion::Last => last.unwrap_or(0),
        };
        Some(Removal { entry: candidate.entry, portion, bytes, reason })
    };
    candidates.iter().enumerate().filter_map(removal).collect()
}

fn portion(policy: &Policy, candidate: &Candidate<'_>, place: Option<&Place>) -> Option<(Portion, String)> {
    let status = candidate.entry.record.status;
    let is_completed = status == Status::Completed;
    let is_beyond = |kept: usize| place.is_some_and(|place| place.rank > kept);
    let is_protected = is_completed && policy.keep_best.is_some_and(|kept| !is_beyond(kept));
    if policy.statuses.contains(&status) && !is_protected {
        return Some((Portion::Folder, format!("--status {status}")));
    }
    let Holdings { best, last, .. } = candidate.holdings;
    if !is_completed || (best, last) == (None, None) {
        return None;
    }
    if let (Some(kept), Some(Place { rank, of, column })) = (policy.keep_best, place)
        && is_beyond(kept)
    {
        return Some((Portion::Checkpoints, format!("--keep-best {kept}: {rank} of {of} by {column}")));
    }
    (policy.last && last.is_some())
        .then(|| (Portion::Last, "--last: only rerun --continue reads it".to_owned()))
}

/// The places of the completed runs by their position, among those of one experiment that monitor one metric.
fn places(candidates: &[Candidate<'_>]) -> HashMap<usize, Place> {
    let mut groups: BTreeMap<(&str, &str), Vec<(f64, usize)>> = BTreeMap::new();
    for (index, Candidate { entry, score, .. }) in candidates.iter().enumerate() {
        if let (Status::Completed, Some(Score { column, value })) = (entry.record.status, score) {
            let value = if lower_is_better(column) { *value } else { -value };
            groups.entry((&entry.experiment, column)).or_default().push((value, index));
        }
    }
    let mut places = HashMap::new();
    for ((_, column), mut members) in groups {
        let begun = |index: usize| (candidates[index].entry.record.started, &candidates[index].entry.name);
        // What is no number comes last, and of equal ones the run that began first is the better.
        members.sort_by(|(a, one), (b, other)| {
            let by_value = a.is_nan().cmp(&b.is_nan()).then_with(|| a.total_cmp(b));
            by_value.then_with(|| begun(*one).cmp(&begun(*other)))
        });
        let of = members.len();
        places.extend(
            (1..)
                .zip(members)
                .map(|(rank, (_, index))| (index, Place { rank, of, column: column.to_owned() })),
        );
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::RunRecord;

    const NOW: i64 = 1_000_000;

    fn entry(experiment: &str, name: &str, status: Status, ended: Option<i64>) -> RunEntry {
        let mut record = RunRecord::new("ab", name, experiment, Timestamp::UNIX_EPOCH);
        record.status = status;
        record.ended = ended.map(|seconds| Timestamp::from_second(seconds).unwrap());
        RunEntry { dir: name.into(), experiment: experiment.into(), name: name.into(), record }
    }

    fn candidate<'a>(entry: &'a RunEntry, score: Option<(&str, f64)>) -> Candidate<'a> {
        let score = score.map(|(column, value)| Score { column: column.to_owned(), value });
        let written = Some(Timestamp::from_second(NOW - 60).unwrap());
        let holdings = Holdings { best: Some(10), last: Some(30), total: 45, written };
        Candidate { entry, score, holdings }
    }

    fn gone(policy: &Policy, candidates: &[Candidate<'_>]) -> Vec<String> {
        let removals = removals(policy, candidates, Timestamp::from_second(NOW).unwrap());
        let text = |removal: &Removal<'_>| {
            let Removal { entry, portion, bytes, reason } = removal;
            format!("{}: {portion:?} {bytes} ({reason})", entry.name)
        };
        removals.iter().map(text).collect()
    }

    #[test]
    fn the_best_of_each_experiment_keep_their_checkpoints() {
        let loss =
            |name: &str, value| (entry("a", name, Status::Completed, Some(5)), Some(("valid_loss", value)));
        let runs = [
            loss("third", 0.5),
            loss("first", 0.1),
            loss("nan", f64::NAN),
            // Began at the same moment and is as good: the name decides.
            loss("secondly", 0.3),
            loss("second", 0.3),
            (entry("a", "unknown", Status::Completed, Some(5)), None),
            (entry("a", "failed", Status::Failed, Some(5)), Some(("valid_loss", 9.0))),
            (entry("a", "accurate", Status::Completed, Some(5)), Some(("valid_accuracy", 0.9))),
            (entry("a", "wrong", Status::Completed, Some(5)), Some(("valid_accuracy", 0.2))),
            (entry("a", "worse", Status::Completed, Some(5)), Some(("valid_accuracy", 0.1))),
            (entry("b", "alone", Status::Completed, Some(5)), Some(("valid_loss", 9.0))),
        ];
        let candidates: Vec<_> = runs.iter().map(|(entry, score)| candidate(entry, *score)).collect();
        let policy = Policy { keep_best: Some(2), ..Policy::default() };
        assert_eq!(
            gone(&policy, &candidates),
            [
                "third: Checkpoints 40 (--keep-best 2: 4 of 5 by valid_loss)",
                "nan: Checkpoints 40 (--keep-best 2: 5 of 5 by valid_loss)",
                "secondly: Checkpoints 40 (--keep-best 2: 3 of 5 by valid_loss)",
                "worse: Checkpoints 40 (--keep-best 2: 3 of 3 by valid_accuracy)",
            ]
        );
        let both = Policy { keep_best: Some(4), last: true, ..Policy::default() };
        let gone = gone(&both, &candidates);
        assert_eq!(gone.iter().filter(|line| line.contains(": Last 30 (--last: ")).count(), 9, "{gone:?}");
        assert_eq!(gone[2], "nan: Checkpoints 40 (--keep-best 4: 5 of 5 by valid_loss)");
    }

    #[test]
    fn folders_go_by_status_and_never_a_running_or_unreadable_run() {
        let all = [
            Status::Running,
            Status::Completed,
            Status::Failed,
            Status::Diverged,
            Status::Interrupted,
            Status::Stopped,
        ];
        let runs: Vec<RunEntry> = all.map(|status| entry("a", status.word(), status, Some(5))).into();
        let mut unreadable = entry("a", "unreadable", Status::Failed, None);
        unreadable.record.id.clear();
        let score = Some(("valid_loss", 0.5));
        let candidates: Vec<_> =
            runs.iter().chain([&unreadable]).map(|entry| candidate(entry, score)).collect();
        let some = Policy { statuses: [Status::Failed, Status::Diverged].into(), ..Policy::default() };
        assert_eq!(
            gone(&some, &candidates),
            ["failed: Folder 45 (--status failed)", "diverged: Folder 45 (--status diverged)"]
        );
        let every = Policy { statuses: all.into(), ..Policy::default() };
        assert_eq!(gone(&every, &candidates).len(), 5);
        // The best are kept, whatever else goes.
        let kept = Policy { statuses: all.into(), keep_best: Some(1), ..Policy::default() };
        assert_eq!(gone(&kept, &candidates).len(), 4);
        assert!(gone(&Policy::default(), &candidates).is_empty());
    }

    #[test]
    fn what_ended_lately_stays() {
        let hour = 3600;
        let runs = [
            entry("a", "old", Status::Failed, Some(NOW - 2 * hour)),
            entry("a", "at the limit", Status::Failed, Some(NOW - hour)),
            entry("a", "new", Status::Failed, Some(NOW - 10)),
            // The clock was set back since.
            entry("a", "later", Status::Failed, Some(NOW + hour)),
            // Killed: what it wrote last says when.
            entry("a", "killed", Status::Interrupted, None),
        ];
        let candidates: Vec<_> = runs.iter().map(|entry| candidate(entry, None)).collect();
        let policy = |seconds| Policy {
            older_than: Some(SignedDuration::from_secs(seconds)),
            statuses: [Status::Failed, Status::Interrupted].into(),
            ..Policy::default()
        };
        let names = |seconds| -> Vec<String> {
            let gone = gone(&policy(seconds), &candidates);
            gone.iter().map(|line| line.split(':').next().unwrap().to_owned()).collect()
        };
        assert_eq!(names(hour), ["old"]);
        assert_eq!(names(30), ["old", "at the limit", "killed"]);
        assert_eq!(names(0), ["old", "at the limit", "new", "killed"]);
        assert!(names(i64::MAX).is_empty());
        let mut unknown = candidate(&runs[4], None);
        unknown.holdings.written = None;
        assert!(gone(&policy(0), &[unknown]).is_empty());
    }

    #[test]
    fn what_is_gone_already_is_not_named() {
        let run = entry("a", "x", Status::Completed, Some(5));
        let policy = Policy { keep_best: Some(0), last: true, ..Policy::default() };
        let mut candidate = candidate(&run, Some(("valid_loss", 0.5)));
        candidate.holdings.last = None;
        assert_eq!(gone(&policy, std::slice::from_ref(&candidate)).len(), 1);
        assert!(
            gone(&Policy { keep_best: None, ..policy.clone() }, std::slice::from_ref(&candidate)).is_empty()
        );
        candidate.holdings.best = None;
        assert!(gone(&policy, &[candidate]).is_empty());
    }
}
