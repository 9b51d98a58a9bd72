//! Columns that something in a training watches.

use crate::setting::Problems;

/// Refuses a `monitor` that is none of the columns of a training.
pub fn check_monitor(column: Option<&str>, columns: &[String], problems: &mut Problems) {
    if let Some(column) = column
        && !columns.iter().any(|known| known == column)
    {
        let expected = format!("expected one of: {}", columns.join(", "));
        problems.refuse("monitor", format!("there is no metric \"{column}\""), expected);
        if let Some(near) = crate::setting::nearest(column, columns.iter().map(String::as_str)) {
            problems.advise(format!("did you mean \"{near}\"?"));
        }
    }
}
