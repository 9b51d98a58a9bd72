//! Which keys can be asked about.

use crate::config::assignment::quoted_path;
use crate::config::{extends, schema};
use crate::setting::{Diagnostic, KeyPath, Segment, keys_of, nearest};
use crate::sweep::{SweepConfig, short_key};
use crate::{Error, Result};

/// The path that a key stands for, if an experiment can have it.
pub(super) fn known(key: &str) -> Result<KeyPath> {
    let path = quoted_path(key.trim());
    let dotted = path.to_string();
    let of_sweep = || match path.0.as_slice() {
        [Segment::Key(sweep)] => sweep == "sweep",
        [Segment::Key(sweep), Segment::Key(key), ..] => {
            sweep == "sweep" && keys_of::<SweepConfig>().contains(&key.as_str())
        }
        _ => false,
    };
    let keys = schema::keys();
    if keys.contains(&dotted) || of_sweep() {
        return Ok(path);
    }
    let short = || keys.iter().find(|key| short_key(key, keys) == dotted).map(String::as_str);
    let near = short().or_else(|| nearest(&dotted, keys.iter().map(String::as_str)));
    let (message, help) = if dotted == extends::KEY {
        (format!("`{dotted}` is not a setting: it names the files that settings come from"), None)
    } else {
        (format!("unknown key `{dotted}`"), near.map(|key| format!("did you mean \"{key}\"?")))
    };
    Err(Error::Settings(vec![Diagnostic {
        message,
        excerpt: None,
        label: String::new(),
        notes: Vec::new(),
        help,
    }]))
}
