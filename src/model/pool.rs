//! What stands at the end of a convolutional block.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::json;

use super::layer::LayerConfig;
use super::layer::avg_pool2d::AvgPool2dConfig;
use super::layer::max_pool2d::MaxPool2dConfig;
use super::layer::pair::{MAX_SIDE, Pair};
use crate::setting::{Kind, Problems, by_kind, kind, read_kind};

/// A window that becomes one pixel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Written")]
#[schemars(!from, default, deny_unknown_fields)]
pub struct PoolWindowConfig {
    /// Height and width of the window, or one number for both.
    pub kernel_size: Pair<1>,
    /// How far it moves at once; by its own size unless set.
    pub stride: Pair<1>,
    /// Pixels that are put around the image, on each side. At most half the window.
    pub padding: Pair<0>,
}

/// The keys as they are read: what is absent may depend on another key.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Written {
    kernel_size: Pair<1>,
    stride: Option<Pair<1>>,
    padding: Pair<0>,
}

impl Default for Written {
    fn default() -> Self {
        Self { kernel_size: Pair::square(2), stride: None, padding: Pair::square(0) }
    }
}

impl From<Written> for PoolWindowConfig {
    fn from(written: Written) -> Self {
        let Written { kernel_size, stride, padding } = written;
        Self { kernel_size, stride: stride.unwrap_or(kernel_size), padding }
    }
}

impl Default for PoolWindowConfig {
    fn default() -> Self {
        Written::default().into()
    }
}

/// The kinds of poolings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", rename_all = "snake_case")]
#[schemars(tag = "kind", transform = by_kind::<Self>)]
enum PoolKind {
    /// No layer at all.
    None,
    /// The largest pixel of each window.
    Max(PoolWindowConfig),
    /// The mean of each window.
    Avg(PoolWindowConfig),
}

/// A pooling, written as a number (a max pooling of that size, or none for 0), a name or a table.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolConfig(PoolKind);

impl PoolConfig {
    fn of_size(side: u64) -> Self {
        if side == 0 {
            return Self(PoolKind::None);
        }
        let written = Written { kernel_size: Pair::square(side as usize), ..Written::default() };
        Self(PoolKind::Max(written.into()))
    }

    /// Refuses what no image would make right.
    pub fn check(&self, problems: &mut Problems) {
        if let Some(layer) = self.layer() {
            layer.check(problems);
        }
    }

    /// The layer; none for `none`.
    pub fn layer(&self) -> Option<LayerConfig> {
        match &self.0 {
            PoolKind::None => None,
            PoolKind::Max(PoolWindowConfig { kernel_size, stride, padding }) => {
                Some(LayerConfig::MaxPool2d(MaxPool2dConfig {
                    kernel_size: *kernel_size,
                    stride: *stride,
                    padding: *padding,
                }))
            }
            PoolKind::Avg(PoolWindowConfig { kernel_size, stride, padding }) => {
                Some(LayerConfig::AvgPool2d(AvgPool2dConfig {
                    kernel_size: *kernel_size,
                    stride: *stride,
                    padding: *padding,
                    count_include_pad: true,
                }))
            }
        }
    }
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self(PoolKind::Max(PoolWindowConfig::default()))
    }
}

kind!(PoolKind, default = "max");

impl Kind for PoolConfig {
    const DEFAULT: Option<&'static str> = PoolKind::DEFAULT;

    fn read<'de, D: Deserializer<'de>>(variant: D) -> Result<Self, D::Error> {
        PoolKind::read(variant).map(Self)
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.write(serializer)
    }
}

impl Serialize for PoolConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PoolConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Asking for a struct named like the tag makes `Node` hand the tag out first.
        deserializer.deserialize_struct(Self::TAG, &[], PoolVisitor)
    }
}

struct PoolVisitor;

impl<'de> Visitor<'de> for PoolVisitor {
    type Value = PoolConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from 0 to {MAX_SIDE}, a name, or a table with `kind`")
    }

    fn visit_i64<E: de::Error>(self, side: i64) -> Result<PoolConfig, E> {
        match u64::try_from(side) {
            Ok(side) => self.visit_u64(side),
            Err(_) => Err(E::invalid_value(de::Unexpected::Signed(side), &self)),
        }
    }

    fn visit_u64<E: de::Error>(self, side: u64) -> Result<PoolConfig, E> {
        if side <= MAX_SIDE as u64 {
            return Ok(PoolConfig::of_size(side));
        }
        Err(E::invalid_value(de::Unexpected::Unsigned(side), &self))
    }

    fn visit_str<E: de::Error>(self, kind: &str) -> Result<PoolConfig, E> {
        read_kind(StrDeserializer::new(kind)).map(PoolConfig)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<PoolConfig, A::Error> {
        read_kind(MapAccessDeserializer::new(map)).map(PoolConfig)
    }
}

impl JsonSchema for PoolConfig {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "PoolConfig".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = PoolKind::json_schema(generator);
        schema.insert("type".into(), json!(["string", "object", "integer"]));
        schema.insert("minimum".into(), 0.into());
        schema.insert("maximum".into(), MAX_SIDE.into());
        schema
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setting;

    fn read(text: &str) -> Result<PoolConfig, String> {
        let value = toml::from_str::<toml::Table>(&format!("v = {text}")).unwrap().remove("v").unwrap();
        setting::read(&value).map_err(|problems| format!("{}; {}", problems[0].message, problems[0].expected))
    }

    #[test]
    fn every_spelling_is_read() {
        let max = PoolConfig::default();
        for text in ["2", "'max'", "{ kind = 'max', kernel_size = 2, stride = [2, 2] }", "{}"] {
            assert_eq!(read(text).unwrap(), max, "{text}");
        }
        assert_eq!(read("0").unwrap(), read("'none'").unwrap());
        assert_eq!(read("0").unwrap().layer(), None);
        let average = read("{ kind = 'avg', kernel_size = 3, stride = 1, padding = 1 }").unwrap();
        assert!(matches!(average.layer(), Some(LayerConfig::AvgPool2d(_))));
    }

    #[test]
    fn what_is_no_pooling_is_refused() {
        for (text, expected) in [
            (
                "-1",
                "wrong value: -1; expected a whole number from 0 to 65536, a name, or a table with `kind`",
            ),
            ("'mean'", "unknown value \"mean\"; expected one of: none, max, avg"),
            ("{ kind = 'none', kernel_size = 2 }", "unknown key `kernel_size`; expected one of: nothing"),
        ] {
            assert_eq!(read(text), Err(expected.to_owned()));
        }
    }
}
