//! What is done with the bytes of a fuzzer, and with the seeds in the project's own tests.

use std::path::PathBuf;

use runner::Result;
use runner::config::{Draft, Experiment, Layer, Rows, RunConfig};

/// Divides the input: the experiment file, then one part for everything beside it.
const SEPARATOR: char = '\u{1}';
/// Larger sweeps are counted but not expanded: a fuzzer's time is better spent.
const MOST_RUNS: usize = 2_000;
/// So many runs have their saved configuration read again.
const READ_AGAIN: usize = 3;

/// Reads the input as settings in every form. Whatever it is, nothing may panic; what is accepted must be
/// written and read again as itself.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(experiment) = load(text) else { return };
    let (Ok(count), Ok(rendered)) = (experiment.count(), experiment.render()) else { return };
    if count > MOST_RUNS {
        return;
    }
    let _ = experiment.describe_axes();
    match experiment.expand() {
        Ok(expansion) => {
            assert!(expansion.drafts.len() <= expansion.combinations, "more runs than combinations");
            expansion.drafts.iter().take(READ_AGAIN).for_each(saved_reads_back);
            let again = alone("experiment.toml", &rendered).and_then(|again| again.expand());
            let again = again.unwrap_or_else(|error| panic!("{error}\n{rendered}"));
            assert_eq!(again.drafts, expansion.drafts, "{rendered}");
        }
        // The messages are made of what was written: they must not panic either.
        Err(error) => drop(error.to_string()),
    }
}

fn load(text: &str) -> Result<Experiment> {
    let mut parts = text.split(SEPARATOR);
    let own = file("a.toml", parts.next().unwrap_or_default())?;
    let (mut below, mut above, mut rows) = (Vec::new(), Vec::new(), None);
    for part in parts {
        let (kind, rest) = part.split_at(part.chars().next().map_or(0, char::len_utf8));
        match kind {
            "+" => below.push(file("base.toml", rest)?),
            "-" => above.push(Layer::flag(rest)?),
            "#" => above.push(Layer::grid_flag(rest)?),
            "$" => {
                let (name, value) = rest.split_once('=').unwrap_or((rest, ""));
                above.extend(Layer::variable(&format!("RUNNER__{name}"), value).transpose()?);
            }
            "|" => rows = Some(Rows::parse("rows.csv".into(), rest)?),
            _ => {}
        }
    }
    below.push(own);
    below.extend(above);
    Experiment::from_layers(below, "a", rows)
}

fn file(origin: &str, text: &str) -> Result<Layer> {
    Layer::parse(origin.into(), PathBuf::from("/experiments"), text)
}

fn alone(origin: &str, text: &str) -> Result<Experiment> {
    Experiment::from_layers(vec![Layer::parse(origin.into(), PathBuf::new(), text)?], "a", None)
}

fn saved_reads_back(draft: &Draft) {
    let text = draft.config.render().unwrap_or_else(|error| panic!("{error}"));
    let value: toml::Value = toml::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let read: RunConfig = runner::setting::read(&value).unwrap_or_else(|found| panic!("{found:?}\n{text}"));
    // Not compared as numbers: NaN is refused long before, and -0 stays what it is.
    assert_eq!(read, draft.config, "{text}");
}
