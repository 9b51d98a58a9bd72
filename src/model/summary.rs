//! What a model consists of, as data and as plain text.

use std::fmt;

use crate::sample::SampleShape;

/// A model's layers and how much there is to train in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The shape of one sample.
    pub input_shape: SampleShape,
    /// The layers, in order.
    pub rows: Vec<SummaryRow>,
    /// Numbers in all parameters of one parameter set.
    pub parameters: usize,
    /// Those of them that training changes.
    pub trainable: usize,
}

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SummaryRow {
    /// `layers.0`: what its tensors are called.
    pub name: String,
    /// How many residual blocks it is in.
    pub depth: usize,
    /// `Linear(784, 630)`.
    pub kind: String,
    /// The shape of one output sample.
    pub output_shape: Vec<usize>,
    /// Numbers in its parameters; of a block 0, for its layers have rows of their own.
    pub parameters: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = vec![["Layer", "Kind", "Output", "Parameters"].map(str::to_owned)];
        lines.extend(self.rows.iter().map(|row| {
            let parameters = if row.parameters == 0 { "-".to_owned() } else { grouped(row.parameters) };
            [indented(row), row.kind.clone(), shape(&row.output_shape), parameters]
        }));
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let [name, kind, output, parameters] = [width(0), width(1), width(2), width(3)];
        for line in &lines {
            let [a, b, c, d] = line;
            writeln!(f, "{a:<name$}  {b:<kind$}  {c:<output$}  {d:>parameters$}")?;
        }
        writeln!(f, "Input: {}", self.input_shape)?;
        let (total, trainable) = (grouped(self.parameters), grouped(self.trainable));
        write!(f, "Parameters: {total}, trainable: {trainable}")
    }
}

/// The name, two spaces further in for every block around it.
fn indented(row: &SummaryRow) -> String {
    format!("{}{}", "  ".repeat(row.depth), row.name)
}

fn shape(dims: &[usize]) -> String {
    let sides: Vec<String> = dims.iter().map(usize::to_string).collect();
    format!("[{}]", sides.join(", "))
}

/// Thousands apart: `1,234,567`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        let texts = [0, 999, 1000, 135_562, 1_234_567].map(grouped);
        assert_eq!(texts, ["0", "999", "1,000", "135,562", "1,234,567"]);
    }
}
