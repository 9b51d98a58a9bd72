//! The table `data` of an experiment, from what the user wrote to data in memory.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::dataset::Dataset;
use super::image::Normalize;
use super::selection::ClassName;
use super::split::SplitConfig;
use super::{AugmentConfig, SourceConfig};
use crate::Result;
use crate::setting::{Flat, Problems};
use crate::target::TaskKind;

/// The table `data`: the source with its own keys, and beside them the keys that every source has.
pub type DataConfig = Flat<DataSettings, SourceConfig>;

/// What can be set for every source.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DataSettings {
    /// How the rows are divided; without it the source decides: 0.6/0.2/0.2 for digits, 0.8/0.2 else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<SplitConfig>,
    /// How values are scaled, fitted on the train part; the source decides unless set: `unit` for images,
    /// `standardize` for tables, `none` for texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normalize: Option<Normalize>,
    /// The classes that are kept, by name or number; they are numbered anew, in this order. All unless set.
    /// A class that no training sample is of is named in a note when a training begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2))]
    pub classes: Option<Vec<ClassName>>,
    /// Random changes of the training images, one after the other, drawn anew in every epoch.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub augment: Vec<AugmentConfig>,
    /// The largest number of training samples; the other parts stay as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub limit: Option<usize>,
}

impl Flat<DataSettings, SourceConfig> {
    /// Refuses settings that cannot work; does not look at the disk.
    pub fn check(&self, problems: &mut Problems) {
        let source = self.kind.source();
        source.check(problems);
        if let Some(classes) = &self.common.classes {
            let (fits, count) = (classes.len() >= 2, format!("{} long", classes.len()));
            problems.require(fits, "classes", count, "two classes or more");
        }
        problems.within("augment", |problems| {
            for (index, entry) in self.common.augment.iter().enumerate() {
                problems.within_entry(index, |problems| entry.check(problems));
            }
        });
        if let Some(limit) = self.common.limit {
            problems.require(limit >= 1, "limit", limit, "at least 1");
        }
        if let Some(normalize) = self.common.normalize.filter(|_| !source.is_scaled())
            && normalize != Normalize::None
        {
            let message = "`normalize` scales numbers, and the samples of this source are none";
            problems.refuse("normalize", message, "expected \"none\"");
        }
        if self.common.normalize == Some(Normalize::Unit) && !source.has_maximum() {
            let message = "`normalize` is \"unit\", but a table has no maximum to divide by";
            problems.refuse("normalize", message, "expected `none`, `standardize` or `min_max`");
        }
        if let Some(split) = &self.common.split {
            problems.within("split", |problems| split.check(source.has_test(), problems));
        }
    }

    /// Fills in every default and makes paths absolute; a second call changes nothing.
    ///
    /// Fails if there is no current folder, or no home folder for a default path.
    pub fn resolve(&mut self) -> Result<()> {
        if let Some(resolved) = self.kind.source().resolved()? {
            self.kind = resolved;
        }
        self.common.split = Some(self.split_config());
        self.common.normalize = Some(self.normalize());
        Ok(())
    }

    /// How the rows are divided, with every default filled in.
    pub fn split_config(&self) -> SplitConfig {
        let mut split = self.common.split.clone().unwrap_or_else(|| self.kind.source().default_split());
        split.resolve();
        split
    }

    /// What there is to predict; none where only the data can tell. Call after [`resolve`](Self::resolve).
    pub fn task(&self) -> Option<TaskKind> {
        self.kind.source().task()
    }

    /// How values are scaled.
    pub fn normalize(&self) -> Normalize {
        self.common.normalize.unwrap_or_else(|| self.kind.source().default_normalize())
    }

    /// 64 hex digits over the content that the settings point to; names and places make no difference.
    ///
    /// Data that is built in or made up is covered by its kind and version: its settings say the rest.
    pub fn fingerprint(&self) -> Result<String> {
        self.kind.source().fingerprint()
    }

