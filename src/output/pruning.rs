//! What `runner plan` says of the rule by which runs stop early.

use crate::setting::Kind;
use crate::sweep::prune::{Budget, PruneConfig, RuleConfig};

/// Rungs that are shown; of more, the first ones.
const MOST_RUNGS: usize = 6;

/// One line: the rule, its rungs and what it leaves of the epochs of runs with so many each.
pub fn render(prune: &PruneConfig, column: &str, epochs: &[usize]) -> String {
    let kind = prune.kind.kind();
    match (&prune.kind, prune.budget(epochs)) {
        (RuleConfig::Threshold(range), _) => {
            let ends = [("above", range.max), ("below", range.min)];
            let ends = ends.into_iter().filter_map(|(word, end)| Some(format!("{word} {}", end?)));
            let (ends, first) = (ends.collect::<Vec<_>>().join(" or "), prune.common.min_epochs);
            format!("prune: {kind}: a run whose {column} is {ends} at epoch {first} or later stops")
        }
        (_, Some(budget)) if !budget.rungs.is_empty() => {
            format!("prune: {kind} on {column}: {}", rungs(&budget, &prune.kind))
        }
        _ => format!("prune: {kind} on {column}: no run stops, they are too few or too short"),
    }
}

/// `27 runs, 9 go on behind epoch 1, 3 behind 3: at most 74 of 540 epochs`.
fn rungs(budget: &Budget, rule: &RuleConfig) -> String {
    let runs = budget.rungs.first().map_or(0, |(_, runs, _)| *runs);
    let mut parts = vec![format!("of {runs} runs")];
    for (index, (epoch, _, keeps)) in budget.rungs.iter().take(MOST_RUNGS).enumerate() {
        let words = if index == 0 { "go on behind epoch" } else { "behind" };
        parts.push(format!("{keeps} {words} {epoch}"));
    }
    if budget.rungs.len() > MOST_RUNGS {
        parts.push("…".to_owned());
    }
    // Halves are exact only where no two values are equal.
    let about = if matches!(rule, RuleConfig::Median(_)) { "about" } else { "at most" };
    let Budget { whole, pruned, .. } = budget;
    let (first, rest) = (parts.remove(0), parts.join(", "));
    format!("{first} {rest}: {about} {pruned} of {whole} epochs")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str, epochs: &[usize]) -> String {
        let table = toml::Value::Table(toml::from_str(text).unwrap());
        render(&crate::setting::read(&table).unwrap(), "valid_loss", epochs)
    }

    #[test]
    fn a_line_says_what_the_rule_costs() {
        assert_eq!(
            line("kind = 'asha'", &[20; 27]),
            "prune: asha on valid_loss: of 27 runs 9 go on behind epoch 1, 3 behind 3, 1 behind 9: at most 74 of 540 epochs"
        );
        assert_eq!(
            line("kind = 'median'", &[20; 9]),
            "prune: median on valid_loss: of 9 runs 5 go on behind epoch 1, 3 behind 6: about 76 of 180 epochs"
        );
        assert_eq!(
            line("kind = 'asha'", &[1; 27]),
            "prune: asha on valid_loss: no run stops, they are too few or too short"
        );
        assert_eq!(
            line("kind = 'threshold'\nmax = 2.5\nmin_epochs = 3", &[20; 27]),
            "prune: threshold: a run whose valid_loss is above 2.5 at epoch 3 or later stops"
        );
    }
}
