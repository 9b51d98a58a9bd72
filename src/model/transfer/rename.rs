//! `model.rename`: other beginnings for the names of a file.

use std::collections::BTreeMap;

use super::{RENAME, is_below};
use crate::{Error, Result};

/// Beginnings that a message offers in the place of one that no name has.
const OFFERED: usize = 4;

/// What the beginnings of names become.
pub(super) struct Renaming<'a> {
    /// Both without the dot at their end: a beginning ends where a part of the name does.
    prefixes: Vec<(&'a str, &'a str)>,
}

impl<'a> Renaming<'a> {
    /// # Errors
    /// [`Error::Setting`] for a beginning that none of the `names` has: nothing would come of it.
    pub fn new(rename: &'a BTreeMap<String, String>, names: &[&str]) -> Result<Self> {
        let prefixes = rename.iter().map(|(from, to)| (without_dot(from), without_dot(to)));
        let prefixes: Vec<(&str, &str)> = prefixes.collect();
        for (written, (from, _)) in rename.keys().zip(&prefixes) {
            if !names.iter().any(|name| begins(name, from)) {
                let near = nearest(from, names).join(", ");
                let reason = format!(
                    "`model.rename` has \"{written}\", but no name in the file begins so; the nearest \
                     beginnings are: {near}"
                );
                return Err(Error::Setting { key: RENAME, reason });
            }
        }
        Ok(Self { prefixes })
    }

    /// A name with the longest beginning that there is something for replaced.
    pub fn of(&self, name: &str) -> String {
        let fits = self.prefixes.iter().filter(|(from, _)| begins(name, from));
        let Some((from, to)) = fits.max_by_key(|(from, _)| from.len()) else { return name.to_owned() };
        let rest = name[from.len()..].trim_start_matches('.');
        match (to.is_empty(), rest.is_empty()) {
            (true, _) => rest.to_owned(),
            (false, true) => (*to).to_owned(),
            (false, false) => format!("{to}.{rest}"),
        }
    }
}

/// `features.` means what `features` does.
fn without_dot(prefix: &str) -> &str {
    prefix.strip_suffix('.').unwrap_or(prefix)
}

/// Whether a name begins so; all begin with nothing.
fn begins(name: &str, prefix: &str) -> bool {
    prefix.is_empty() || is_below(name, prefix)
}

/// The beginnings of names, of as many parts as `prefix` has, that are most like it.
fn nearest<'n>(prefix: &str, names: &[&'n str]) -> Vec<&'n str> {
    let depth = prefix.matches('.').count();
    let mut found: Vec<&str> = Vec::new();
    for name in names {
        let end = name.match_indices('.').nth(depth).map_or(name.len(), |(end, _)| end);
        if !found.contains(&&name[..end]) {
            found.push(&name[..end]);
        }
    }
    found.sort_by_key(|known| strsim::damerau_levenshtein(prefix, known));
    found.truncate(OFFERED);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renamed(entries: &[(&str, &str)], name: &str) -> String {
        let rename = entries.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
        Renaming::new(&rename, &[name]).unwrap().of(name)
    }

    #[test]
    fn the_longest_beginning_is_replaced_with_and_without_a_dot() {
        assert_eq!(renamed(&[("module", "")], "module.layers.0.weight"), "layers.0.weight");
        assert_eq!(renamed(&[("module.", "")], "module.layers.0.weight"), "layers.0.weight");
        assert_eq!(renamed(&[("", "layers")], "0.weight"), "layers.0.weight");
        assert_eq!(renamed(&[("", "layers.")], "0.weight"), "layers.0.weight");
        assert_eq!(renamed(&[("features.", "layers.")], "features.1.bias"), "layers.1.bias");
        assert_eq!(renamed(&[("features.", "layers")], "features.1.bias"), "layers.1.bias");
        assert_eq!(renamed(&[("a", "b"), ("a.1", "c")], "a.1.bias"), "c.bias");
    }

    #[test]
    fn a_beginning_that_no_name_has_is_refused_with_those_that_are_like_it() {
        let names = ["features.0.weight", "features.0.bias", "features.10.weight", "classifier.1.weight"];
        let refused = |entry: &str| {
            let rename = BTreeMap::from([(entry.to_owned(), "layers".to_owned())]);
            Renaming::new(&rename, &names).err().map(|error| error.to_string())
        };
        assert_eq!(
            refused("feature").unwrap(),
            "`model.rename` has \"feature\", but no name in the file begins so; the nearest beginnings are: \
             features, classifier"
        );
        assert!(refused("features.1").unwrap().ends_with(": features.0, features.10, classifier.1"));
        assert!(refused("features.0.w.x").unwrap().contains("are: features.0."));
        assert_eq!(refused("features.10"), None);
        assert!(refused("features.10.weights").is_some());
    }
}