    /// Reads or makes the data, checked through and through.
    pub fn load(&self) -> Result<Dataset> {
        self.kind.source().load()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setting::{self, Kind};

    fn parse(text: &str) -> DataConfig {
        setting::read(&toml::Value::Table(toml::from_str(text).unwrap())).unwrap()
    }

    fn problems(text: &str) -> Vec<(String, String)> {
        let mut problems = Problems::default();
        parse(text).check(&mut problems);
        problems.into_found().into_iter().map(|p| (p.path.to_string(), p.message)).collect()
    }

    #[test]
    fn a_resolved_table_is_complete_and_reads_back_as_itself() {
        for text in [
            "source = 'digits'",
            "source = 'mnist'\nnormalize = 'standardize'",
            "source = 'fashion-mnist'\npath = 'here'",
            "path = 'there'\nsource = 'idx'\n[split]\ntrain = 0.5",
            "source = 'text'\npath = 'a.csv'",
            "source = 'text'\npath = 'a.csv'\ntest_path = 'b.csv'\nvocabulary = 9\ntokenizer = 'chars'",
            "source = 'images'\npath = 'a'\nsize = [8, 9]\nchannels = 1",
            "source = 'synthetic'\nimage_size = [4, 6]\nsplit = { test = 0.1, shuffle = false }",
            "source = 'digits'\nsplit = { folds = 5, fold = 3, test = 0.2 }",
            "source = 'csv'\npath = '/d/a.csv'\ntarget = 'y'\nignore = ['a']\nmissing = 'mean'\ntask = 'regression'",
            "seed = 3\nsource = 'synthetic'\nfeatures = 4\nkind = 'blobs'\nnormalize = 'none'",
            "noise = 0.2\nkind = 'moons'\nsource = 'synthetic'",
            "kind = 'spirals'\nsource = 'synthetic'",
            "kind = 'regression'\nsource = 'synthetic'",
        ] {
            let mut config = parse(text);
            config.resolve().unwrap();
            let written = toml::to_string(&config).unwrap();
            let read = parse(&written);
            assert_eq!(read, config, "{written}");
            let mut again = config.clone();
            again.resolve().unwrap();
            assert_eq!(again, config);
            let split = config.common.split.unwrap();
            if split.folds.is_none() {
                let sum = split.train.unwrap() + split.valid.unwrap() + split.test;
                assert!((sum - 1.0).abs() < 1e-12, "{written}");
            }
            assert!(config.common.normalize.is_some());
        }
    }

    #[test]
    fn the_resolved_text_has_every_key() {
        let mut config = parse("source = 'synthetic'\nseed = 3");
        config.resolve().unwrap();
        let expected = "source = \"synthetic\"\nkind = \"images\"\nsamples = 1000\nimage_size = [28, 28]\n\
             channels = 1\nnum_classes = 10\nnoise = 0.1\nseed = 3\nnormalize = \"unit\"\n\n\
             [split]\ntrain = 0.8\nvalid = 0.2\ntest = 0.0\nseed = 0\nshuffle = true\nstratify = false\n";
        assert_eq!(toml::to_string(&config).unwrap(), expected);
    }

    #[test]
    fn each_kind_of_made_up_data_has_its_own_keys() {
        let mut config = parse("seed = 3\nsource = 'synthetic'\nkind = 'moons'");
        config.resolve().unwrap();
        let expected = "source = \"synthetic\"\nkind = \"moons\"\nsamples = 1000\nnoise = 0.1\nseed = 3\n\
             normalize = \"standardize\"\n";
        let written = toml::to_string(&config).unwrap();
        assert!(written.starts_with(expected), "{written}");
        let unknown = |text: &str| {
            let value = toml::Value::Table(toml::from_str(text).unwrap());
            let found = setting::read::<DataConfig>(&value).unwrap_err();
            found.into_iter().map(|problem| problem.path.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(
            unknown("channels = 3\nsource = 'synthetic'\nkind = 'blobs'\nimage_size = [2, 2]"),
            ["channels", "image_size"]
        );
        assert_eq!(unknown("source = 'synthetic'\nkind = 'bolbs'"), ["kind"]);
        assert_eq!(unknown("source = 'synthetic'\nfeatures = 3"), ["features"]);
    }

    #[test]
    fn each_source_has_its_default_split() {
        let fractions = |text: &str| {
            let split = parse(text).split_config();
            (split.train, split.valid, split.test)
        };
        assert_eq!(fractions("source = 'digits'"), (Some(0.6), Some(0.2), 0.2));
        assert_eq!(fractions("source = 'synthetic'"), (Some(0.8), Some(0.2), 0.0));
        assert_eq!(fractions("source = 'digits'\nsplit = { train = 0.7 }"), (Some(0.7), Some(0.3), 0.0));
        assert_eq!(fractions("source = 'digits'\nsplit = { folds = 5 }"), (None, None, 0.0));
    }

    #[test]
    fn folds_validate() {
        let validates = |split: &str| parse(&format!("source = 'digits'\nsplit = {split}")).has_validation();
        assert!(validates("{ folds = 5 }") && validates("{ folds = 5, fold = 1, test = 0.2 }"));
        assert!(validates("{ train = 0.9 }") && !validates("{ train = 1 }"));
    }

    #[test]
    fn settings_that_cannot_work_are_refused_where_they_stand() {
        let paths = |text: &str| problems(text).into_iter().map(|(path, _)| path).collect::<Vec<_>>();
        assert!(paths("source = 'digits'").is_empty());
        assert_eq!(paths("source = 'digits'\nsplit = { train = 0 }"), ["split.train"]);
        assert_eq!(paths("source = 'digits'\nsplit = { train = nan }"), ["split.train"]);
        assert_eq!(
            paths("source = 'digits'\nsplit = { valid = -0.1, test = 1.5 }"),
            ["split.valid", "split.test"]
        );
        assert_eq!(paths("source = 'digits'\nsplit = { train = 0.7, test = 0.4 }"), ["split"]);
        assert_eq!(paths("source = 'mnist'\nsplit = { test = 0.1 }"), ["split.test"]);
        // Which fold is left to the sweep.
        assert!(paths("source = 'mnist'\nsplit = { folds = 5 }").is_empty());
        assert!(paths("source = 'digits'\nsplit = { folds = 5, fold = 5, test = 0.2 }").is_empty());
        assert_eq!(paths("source = 'digits'\nsplit = { folds = 1, fold = 1 }"), ["split.folds"]);
        assert_eq!(paths("source = 'digits'\nsplit = { folds = 5, fold = 0 }"), ["split.fold"]);
        assert_eq!(paths("source = 'digits'\nsplit = { folds = 5, fold = 6 }"), ["split.fold"]);
        assert_eq!(paths("source = 'digits'\nsplit = { fold = 1 }"), ["split.fold"]);
        assert_eq!(
            paths("source = 'digits'\nsplit = { folds = 5, train = 0.8, valid = 0.2, test = 1 }"),
            ["split.train", "split.valid", "split.test"]
        );
        assert_eq!(paths("source = 'mnist'\nsplit = { folds = 5, test = 0.1 }"), ["split.test"]);
        assert_eq!(paths("source = 'idx'"), ["path"]);
        assert_eq!(paths("source = 'idx'\npath = 'a'\nimages = 'b'"), ["images"]);
        assert_eq!(paths("source = 'idx'\nimages = 'b'"), ["labels"]);
        assert_eq!(paths("source = 'idx'\nimages = 'a'\nlabels = 'b'\ntest_labels = 'c'"), ["test_images"]);
        assert_eq!(
            paths("source = 'synthetic'\nsamples = 0\nimage_size = [0, 5]\nnum_classes = 1\nnoise = inf"),
            ["samples", "image_size", "num_classes", "noise"]
        );
        assert_eq!(
            paths(
                "source = 'synthetic'\nkind = 'blobs'\nsamples = 0\nfeatures = 0\nnum_classes = 1\nnoise = 2"
            ),
            ["samples", "features", "num_classes", "noise"]
        );
        assert_eq!(
            paths("source = 'synthetic'\nkind = 'moons'\nnoise = nan\nnormalize = 'unit'"),
            ["noise", "normalize"]
        );
        assert_eq!(paths("source = 'synthetic'\nkind = 'regression'\nfeatures = 65537"), ["features"]);
        assert_eq!(paths("source = 'csv'"), ["path", "target"]);
        let csv = "source = 'csv'\npath = 'a'\ntarget = 'y'";
        assert!(paths(csv).is_empty());
        assert_eq!(paths(&format!("{csv}\nfeatures = []\nnormalize = 'unit'")), ["features", "normalize"]);
        assert_eq!(paths(&format!("{csv}\nfeatures = ['a', 'y', 'a']")), ["features[1]", "features[2]"]);
        assert_eq!(paths(&format!("{csv}\nignore = ['y']\nfeatures = ['a']")), ["ignore", "ignore[0]"]);
        assert_eq!(paths(&format!("{csv}\ndelimiter = 'x'")), ["delimiter"]);
        assert_eq!(paths(&format!("{csv}\ntest_path = 'b'\nsplit = {{ test = 0.1 }}")), ["split.test"]);
    }

    #[test]
    fn settings_of_texts_and_images_are_refused_where_they_stand() {
        let paths = |text: &str| problems(text).into_iter().map(|(path, _)| path).collect::<Vec<_>>();
        assert_eq!(paths("source = 'text'\ntarget = 'text'"), ["path", "target"]);
        let text = "source = 'text'\npath = 'a.csv'\n";
        assert_eq!(
            paths(&format!("{text}min_frequency = 0\nvocabulary = 2\nmax_length = 0\nnormalize = 'unit'")),
            ["min_frequency", "vocabulary", "max_length", "normalize"]
        );
        assert!(paths(&format!("{text}normalize = 'none'\nvocabulary = 3")).is_empty());
        let own_test = format!("{text}test_path = 'b.csv'\nsplit = {{ test = 0.1 }}");
        assert_eq!(paths(&own_test), ["split.test"]);
        assert_eq!(paths("source = 'images'\nsize = [0, 4]\nchannels = 2"), ["path", "size", "channels"]);
    }

    #[test]
    fn keys_belong_to_their_source() {
        assert_eq!(SourceConfig::keys("mnist"), ["path"]);
        assert!(SourceConfig::keys("digits").is_empty());
        let value = toml::Value::Table(toml::from_str("source = 'digits'\nsamples = 3").unwrap());
        let found = setting::read::<DataConfig>(&value).unwrap_err();
        assert_eq!(found[0].path.to_string(), "samples");
        let short: DataConfig = setting::read(&toml::Value::String("digits".into())).unwrap();
        assert_eq!(short, parse("source = 'digits'"));
    }
}
