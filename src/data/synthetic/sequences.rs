//! Sequences of tokens in which only the order tells the class.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::dataset::{Content, Dataset, Samples};
use super::super::image::Normalize;
use super::super::labels::Labels;
use super::super::text::{TextSettings, Texts, Tokenizer};
use super::super::{Source, fingerprint};
use crate::rng::{Purpose, Stream};
use crate::setting::Problems;
use crate::target::Targets;
use crate::{Error, Result};

/// Tokens that no machine has to spare for a made-up data set.
const LARGEST: u128 = 1 << 38;
/// The first coordinate of the streams of [`Purpose::Synthetic`]; the second is the row.
const SEQUENCE: u32 = 16;
/// More different words than a text of any language has.
const MOST_WORDS: usize = 1 << 24;
/// More tokens than a sequence that can be learned from has.
const LONGEST: usize = 1 << 20;

/// Sequences of words with one marker word for each class, each marker once in every sequence.
///
/// The class is the marker that comes last. So all classes have the same words, and who counts words knows no
/// more than chance. Classes follow one another: row i is of class i mod N, but for the noise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SequencesConfig {
    /// How many samples; more of them keep the earlier ones.
    #[schemars(range(min = 1, max = u32::MAX))]
    pub samples: usize,
    /// How many different words there are: a marker for each class, and at least one that says nothing.
    #[schemars(range(min = 3, max = 16_777_216))]
    pub vocabulary: usize,
    /// The number of words in the shortest sequence: at least one for each class.
    #[schemars(range(min = 2, max = 1_048_576))]
    pub min_length: usize,
    /// The number of words in the longest sequence.
    #[schemars(range(min = 2, max = 1_048_576))]
    pub max_length: usize,
    /// How many classes, each with its marker.
    #[schemars(range(min = 2, max = 10_000))]
    pub num_classes: usize,
    /// How probable it is that a sample is given one of the other classes: the best possible accuracy is 1 less this.
    #[schemars(range(min = 0, max = 1))]
    pub noise: f64,
    /// What everything is drawn with.
    pub seed: u64,
}

impl Default for SequencesConfig {
    fn default() -> Self {
        Self {
            samples: 1000,
            vocabulary: 50,
            min_length: 5,
            max_length: 20,
            num_classes: 2,
            noise: 0.0,
            seed: 0,
        }
    }
}

impl Source for SequencesConfig {
    fn check(&self, problems: &mut Problems) {
        let samples = (1..=u32::MAX as usize).contains(&self.samples);
        problems.require(samples, "samples", self.samples, "1 to 4294967295");
        let classes = (2..=10_000).contains(&self.num_classes);
        problems.require(classes, "num_classes", self.num_classes, "2 to 10000");
        problems.require((0.0..=1.0).contains(&self.noise), "noise", self.noise, "a number between 0 and 1");
        let fewest = if classes { self.num_classes } else { 2 };
        let words = (fewest + 1..=MOST_WORDS).contains(&self.vocabulary);
        let wanted = format!("{} to {MOST_WORDS}: a word for each class and one more", fewest + 1);
        problems.require(words, "vocabulary", self.vocabulary, &wanted);
        let shortest = (fewest..=LONGEST).contains(&self.min_length);
        let wanted = format!("{fewest} to {LONGEST}: a word for each class");
        problems.require(shortest, "min_length", self.min_length, &wanted);
        let from = if shortest { self.min_length } else { fewest };
        let longest = (from..=LONGEST).contains(&self.max_length);
        problems.require(longest, "max_length", self.max_length, &format!("{from} to {LONGEST}"));
        if samples && longest && self.samples as u128 * self.max_length as u128 > LARGEST {
            problems.refuse(
                "samples",
                format!("`samples` is {}, each of up to {} words", self.samples, self.max_length),
                format!("expected no more than {LARGEST} words"),
            );
        }
    }

    /// Tokens are names and not numbers: there is nothing to scale.
    fn default_normalize(&self) -> Normalize {
        Normalize::None
    }

    fn is_scaled(&self) -> bool {
        false
    }

    fn fingerprint(&self) -> Result<String> {
        Ok(fingerprint::of_parts([("synthetic", b"sequences 1".as_slice())]))
    }

