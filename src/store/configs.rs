//! The configurations of many runs. Those of one sweep differ in a few tables, so what they have alike is
//! parsed once.

use std::collections::HashMap;

use super::RunEntry;
use super::side_by_side::side_by_side;
use crate::Result;

/// `config.toml` of every entry, in their order: what [`RunEntry::config`] gives one by one.
pub fn configs(entries: &[&RunEntry]) -> Vec<Result<toml::Table>> {
    side_by_side(entries, |entries| {
        let mut known = Known::default();
        entries.iter().map(|entry| known.config(entry)).collect()
    })
}

/// What was parsed so far.
#[derive(Default)]
struct Known(HashMap<String, Option<toml::Table>>);

impl Known {
    fn config(&mut self, entry: &RunEntry) -> Result<toml::Table> {
        let text = entry.config_text()?;
        // Whatever is unusual, the errors included, is left to the parser.
        self.together(&text).map_or_else(|| entry.config(), Ok)
    }

    /// The document put together from its blocks; `None` if that is not certain to be what it says as a whole.
    ///
    /// Blocks that are whole documents each, and have no top-level key in common, say the same together: where a
    /// document ends, no string or list is open.
    fn together(&mut self, text: &str) -> Option<toml::Table> {
        let mut whole = toml::Table::new();
        for block in blocks(text) {
            if !self.0.contains_key(block) {
                self.0.insert(block.to_owned(), block.parse().ok());
            }
            for (key, value) in self.0.get(block)?.as_ref()? {
                if whole.insert(key.clone(), value.clone()).is_some() {
                    return None;
                }
            }
        }
        Some(whole)
    }
}

/// The text cut in front of every line that looks like a header, unless the one before begins with the same key.
fn blocks(text: &str) -> Vec<&str> {
    let mut blocks = Vec::new();
    let (mut start, mut at, mut current) = (0, 0, None);
    for line in text.split_inclusive('\n') {
        if let Some(header) = line.strip_prefix('[') {
            let header = header.strip_prefix('[').unwrap_or(header);
            let key = header.split(['.', ']']).next();
            if key != current && at > start {
                blocks.push(&text[start..at]);
                start = at;
            }
            current = key;
        }
        at += line.len();
    }
    blocks.push(&text[start..]);
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "name = \"e\"\nseed = 1\n\n[data]\nsource = \"csv\"\n\n[data.split]\ntrain = 0.8\n\n[model]\n\
        kind = \"sequential\"\n\n[[model.layers]]\nkind = \"linear\"\n\n[[model.layers]]\nkind = \"relu\"\n";

    #[test]
    fn a_block_is_a_table_with_all_that_lies_in_it() {
        let blocks = blocks(CONFIG);
        let starts: Vec<&str> = blocks.iter().filter_map(|block| block.lines().next()).collect();
        assert_eq!(starts, ["name = \"e\"", "[data]", "[model]"]);
        assert_eq!(blocks.concat(), CONFIG);
        assert_eq!(super::blocks("[a]\nx = 1\n"), ["[a]\nx = 1\n"]);
    }

    #[test]
    fn blocks_say_together_what_the_text_says() {
        let mut known = Known::default();
        let other_seed = CONFIG.replace("seed = 1", "seed = 2");
        for text in [CONFIG, &other_seed, CONFIG, "", "a = 1", "[a]\nx = 1\n[b]\nx = 1\n"] {
            let whole: toml::Table = text.parse().unwrap();
            let together = known.together(text).unwrap();
            assert_eq!(together, whole);
            assert!(together.keys().eq(whole.keys()), "the order of the keys");
        }
        assert_eq!(known.0.keys().filter(|block| block.starts_with("[model]")).count(), 1);
    }

    #[test]
    fn what_cannot_be_cut_is_left_to_the_parser() {
        let mut known = Known::default();
        for text in [
            // Strings and lists that look like headers.
            "a = \"\"\"\n[b]\nx = 1\n\"\"\"",
            "a = '''\n[b]\n[c]\n'''\n[d]\ny = 1",
            "a = [\n[1],\n[2]\n]",
            // A table in two places, in two spellings, and beside a key.
            "[a]\nx = 1\n[b]\n[a.c]\ny = 1",
            "[a]\nx = 1\n[\"a\".b]\ny = 1",
            "a.x = 1\n[a.b]\ny = 1",
            // Not TOML.
            "[a]\nx = 1\n[b]\ny =",
            "[a]\nx = 1\n[b\ny = 1",
            "[a]\n[b]\n[a]\n",
        ] {
            assert_eq!(known.together(text), None, "{text}");
        }
    }

    #[test]
    fn every_run_gets_what_it_would_get_alone() {
        let folder = tempfile::tempdir().unwrap();
        let texts = [Some(CONFIG), Some("seed ="), None, Some("a = [\n[1]\n]"), Some(CONFIG)];
        let entry = |(number, text): (usize, Option<&str>)| {
            let dir = folder.path().join(number.to_string());
            std::fs::create_dir_all(&dir).unwrap();
            if let Some(text) = text {
                std::fs::write(dir.join("config.toml"), text).unwrap();
            }
            let (experiment, name) = (String::new(), number.to_string());
            RunEntry { dir, experiment, name, record: crate::store::RunRecord::default() }
        };
        let entries: Vec<RunEntry> = texts.into_iter().enumerate().map(entry).collect();
        let found = configs(&entries.iter().collect::<Vec<_>>());
        for (entry, found) in entries.iter().zip(found) {
            match (entry.config(), found) {
                (Ok(alone), Ok(found)) => assert_eq!(found, alone),
                (Err(alone), Err(found)) => assert_eq!(found.to_string(), alone.to_string()),
                (alone, found) => panic!("{alone:?} {found:?}"),
            }
        }
    }
}
