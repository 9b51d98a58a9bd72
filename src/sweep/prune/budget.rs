//! What a rule leaves of the epochs of a sweep, before anything is trained.

use super::settings::PruneConfig;

/// The epochs of a sweep, without a rule and with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// Each rung that stops runs: its epoch, the runs that stand there and how many of them go on.
    pub rungs: Vec<(usize, usize, usize)>,
    /// Epochs of all runs to their ends.
    pub whole: usize,
    /// Epochs with the rule, if all values differ, the runs with the most epochs win and none ends by itself.
    pub pruned: usize,
}

impl PruneConfig {
    /// What the rule leaves of runs with so many epochs each; nothing is known of a rule that judges each by itself.
    pub fn budget(&self, epochs: &[usize]) -> Option<Budget> {
        let ladder = self.ladder()?;
        let mut race = epochs.to_vec();
        race.sort_unstable_by_key(|epochs| std::cmp::Reverse(*epochs));
        let most = race.first().copied().unwrap_or(0);
        let (mut rungs, mut saved) = (Vec::new(), 0);
        for rung in self.rungs(most) {
            race.retain(|epochs| *epochs > rung);
            let keeps = ladder.keeps(race.len());
            if keeps >= race.len() {
                break;
            }
            rungs.push((rung, race.len(), keeps));
            saved += race.drain(keeps..).map(|epochs| epochs - rung).sum::<usize>();
        }
        let whole = epochs.iter().sum();
        Some(Budget { rungs, whole, pruned: whole - saved })
    }
}
