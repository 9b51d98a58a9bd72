//! `predictions.csv`: one row a sample.

use super::table;
use crate::target::Targets;
use crate::train::event::Predictions;
use crate::{Error, Result};

/// The whole file: `index,target,prediction,probability_<class>…`, classes by their names.
pub(super) fn render(predictions: &Predictions) -> Result<Vec<u8>> {
    let misfit = || Error::Bug("predictions whose parts do not fit together".into());
    let rows = predictions.index.len();
    let classes = predictions.classes.len();
    let fits = predictions.target.len() == rows
        && predictions.prediction.len() == rows
        && predictions.probabilities.len() == rows * classes;
    if !fits {
        return Err(misfit());
    }
    let cells = |targets: &Targets| -> Result<Vec<String>> {
        let name = |class: &u32| predictions.classes.get(*class as usize).cloned().ok_or_else(misfit);
        match targets {
            Targets::Classes(classes) => classes.iter().map(name).collect(),
            Targets::Values(values) => Ok(values.iter().map(|value| table::number(*value)).collect()),
        }
    };
    let (targets, made) = (cells(&predictions.target)?, cells(&predictions.prediction)?);

    let fixed = ["index", "target", "prediction"].map(str::to_owned);
    let columns = predictions.classes.iter().map(|class| format!("probability_{class}"));
    let mut text = table::line(fixed.into_iter().chain(columns))?;
    for row in 0..rows {
        let fixed = [predictions.index[row].to_string(), targets[row].clone(), made[row].clone()];
        let probabilities = &predictions.probabilities[row * classes..][..classes];
        text.extend(table::line(fixed.into_iter().chain(probabilities.iter().map(|p| table::number(*p))))?);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_have_their_names_and_probabilities_come_back() {
        let predictions = Predictions {
            index: vec![7, 0],
            target: Targets::Classes(vec![0, 1]),
            prediction: Targets::Classes(vec![1, 1]),
            probabilities: vec![0.1, 0.9, f32::NAN, 1e-9],
            classes: vec!["cat".into(), "dog, small".into()],
        };
        let text = String::from_utf8(render(&predictions).unwrap()).unwrap();
        insta::assert_snapshot!(text, @r#"
        index,target,prediction,probability_cat,"probability_dog, small"
        7,cat,"dog, small",0.1,0.9
        0,"dog, small","dog, small",NaN,1e-9
        "#);
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let whole = Predictions {
            index: vec![0],
            target: Targets::Classes(vec![0]),
            prediction: Targets::Classes(vec![0]),
            probabilities: vec![1.0],
            classes: vec!["a".into()],
        };
        assert!(render(&whole).is_ok());
        assert!(render(&Predictions { target: Targets::Classes(vec![1]), ..whole.clone() }).is_err());
        assert!(render(&Predictions { target: Targets::Classes(vec![]), ..whole.clone() }).is_err());
        assert!(render(&Predictions { probabilities: vec![], ..whole }).is_err());
    }
}
