//! The training state beside the weights, as tensors under `training.`.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};

use super::event::Row;
use super::progress::Progress;
use crate::optimizer::Optimizer;
use crate::{Error, Result};

const STEP: &str = "training.step";
const HISTORY: &str = "training.history";
const OPTIMIZER: &str = "training.optimizer.";
const BEST: &str = "training.best.";
/// `epoch`, `step` and `lr` stand before the metrics of a row.
const LEADING: usize = 3;

/// What a resume needs.
pub(super) struct Saved {
    pub model: Vec<(String, Tensor)>,
    pub optimizer: Vec<(String, Tensor)>,
    pub best: Option<Vec<(String, Tensor)>>,
    pub history: Vec<Row>,
    pub step: u64,
}

/// The tensors that go beside the model's; `best` only where it is not the model itself.
pub(super) fn save(
    optimizer: &dyn Optimizer,
    progress: &Progress,
    step: u64,
    best: Option<&[(String, Tensor)]>,
) -> Result<Vec<(String, Tensor)>> {
    let mut tensors = vec![
        (STEP.to_owned(), Tensor::new(step.cast_signed(), &Device::Cpu)?),
        (HISTORY.to_owned(), history(progress.rows())?),
    ];
    let state = optimizer.state()?;
    tensors.extend(state.into_iter().map(|(name, tensor)| (format!("{OPTIMIZER}{name}"), tensor)));
    let best = best.unwrap_or_default().iter();
    tensors.extend(best.map(|(name, tensor)| (format!("{BEST}{name}"), tensor.clone())));
    Ok(tensors)
}

/// Reads what [`save`] and the model wrote; `columns` are the metrics of a row.
pub(super) fn load(tensors: &[(String, Tensor)], columns: &[String]) -> Result<Saved> {
    let under = |prefix: &str| -> Vec<(String, Tensor)> {
        let named = tensors.iter().filter_map(|(name, tensor)| Some((name.strip_prefix(prefix)?, tensor)));
        named.map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect()
    };
    let find = |wanted: &str| {
        let found = tensors.iter().find(|(name, _)| name == wanted).map(|(_, tensor)| tensor);
        found.ok_or_else(|| Error::Request(format!("the checkpoint has no tensor `{wanted}`")))
    };
    let best = under(BEST);
    let model = tensors.iter().filter(|(name, _)| !name.starts_with("training.")).cloned().collect();
    Ok(Saved {
        model,
        optimizer: under(OPTIMIZER),
        best: (!best.is_empty()).then_some(best),
        history: rows(find(HISTORY)?, columns)?,
        step: find(STEP)?.to_dtype(DType::I64)?.to_scalar::<i64>()? as u64,
    })
}

/// The epochs that a checkpoint holds the state behind; none if it holds no state.
pub fn epochs_in(tensors: &BTreeMap<String, Tensor>) -> Option<usize> {
    tensors.get(HISTORY)?.dims().first().copied()
}

fn history(rows: &[Row]) -> Result<Tensor> {
    let width = rows.first().map_or(LEADING, |row| LEADING + row.values.len());
    let mut numbers = Vec::with_capacity(rows.len() * width);
    for row in rows {
        numbers.extend([row.epoch as f64, row.step as f64, row.lr]);
        numbers.extend(row.values.iter().map(|(_, value)| *value));
    }
    Ok(Tensor::from_vec(numbers, (rows.len(), width), &Device::Cpu)?)
}

fn rows(history: &Tensor, columns: &[String]) -> Result<Vec<Row>> {
    let width = LEADING + columns.len();
    match history.dims() {
        [0, _] => return Ok(Vec::new()),
        [_, found] if *found == width => {}
        _ => return Err(Error::Request("the checkpoint's history has other columns than this run".into())),
    }
    let numbers = history.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
    let row = |numbers: &[f64]| Row {
        epoch: numbers[0] as usize,
        step: numbers[1] as u64,
        lr: numbers[2],
        values: columns.iter().cloned().zip(numbers[LEADING..].iter().copied()).collect(),
    };
    Ok(numbers.chunks_exact(width).map(row).collect())
}
