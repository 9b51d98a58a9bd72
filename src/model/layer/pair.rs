//! Sizes along both sides of an image: a number for both, or height and width.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::setting::Problems;

/// Beyond it sizes would overflow long before memory could hold them.
pub const MAX_SIDE: usize = 1 << 16;

/// Height and width, `LEAST` or more each; equal ones are written as one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair<const LEAST: usize>(pub [usize; 2]);

impl<const LEAST: usize> Pair<LEAST> {
    /// The same along both sides.
    pub const fn square(side: usize) -> Self {
        Self([side; 2])
    }

    /// Refuses sizes out of range, in the entry of a list that they stand in.
    pub fn check(&self, key: &str, problems: &mut Problems) {
        if !self.0.iter().all(|side| (LEAST..=MAX_SIDE).contains(side)) {
            problems.require(false, key, self, &format!("whole numbers from {LEAST} to {MAX_SIDE}"));
        }
    }
}

impl<const LEAST: usize> fmt::Display for Pair<LEAST> {
    /// `3`, or `[3, 5]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [height, width] = self.0;
        if height == width { write!(f, "{height}") } else { write!(f, "[{height}, {width}]") }
    }
}

impl<const LEAST: usize> Serialize for Pair<LEAST> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let [height, width] = self.0;
        if height == width { height.serialize(serializer) } else { self.0.serialize(serializer) }
    }
}

impl<'de, const LEAST: usize> Deserialize<'de> for Pair<LEAST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PairVisitor)
    }
}

struct PairVisitor<const LEAST: usize>;

impl<'de, const LEAST: usize> Visitor<'de> for PairVisitor<LEAST> {
    type Value = Pair<LEAST>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number, {LEAST} or more, or a list of 2 of them")
    }

    fn visit_i64<E: de::Error>(self, side: i64) -> Result<Self::Value, E> {
        let wrong = || E::invalid_value(de::Unexpected::Signed(side), &self);
        usize::try_from(side).map(Pair::square).map_err(|_| wrong())
    }

    fn visit_u64<E: de::Error>(self, side: u64) -> Result<Self::Value, E> {
        let wrong = || E::invalid_value(de::Unexpected::Unsigned(side), &self);
        usize::try_from(side).map(Pair::square).map_err(|_| wrong())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut sides = [0; 2];
        for (index, side) in sides.iter_mut().enumerate() {
            *side = list.next_element()?.ok_or_else(|| de::Error::invalid_length(index, &self))?;
        }
        Ok(Pair(sides))
    }
}

impl<const LEAST: usize> JsonSchema for Pair<LEAST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Pair{LEAST}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["integer", "array"],
            "minimum": LEAST,
            "maximum": MAX_SIDE,
            "items": { "type": "integer", "minimum": LEAST, "maximum": MAX_SIDE },
            "minItems": 2,
            "maxItems": 2,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setting;

    fn read(text: &str) -> Result<Pair<1>, String> {
        let value = toml::from_str::<toml::Table>(&format!("v = {text}")).unwrap().remove("v").unwrap();
        setting::read(&value).map_err(|problems| format!("{}: {}", problems[0].message, problems[0].expected))
    }

    #[test]
    fn a_number_stands_for_both_sides() {
        assert_eq!(read("3"), Ok(Pair([3, 3])));
        assert_eq!(read("[3, 5]"), Ok(Pair([3, 5])));
        assert_eq!(read("[3, 3]").unwrap().to_string(), "3");
        assert_eq!(Pair::<1>([3, 5]).to_string(), "[3, 5]");
        for (text, pair) in [("3", Pair([3, 3])), ("[3,5]", Pair::<1>([3, 5]))] {
            assert_eq!(serde_json::to_string(&pair).unwrap(), text);
        }
    }

    #[test]
    fn what_is_no_pair_is_refused_in_words() {
        let expected = "expected a whole number, 1 or more, or a list of 2 of them";
        assert_eq!(read("-1"), Err(format!("wrong value: -1: {expected}")));
        assert_eq!(read("2.5"), Err(format!("wrong value: 2.5: {expected}")));
        assert_eq!(read("'3'"), Err(format!("wrong value: the string \"3\": {expected}")));
        assert_eq!(read("[3]"), Err(format!("wrong value: a list of 1 value: {expected}")));
        assert_eq!(
            read("[3, 4, 5]"),
            Err("wrong value: a list of 3 values: expected a list of 2 values".into())
        );
        let found = |pair: Pair<1>| {
            let mut problems = Problems::default();
            pair.check("kernel_size", &mut problems);
            problems.into_found().len()
        };
        assert_eq!([Pair([0, 3]), Pair([3, 65537]), Pair([1, 65536])].map(found), [1, 1, 0]);
    }
}
