//! What stands between the blocks of a network: any number of normalising or dropping layers, in order.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::json;

use super::layer::LayerConfig;
use super::layer::batch_norm::BatchNormConfig;
use super::layer::dropout::DropoutConfig;
use super::layer::layer_norm::LayerNormConfig;
use crate::setting::{Kind, Problems, by_kind, kind, read_kind};

/// One regularizer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", rename_all = "snake_case")]
#[schemars(tag = "kind", transform = by_kind::<Self>)]
pub enum RegularizerConfig {
    /// No layer at all.
    None,
    /// Normalisation over the batch.
    BatchNorm(BatchNormConfig),
    /// Normalisation of every sample by itself.
    LayerNorm(LayerNormConfig),
    /// Random zeros.
    Dropout(DropoutConfig),
}

kind!(RegularizerConfig, default = "batch_norm");

impl RegularizerConfig {
    fn check(&self, problems: &mut Problems) {
        if let Some(layer) = self.layer() {
            layer.check(problems);
        }
    }

    fn layer(&self) -> Option<LayerConfig> {
        match self {
            Self::None => None,
            Self::BatchNorm(config) => Some(LayerConfig::BatchNorm(config.clone())),
            Self::LayerNorm(config) => Some(LayerConfig::LayerNorm(config.clone())),
            Self::Dropout(config) => Some(LayerConfig::Dropout(config.clone())),
        }
    }
}

/// Regularizers in order, written as a name, a table, or a list of either.
///
/// Equal lists are written alike: `"none"` for nothing, a table for one entry, a list for more.
#[derive(Debug, Clone)]
pub struct RegularizerList {
    entries: Vec<RegularizerConfig>,
    /// Whether the entries stand in a list in the file; only the paths of problems depend on it.
    is_list: bool,
}

impl RegularizerList {
    /// The entries, in order.
    pub fn new(entries: Vec<RegularizerConfig>) -> Self {
        Self { entries, is_list: true }
    }

    fn single(entry: RegularizerConfig) -> Self {
        Self { entries: vec![entry], is_list: false }
    }

    /// The layers that the entries stand for.
    pub fn layers(&self) -> Vec<LayerConfig> {
        self.entries.iter().filter_map(RegularizerConfig::layer).collect()
    }

    /// Refuses wrong values of any entry.
    pub fn check(&self, problems: &mut Problems) {
        for (index, entry) in self.entries.iter().enumerate() {
            if self.is_list {
                problems.within_entry(index, |problems| entry.check(problems));
            } else {
                entry.check(problems);
            }
        }
    }

    fn meant(&self) -> Vec<&RegularizerConfig> {
        self.entries.iter().filter(|entry| **entry != RegularizerConfig::None).collect()
    }
}

impl Default for RegularizerList {
    fn default() -> Self {
        Self::single(RegularizerConfig::BatchNorm(BatchNormConfig::default()))
    }
}

impl PartialEq for RegularizerList {
    fn eq(&self, other: &Self) -> bool {
        self.meant() == other.meant()
    }
}

impl JsonSchema for RegularizerList {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "RegularizerList".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let entry = RegularizerConfig::json_schema(generator);
        let mut schema = entry.clone();
        schema.insert("type".into(), json!(["string", "object", "array"]));
        schema.insert("items".into(), entry.to_value());
        schema
    }
}

impl Serialize for RegularizerList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.meant().as_slice() {
            [] => RegularizerConfig::None.serialize(serializer),
            [entry] => entry.serialize(serializer),
            entries => entries.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for RegularizerList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Asking for a struct named like the tag makes `Node` hand the tag out first, as for a single entry.
        deserializer.deserialize_struct(RegularizerConfig::TAG, &[], ListVisitor)
    }
}

struct ListVisitor;

impl<'de> Visitor<'de> for ListVisitor {
    type Value = RegularizerList;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name, a table with `kind`, or a list of them")
    }

    fn visit_str<E: de::Error>(self, kind: &str) -> Result<RegularizerList, E> {
        read_kind(StrDeserializer::new(kind)).map(RegularizerList::single)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RegularizerList, A::Error> {
        read_kind(MapAccessDeserializer::new(map)).map(RegularizerList::single)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<RegularizerList, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = list.next_element()? {
            entries.push(entry);
        }
        Ok(RegularizerList::new(entries))
    }
}
