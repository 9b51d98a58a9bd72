//! How well classes are told apart, as tables.

use super::table::{Cell, Column, Table};
use crate::metric::{ClassScores, ConfusionMatrix};

/// With more classes than this, or where the matrix does not fit the terminal, the worst pairs stand for it.
const MOST_COLUMNS: usize = 20;
/// Pairs that are shown.
const MOST_PAIRS: usize = 10;

/// What there is to show, for a terminal of `width` columns.
pub fn sheet(
    per_class: &[ClassScores],
    confusion: Option<&ConfusionMatrix>,
    width: Option<usize>,
) -> Vec<String> {
    let mut parts = Vec::new();
    if !per_class.is_empty() {
        parts.push(scores(per_class).text(width));
    }
    parts.extend(confusion.map(|matrix| {
        let whole = counts(matrix).text(None);
        let fits = width.is_none_or(|width| whole.lines().all(|line| line.chars().count() <= width));
        if matrix.classes.len() <= MOST_COLUMNS && fits { whole } else { pairs(matrix).text(width) }
    }));
    parts
}

/// One line a class.
fn scores(per_class: &[ClassScores]) -> Table {
    let numbers = ["precision", "recall", "f1", "auc", "support"].map(Column::number);
    let mut table = Table::new(std::iter::once(Column::text("class")).chain(numbers).collect());
    for one in per_class {
        let [precision, recall, f1, auc] = [one.precision, one.recall, one.f1, one.auc].map(Cell::Number);
        let support = Cell::Count(one.support as usize);
        table.push(vec![Cell::Text(one.class.clone()), precision, recall, f1, auc, support]);
    }
    table
}

/// The matrix: a row for each true class, a column for each predicted one, a point where there is nothing.
fn counts(matrix: &ConfusionMatrix) -> Table {
    let columns = matrix.classes.iter().map(Column::number);
    let mut table = Table::new(std::iter::once(Column::text("true \\ predicted")).chain(columns).collect());
    for (class, counts) in matrix.classes.iter().zip(&matrix.counts) {
        let cell = |count: &u64| match *count {
            0 => Cell::Text("·".into()),
            count => Cell::Count(count as usize),
        };
        table.push(std::iter::once(Cell::Text(class.clone())).chain(counts.iter().map(cell)).collect());
    }
    table
}

/// The pairs that are taken for each other most often.
fn pairs(matrix: &ConfusionMatrix) -> Table {
    let columns = vec![Column::text("true"), Column::text("taken for"), Column::number("samples")];
    let mut table = Table::new(columns);
    for (actual, predicted, count) in matrix.confusions().into_iter().take(MOST_PAIRS) {
        table.push(vec![
            Cell::Text(actual.into()),
            Cell::Text(predicted.into()),
            Cell::Count(count as usize),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::ClassReport;

    fn report(classes: usize, samples: usize) -> ClassReport {
        let names: Vec<String> = (0..classes).map(|class| format!("class {class}")).collect();
        let targets: Vec<u32> = (0..samples).map(|row| (row % classes) as u32).collect();
        let taken_for = |(row, target): (usize, &u32)| if row % 3 == 0 { row as u32 % 2 } else { *target };
        let predicted: Vec<u32> = targets.iter().enumerate().map(taken_for).collect();
        let hot = |class: u32| (0..classes as u32).map(move |one| if one == class { 0.75 } else { 0.1 });
        let probabilities: Vec<f32> = predicted.iter().copied().flat_map(hot).collect();
        ClassReport::new(&names, &targets, &predicted, &probabilities)
    }

    fn shown(report: &ClassReport, width: Option<usize>) -> String {
        sheet(&report.per_class, report.confusion.as_ref(), width).join("\n")
    }

    #[test]
    fn few_classes_have_a_matrix() {
        insta::assert_snapshot!(shown(&report(4, 40), None), @r"
        class    precision  recall      f1     auc  support
        ───────────────────────────────────────────────────
        class 0     0.7692       1  0.8696  0.9500       10
        class 1     0.7143       1  0.8333  0.9333       10
        class 2          1  0.7000  0.8235  0.8500       10
        class 3          1  0.6000  0.7500  0.8000       10

        true \ predicted  class 0  class 1  class 2  class 3
        ────────────────────────────────────────────────────
        class 0                10        ·        ·        ·
        class 1                 ·       10        ·        ·
        class 2                 3        ·        7        ·
        class 3                 ·        4        ·        6
        ");
    }

    #[test]
    fn many_classes_have_their_worst_pairs() {
        let report = report(21, 100);
        insta::assert_snapshot!(sheet(&[], report.confusion.as_ref(), None).join("\n"), @"
        true      taken for  samples
        ────────────────────────────
        class 3   class 1          3
        class 6   class 0          3
        class 9   class 1          3
        class 12  class 0          3
        class 15  class 1          3
        class 0   class 1          2
        class 3   class 0          2
        class 6   class 1          2
        class 9   class 0          2
        class 12  class 1          2
        ");
        assert_eq!(sheet(&report.per_class, report.confusion.as_ref(), None)[0].lines().count(), 23);
        assert!(shown(&self::report(4, 40), Some(40)).contains("taken for"));
        assert_eq!(sheet(&[], None, None), Vec::<String>::new());
    }
}