    fn load(&self) -> Result<Dataset> {
        let mut problems = Problems::default();
        self.check(&mut problems);
        if let Some(problem) = problems.into_found().into_iter().next() {
            return Err(Error::Request(format!("the data cannot be made up: {}", problem.message)));
        }
        let (texts, targets) = self.make()?;
        // So that a file of such words can be predicted from.
        let settings =
            TextSettings { lowercase: false, tokenizer: Tokenizer::Whitespace, ..TextSettings::default() };
        let classes = (0..self.num_classes).map(|class| class.to_string()).collect();
        let main = Samples::new(Content::Texts { texts, settings }, Targets::Classes(targets))?;
        Dataset::new(main, None, Labels::Classes(classes))
    }
}

impl SequencesConfig {
    /// The sequences and the class of each; markers are the words `m0`, `m1`, …, the others `w0`, `w1`, ….
    ///
    /// # Errors
    /// [`Error::Environment`] if there is not enough memory.
    fn make(&self) -> Result<(Texts, Vec<u32>)> {
        let markers = (0..self.num_classes).map(|class| format!("m{class}"));
        let fillers = (0..self.vocabulary - self.num_classes).map(|word| format!("w{word}"));
        let words = markers.chain(fillers).collect();
        let (mut tokens, mut ends, mut targets) = (Vec::new(), Vec::new(), Vec::new());
        let most = self.samples.saturating_mul(self.max_length);
        let room = tokens.try_reserve(most).is_ok() && ends.try_reserve_exact(self.samples).is_ok();
        if !room || targets.try_reserve_exact(self.samples).is_err() {
            let samples = self.samples;
            return Err(Error::Environment(format!("there is not enough memory for {samples} samples")));
        }
        let mut places = Vec::new();
        for row in 0..self.samples {
            targets.push(self.sample(row, &mut places, &mut tokens));
            ends.push(tokens.len());
        }
        tokens.shrink_to_fit();
        Ok((Texts::new(words, tokens, ends)?, targets))
    }

    /// Puts the words of a sample behind `tokens`; the class that it is given.
    fn sample(&self, row: usize, places: &mut Vec<usize>, tokens: &mut Vec<u32>) -> u32 {
        let classes = self.num_classes;
        let class = row % classes;
        let mut draws = Stream::new(self.seed, Purpose::Synthetic, SEQUENCE, row as u32).draws();
        // The same number of draws before the words, whatever the settings, so that noise changes no word.
        let length = self.min_length + draws.below((self.max_length - self.min_length) as u64 + 1) as usize;
        let mistaken = draws.uniform() < self.noise;
        let other = (class + 1 + draws.below(classes as u64 - 1) as usize) % classes;
        let start = tokens.len();
        let fillers = (self.vocabulary - classes) as u64;
        tokens.extend((0..length).map(|_| classes as u32 + draws.below(fillers) as u32));
        // As many places as there are markers, by the first swaps of a Fisher–Yates shuffle.
        places.clear();
        places.extend(0..length);
        for marker in 0..classes {
            let place = marker + draws.below((length - marker) as u64) as usize;
            places.swap(marker, place);
        }
        let places = &mut places[..classes];
        // The places are in random order but for the last of them, which belongs to the class.
        if let Some(last) = (0..classes).max_by_key(|marker| places[*marker]) {
            places.swap(last, class);
        }
        for (marker, place) in places.iter().enumerate() {
            tokens[start + place] = marker as u32;
        }
        if mistaken { other as u32 } else { class as u32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(texts: &Texts) -> Vec<&[u32]> {
        (0..texts.rows()).map(|row| texts.row(row).unwrap()).collect()
    }

    #[test]
    fn the_last_marker_is_the_class_and_all_markers_are_there() {
        let config = SequencesConfig { num_classes: 4, vocabulary: 9, ..SequencesConfig::default() };
        let (texts, targets) = config.make().unwrap();
        assert_eq!(texts.words(), ["m0", "m1", "m2", "m3", "w0", "w1", "w2", "w3", "w4"]);
        let (mut lengths, mut firsts) = ([0; 21], [0; 4]);
        for (row, (tokens, target)) in rows(&texts).into_iter().zip(&targets).enumerate() {
            assert_eq!(*target as usize, row % 4);
            let markers: Vec<u32> = tokens.iter().copied().filter(|token| *token < 4).collect();
            assert_eq!(markers.last(), Some(target));
            let mut sorted = markers.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3]);
            lengths[tokens.len()] += 1;
            firsts[markers[0] as usize] += 1;
        }
        assert_eq!(lengths[..5], [0; 5]);
        assert!(lengths[5..].iter().all(|count| *count > 30), "{lengths:?}");
        assert!(firsts.iter().all(|count| *count > 200), "{firsts:?}");
    }

