//! Learning curves as plain text.
//!
//! The lines are drawn in Braille dots by `textplots`; without colour they are told apart by being solid or
//! dotted. Scaling, axes and legend are ours: the crate's have one decimal and no room for a second line.

use std::fmt::Write;

use textplots::{Chart, Plot, Shape};

use super::number::significant;
use crate::train::event::Row;

/// Dots in a character, across and down.
const DOTS: (usize, usize) = (2, 4);
/// The distance between the dots of a dotted line.
const GAP: f64 = 3.0;
/// The sides in characters within which a drawing makes sense and the crate does not panic.
const WIDTHS: (usize, usize) = (40, 400);
const HEIGHTS: (usize, usize) = (4, 100);

/// Draws one or two columns of `rows` over the epochs, the first solid and the second dotted, in `width` by
/// about `height` characters. NaN and infinite values leave a gap.
pub fn curve(rows: &[Row], columns: &[&str], width: usize, height: usize) -> String {
    let (width, height) = (width.clamp(WIDTHS.0, WIDTHS.1), height.clamp(HEIGHTS.0, HEIGHTS.1));
    let series: Vec<Vec<(f64, f64)>> = columns.iter().map(|column| points(rows, column)).collect();
    let Some(scale) = Scale::over(&series) else {
        return "nothing to draw: there are no finite values yet\n".to_owned();
    };
    let labels = [significant(scale.top, 3), significant(scale.bottom, 3)];
    let margin = labels.iter().map(String::len).max().unwrap_or(0);
    let columns_left = width - margin - 2;
    let frame = dots(&series, &scale, columns_left, height);
    let mut text = assemble(&frame, &labels, margin, columns_left, &scale);
    let legend: Vec<String> = columns
        .iter()
        .zip(&series)
        .zip(["──", "··"])
        .filter(|((_, points), _)| !points.is_empty())
        .map(|((column, _), mark)| format!("{mark} {column}"))
        .collect();
    let _ = writeln!(text, "{:margin$}  {}", "", legend.join("   "));
    text
}

/// Epochs and values; NaN where there is none.
fn points(rows: &[Row], column: &str) -> Vec<(f64, f64)> {
    let value = |row: &Row| row.value(column).filter(|value| value.is_finite()).unwrap_or(f64::NAN);
    let points: Vec<(f64, f64)> = rows.iter().map(|row| (row.epoch as f64, value(row))).collect();
    if points.iter().all(|(_, value)| value.is_nan()) { Vec::new() } else { points }
}

/// The part of the plane that is shown.
struct Scale {
    left: f64,
    right: f64,
    bottom: f64,
    top: f64,
}

impl Scale {
    /// Around all finite points; a constant lies in the middle.
    fn over(series: &[Vec<(f64, f64)>]) -> Option<Self> {
        let all = || series.iter().flatten();
        let finite = || all().map(|point| point.1).filter(|value| value.is_finite());
        let (mut bottom, mut top) = (finite().reduce(f64::min)?, finite().reduce(f64::max)?);
        if top <= bottom {
            let room = if top == 0.0 { 1.0 } else { top.abs() * 0.1 };
            (bottom, top) = (bottom - room, top + room);
        }
        let left = all().map(|point| point.0).reduce(f64::min)?;
        let right = all().map(|point| point.0).reduce(f64::max)?;
        Some(Self { left, right, bottom, top })
    }

    /// In dots from the lower left corner.
    fn place(&self, (x, y): (f64, f64), (across, up): (f64, f64)) -> (f64, f64) {
        let wide = if self.right > self.left { (x - self.left) / (self.right - self.left) } else { 0.0 };
        // Halves keep the difference of two very large values finite.
        let high = (y / 2.0 - self.bottom / 2.0) / (self.top / 2.0 - self.bottom / 2.0);
        (wide * across, high * up)
    }
}

/// The lines of Braille characters.
fn dots(series: &[Vec<(f64, f64)>], scale: &Scale, columns: usize, lines: usize) -> Vec<String> {
    // One dot less, since the crate draws the one at the far end too.
    let (across, up) = (columns * DOTS.0 - 1, lines * DOTS.1 - 1);
    let extent = (across as f64, up as f64);
    let mut solid: Vec<Vec<(f32, f32)>> = Vec::new();
    let mut dotted: Vec<(f32, f32)> = Vec::new();
    for (index, points) in series.iter().enumerate() {
        let placed: Vec<(f64, f64)> = points.iter().map(|point| scale.place(*point, extent)).collect();
        for part in placed.split(|(_, y)| y.is_nan()) {
            let spread = if index == 0 && part.len() > 1 { part.to_vec() } else { stipple(part) };
            let single = spread.into_iter().map(|(x, y)| (x as f32, y as f32));
            if index == 0 && part.len() > 1 { solid.push(single.collect()) } else { dotted.extend(single) }
        }
    }
    let shapes: Vec<Shape<'_>> =
        solid.iter().map(|line| Shape::Lines(line)).chain([Shape::Points(&dotted)]).collect();
    let mut chart =
        Chart::new_with_y_range(across as u32, up as u32, 0.0, extent.0 as f32, 0.0, extent.1 as f32);
    let mut chart = &mut chart;
    for shape in &shapes {
        chart = chart.lineplot(shape);
    }
    chart.figures();
    let mut frame: Vec<String> = chart.frame().lines().map(|line| line.trim_end().to_owned()).collect();
    frame.resize(lines, String::new());
    frame
}

