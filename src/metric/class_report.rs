//! How well each class is told from the others.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::auc::area;
use super::counts::Count;

/// With more classes no matrix is kept: it would be larger than the predictions that it counts.
const MOST_CLASSES: usize = 256;

/// What the predictions for a part of the data come to, class by class.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassReport {
    /// None with more than 256 classes.
    pub confusion: Option<ConfusionMatrix>,
    /// In the order of the classes.
    pub per_class: Vec<ClassScores>,
}

/// How often samples of a class were taken for each class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfusionMatrix {
    /// The names of the classes.
    pub classes: Vec<String>,
    /// Samples: a row for each true class, a column for each predicted one.
    pub counts: Vec<Vec<u64>>,
}

/// How well one class is told from all others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClassScores {
    /// Its name.
    pub class: String,
    /// The part of the samples that were taken for it that are of it; 0 without any.
    pub precision: f64,
    /// The part of its samples that were taken for it; 0 without any.
    pub recall: f64,
    /// 2 · precision · recall / (precision + recall); 0 where it is neither there nor predicted.
    pub f1: f64,
    /// Its samples.
    pub support: u64,
    /// The area under the ROC curve against all other classes; NaN if there are samples of one sort only.
    #[serde(deserialize_with = "number")]
    #[schemars(with = "Option<f64>")]
    pub auc: f64,
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

impl ClassReport {
    /// Of samples with these true and predicted classes and `probabilities`, row-major `[n, classes]`.
    ///
    /// Classes beyond the names are left out.
    pub fn new(classes: &[String], targets: &[u32], predicted: &[u32], probabilities: &[f32]) -> Self {
        let has_matrix = classes.len() <= MOST_CLASSES;
        let size = if has_matrix { classes.len() } else { 0 };
        let mut matrix = vec![vec![0; size]; size];
        let mut counts = vec![Count::default(); classes.len()];
        for (target, predicted) in targets.iter().zip(predicted).map(|(t, p)| (*t as usize, *p as usize)) {
            if target >= classes.len() || predicted >= classes.len() {
                continue;
            }
            counts[target].support += 1;
            counts[predicted].predicted += 1;
            counts[target].right += u64::from(target == predicted);
            if has_matrix {
                matrix[target][predicted] += 1;
            }
        }
        let scores = |(class, (name, count)): (usize, (&String, Count))| ClassScores {
            class: name.clone(),
            precision: count.precision(),
            recall: count.recall(),
            f1: count.f1(),
            support: count.support,
            auc: area(probabilities, targets, classes.len(), class),
        };
        Self {
            confusion: has_matrix.then(|| ConfusionMatrix { classes: classes.to_vec(), counts: matrix }),
            per_class: classes.iter().zip(counts).enumerate().map(scores).collect(),
        }
    }
}

impl ConfusionMatrix {
    /// The pairs of a true class and another that its samples were taken for, with their number, the most
    /// frequent first.
    pub fn confusions(&self) -> Vec<(&str, &str, u64)> {
        let mut pairs = Vec::new();
        for (row, (actual, counts)) in self.classes.iter().zip(&self.counts).enumerate() {
            for (column, (predicted, count)) in self.classes.iter().zip(counts).enumerate() {
                if row != column && *count > 0 {
                    pairs.push((actual.as_str(), predicted.as_str(), *count));
                }
            }
        }
        pairs.sort_by_key(|(_, _, count)| std::cmp::Reverse(*count));
        pairs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|class| format!("c{class}")).collect()
    }

    /// ```python
    /// # scikit-learn 1.9.1
    /// y, p = [0, 0, 1, 1, 2, 2, 2, 0], [0, 1, 1, 3, 2, 0, 2, 0]
    /// confusion_matrix(y, p, labels=range(5)).tolist()
    /// precision_recall_fscore_support(y, p, labels=range(5), zero_division=0)
    /// ```
    #[test]
    fn counts_are_those_of_scikit_learn() {
        let (targets, predicted) = ([0, 0, 1, 1, 2, 2, 2, 0], [0, 1, 1, 3, 2, 0, 2, 0]);
        let probabilities = vec![0.2; 40];
        let report = ClassReport::new(&names(5), &targets, &predicted, &probabilities);
        let matrix = report.confusion.unwrap();
        let rows = [[2, 1, 0, 0, 0], [0, 1, 0, 1, 0], [1, 0, 2, 0, 0], [0; 5], [0; 5]];
        assert_eq!(matrix.counts, rows.map(|row| row.to_vec()));
        assert_eq!(matrix.confusions(), [("c0", "c1", 1), ("c1", "c3", 1), ("c2", "c0", 1)]);
        let third = 2.0 / 3.0;
        let expected =
            [(third, third, third, 3), (0.5, 0.5, 0.5, 2), (1.0, third, 0.8, 3), (0.0, 0.0, 0.0, 0)];
        for (found, expected) in report.per_class.iter().zip(expected) {
            let (precision, recall, f1, support) = expected;
            let pairs = [(found.precision, precision), (found.recall, recall), (found.f1, f1)];
            assert!(pairs.iter().all(|(found, expected)| (found - expected).abs() < 1e-15), "{found:?}");
            assert_eq!(found.support, support);
        }
        // All probabilities are equal; the last two classes have no sample.
        let areas: Vec<f64> = report.per_class.iter().map(|scores| scores.auc).collect();
        assert_eq!(areas[..3], [0.5; 3]);
        assert!(areas[3].is_nan() && areas[4].is_nan());
    }

    #[test]
    fn many_classes_have_scores_and_no_matrix() {
        let report = ClassReport::new(&names(300), &[0, 299], &[0, 0], &vec![0.0; 600]);
        assert!(report.confusion.is_none());
        assert_eq!(report.per_class.len(), 300);
        assert_eq!((report.per_class[0].support, report.per_class[299].support), (1, 1));
    }

    #[test]
    fn nan_comes_back_from_json() {
        let report = ClassReport::new(&names(2), &[0, 0], &[0, 1], &[0.5; 4]);
        let text = serde_json::to_string(&report.per_class).unwrap();
        assert!(text.contains("\"auc\":null"), "{text}");
        let read: Vec<ClassScores> = serde_json::from_str(&text).unwrap();
        assert!(read.iter().all(|scores| scores.auc.is_nan()));
    }
}
