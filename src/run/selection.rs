//! Which of an experiment's runs a request is about.

use crate::store::Status;

/// Conditions that a run has to meet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// Where it stands, `None` for a run without a folder; any without entries.
    pub statuses: Vec<Option<Status>>,
    /// The remainder of its place in the sweep, and what that is divided by.
    pub shard: Option<(usize, usize)>,
}

impl Selection {
    /// Whether the run at `position` in the sweep is meant.
    pub fn takes(&self, position: usize, status: Option<Status>) -> bool {
        let is_asked_for = self.statuses.is_empty() || self.statuses.contains(&status);
        let is_ours = self.shard.is_none_or(|(remainder, count)| position % count.max(1) == remainder);
        is_asked_for && is_ours
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_disjoint_and_together_everything() {
        let shard = |remainder| Selection { shard: Some((remainder, 3)), ..Selection::default() };
        for position in 0..10 {
            let takers = (0..3).filter(|remainder| shard(*remainder).takes(position, None)).count();
            assert_eq!(takers, 1, "{position}");
        }
    }

    #[test]
    fn statuses_are_alternatives() {
        let statuses = vec![Some(Status::Failed), None];
        let selection = Selection { statuses, shard: None };
        assert!(selection.takes(0, Some(Status::Failed)) && selection.takes(1, None));
        assert!(!selection.takes(0, Some(Status::Completed)));
        assert!(Selection::default().takes(5, Some(Status::Completed)));
    }
}