    /// Counts of words, and where markers stand on average, are the same for both classes.
    #[test]
    fn who_counts_words_learns_nothing() {
        let config = SequencesConfig { samples: 20_000, vocabulary: 12, ..SequencesConfig::default() };
        let (texts, targets) = config.make().unwrap();
        let (mut counts, mut lengths) = ([[0.0f64; 12]; 2], [0.0f64; 2]);
        for (tokens, target) in rows(&texts).into_iter().zip(&targets) {
            for token in tokens {
                counts[*target as usize][*token as usize] += 1e-4;
            }
            lengths[*target as usize] += tokens.len() as f64 * 1e-4;
        }
        assert_eq!(counts[0][..2], counts[1][..2]);
        for (one, other) in counts[0].iter().zip(&counts[1]) {
            assert!((one - other).abs() < 0.06, "{counts:?}");
        }
        assert!((lengths[0] - lengths[1]).abs() < 0.3, "{lengths:?}");
    }

    #[test]
    fn is_the_same_everywhere() {
        let (texts, _) = SequencesConfig::default().make().unwrap();
        let bytes: Vec<u8> = texts.tokens().iter().flat_map(|token| token.to_le_bytes()).collect();
        // A change of the tokens needs a new version in the fingerprint.
        assert_eq!(blake3::hash(&bytes).to_hex()[..16], *"d127267e4d8ee0a1");
        let (other, _) = SequencesConfig { seed: 1, ..SequencesConfig::default() }.make().unwrap();
        assert_ne!(other, texts);
    }

    #[test]
    fn more_samples_keep_the_earlier_ones_and_noise_keeps_the_words() {
        let few = SequencesConfig { samples: 7, num_classes: 3, ..SequencesConfig::default() };
        let many = SequencesConfig { samples: 5000, noise: 0.25, ..few.clone() };
        let ((few, classes), (many, noisy)) = (few.make().unwrap(), many.make().unwrap());
        assert_eq!(rows(&few), rows(&many)[..7]);
        assert_eq!(classes, [0, 1, 2, 0, 1, 2, 0]);
        let wrong = noisy.iter().enumerate().filter(|(row, class)| row % 3 != **class as usize).count();
        assert!((1150..1350).contains(&wrong), "{wrong} of 5000");
    }

    #[test]
    fn the_smallest_sequences_are_markers_alone() {
        let config = SequencesConfig {
            samples: 4,
            vocabulary: 3,
            min_length: 2,
            max_length: 2,
            ..SequencesConfig::default()
        };
        let (texts, _) = config.make().unwrap();
        assert_eq!(rows(&texts), [[1, 0], [0, 1], [1, 0], [0, 1]]);
    }

    #[test]
    fn a_data_set_of_texts_is_made_of_them() {
        let data = SequencesConfig { num_classes: 3, ..SequencesConfig::default() }.load().unwrap();
        assert_eq!(data.labels.classes(), ["0", "1", "2"]);
        assert_eq!(data.main.targets().classes().unwrap()[..4], [0, 1, 2, 0]);
        let Content::Texts { texts, settings } = data.main.content() else { panic!("no texts") };
        assert_eq!((texts.rows(), settings.lowercase), (1000, false));
        let error = SequencesConfig { samples: 0, ..SequencesConfig::default() }.load().unwrap_err();
        assert_eq!(error.exit_code(), crate::error::EXIT_REQUEST);
    }

    #[test]
    fn what_cannot_be_made_up_is_refused() {
        let paths = |config: SequencesConfig| {
            let mut problems = Problems::default();
            config.check(&mut problems);
            problems.into_found().into_iter().map(|problem| problem.path.to_string()).collect::<Vec<_>>()
        };
        let base = SequencesConfig::default;
        assert!(paths(base()).is_empty());
        assert_eq!(paths(SequencesConfig { samples: 0, noise: f64::NAN, ..base() }), ["samples", "noise"]);
        assert_eq!(paths(SequencesConfig { num_classes: 1, ..base() }), ["num_classes"]);
        assert_eq!(paths(SequencesConfig { num_classes: 6, ..base() }), ["min_length"]);
        assert_eq!(
            paths(SequencesConfig { vocabulary: 2, max_length: 4, ..base() }),
            ["vocabulary", "max_length"]
        );
        let huge = SequencesConfig { samples: u32::MAX as usize, max_length: LONGEST, ..base() };
        assert_eq!(paths(huge), ["samples"]);
    }
}