/// Dots along the lines between the points.
fn stipple(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut dots: Vec<(f64, f64)> = points.first().copied().into_iter().collect();
    for pair in points.windows(2) {
        let ((x1, y1), (x2, y2)) = (pair[0], pair[1]);
        let steps = ((x2 - x1).abs().max((y2 - y1).abs()) / GAP).ceil().max(1.0);
        dots.extend((1..=steps as usize).map(|step| {
            let part = step as f64 / steps;
            (x1 + (x2 - x1) * part, y1 + (y2 - y1) * part)
        }));
    }
    dots
}

fn assemble(frame: &[String], labels: &[String; 2], margin: usize, columns: usize, scale: &Scale) -> String {
    let mut text = String::new();
    for (index, line) in frame.iter().enumerate() {
        let label = match index {
            0 => &labels[0],
            last if last + 1 == frame.len() => &labels[1],
            _ => "",
        };
        let mark = if label.is_empty() { '│' } else { '┤' };
        let _ = writeln!(text, "{label:>margin$} {mark}{line}");
    }
    let _ = writeln!(text, "{:margin$} └{}", "", "─".repeat(columns));
    let (first, last) = (scale.left.to_string(), scale.right.to_string());
    let axis = if scale.right > scale.left {
        let room = columns.saturating_sub(first.len() + last.len());
        format!("{first}{:^room$}{last}", "epoch")
    } else {
        format!("{first}  epoch")
    };
    let _ = writeln!(text, "{:margin$}  {axis}", "");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(train: &[f64], valid: &[f64]) -> Vec<Row> {
        let row = |(index, (train, valid)): (usize, (&f64, &f64))| Row {
            epoch: index + 1,
            step: 0,
            lr: 0.1,
            values: vec![("train_loss".into(), *train), ("valid_loss".into(), *valid)],
        };
        train.iter().zip(valid).enumerate().map(row).collect()
    }

    const LOSSES: [&str; 2] = ["train_loss", "valid_loss"];

    #[test]
    fn two_lines_are_told_apart() {
        let train = [2.3, 1.2, 0.8, 0.6, 0.45, 0.35, 0.3, 0.25, 0.2, 0.18];
        let valid = [2.0, 1.3, 1.0, 0.9, 0.85, 0.85, 0.9, 0.95, 1.0, 1.1];
        insta::assert_snapshot!(curve(&rows(&train, &valid), &LOSSES, 60, 8), @"
         2.30 ┤⠣⡀
              │⠁⢘⢄
              │   ⠧⡀
              │    ⠘⢄⡀
              │      ⠉⠚⠤⣂⠄⢀ ⡀                              ⡀⡀⢀ ⡀⠠ ⠄⠠
              │          ⠉⠢⠤⢄⣈⡀⠁⠈ ⠂⠐ ⠂⠐ ⠂⠐⠐ ⠂⠐ ⠂⠐ ⠁⠈ ⠁⠈ ⠁⠈
              │               ⠈⠉⠑⠒⠒⠢⠤⠤⢄⣀⣀⡀
        0.180 ┤                          ⠈⠉⠉⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠤⠤⠤⠤⠤⢄⣀⣀⣀⣀⣀⣀
              └─────────────────────────────────────────────────────
               1                      epoch                       10
               ── train_loss   ·· valid_loss
        ");
    }

    #[test]
    fn one_epoch_is_a_point() {
        insta::assert_snapshot!(curve(&rows(&[0.5], &[0.7]), &LOSSES, 40, 4), @"
        0.700 ┤⠁
              │
              │
        0.500 ┤⡀
              └─────────────────────────────────
               1  epoch
               ── train_loss   ·· valid_loss
        ");
    }

    #[test]
    fn a_constant_lies_in_the_middle() {
        insta::assert_snapshot!(curve(&rows(&[0.5; 3], &[0.5; 3]), &LOSSES[..1], 40, 5), @"
        0.550 ┤
              │
              │⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒
              │
        0.450 ┤
              └─────────────────────────────────
               1             epoch             3
               ── train_loss
        ");
    }

    #[test]
    fn what_is_not_finite_leaves_a_gap() {
        let train = [4.0, 3.0, f64::NAN, 1.0, f64::INFINITY];
        insta::assert_snapshot!(curve(&rows(&train, &[f64::NAN; 5]), &LOSSES, 40, 4), @"
        4 ┤⠉⠉⠒⠒⠤⢄⣀⡀
          │       ⠈⠉⠂
          │
        1 ┤                           ⢀
          └─────────────────────────────────────
           1               epoch               5
           ── train_loss
        ");
    }

    #[test]
    fn nothing_is_no_panic() {
        let text = "nothing to draw: there are no finite values yet\n";
        assert_eq!(curve(&[], &LOSSES, 80, 10), text);
        assert_eq!(curve(&rows(&[f64::NAN], &[f64::NAN]), &LOSSES, 80, 10), text);
        assert_eq!(curve(&rows(&[1.0], &[1.0]), &["none"], 80, 10), text);
        assert_eq!(curve(&rows(&[1.0], &[1.0]), &[], 80, 10), text);
    }

    #[test]
    fn no_size_and_no_value_makes_a_panic() {
        let values = [f64::MAX, f64::MIN, 5e-324, 0.0, -0.0, 1e300, -1e-300];
        for width in [0, 1, 39, 41, 80, 10_000] {
            for height in [0, 1, 3, 10_000] {
                let text = curve(&rows(&values, &values), &LOSSES, width, height);
                assert!(text.lines().all(|line| line.chars().count() <= width.clamp(40, 400)), "{text}");
            }
        }
    }

    #[test]
    fn many_epochs_fit_into_few_columns() {
        let losses: Vec<f64> = (1..=5_000).map(|epoch| 1.0 / f64::from(epoch)).collect();
        let text = curve(&rows(&losses, &losses), &LOSSES, 60, 6);
        assert_eq!(text.lines().count(), 9);
    }
}
