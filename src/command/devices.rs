//! `runner devices`: CPUs and GPUs as the program sees them.

use super::{print, render};
use crate::Result;
use crate::cli::FormatArgs;
use crate::device::{Processor, cuda_absence, cuda_devices};
use crate::error::EXIT_OK;
use crate::output::{Cell, Column, Table};

/// A row a device; a reason on standard error where there is no GPU.
pub fn execute(format: FormatArgs) -> Result<u8> {
    let processor = Processor::detect();
    let mut table = Table::new(vec![
        Column::text("device"),
        Column::text("model"),
        Column::number("cores"),
        Column::text("instruction set"),
    ]);
    table.push(vec![
        Cell::Text("cpu".into()),
        Cell::Text(processor.model),
        Cell::Count(processor.cores),
        Cell::Text(processor.instruction_set.into()),
    ]);
    let cuda = cuda_devices();
    for device in &cuda {
        table.push(vec![Cell::Text(device.to_string()), Cell::Text("CUDA device".into())]);
    }
    print(&render(&table, format)?)?;
    if cuda.is_empty()
        && let Some(reason) = cuda_absence()
    {
        super::say(&format!("no CUDA device: {reason}"));
    }
    Ok(EXIT_OK)
}
