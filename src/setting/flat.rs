//! A table that holds the keys of a kind and keys common to all kinds side by side.

use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, MapDeserializer};
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde::{Serialize, Serializer};

use super::fields::keys_of;
use super::kind::{Kind, Pushed, take_tag};
use super::variant::Variant;

/// `kind` and `common` in one table: `{ kind = "sgd", momentum = 0.9, weight_decay = 1e-4 }`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Flat<C, K> {
    /// What every kind has.
    pub common: C,
    /// The kind with its own keys.
    pub kind: K,
}

impl<C: Serialize, K: Serialize> Serialize for Flat<C, K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Side<'a, C, K> {
            #[serde(flatten)]
            kind: &'a K,
            #[serde(flatten)]
            common: &'a C,
        }
        Side { kind: &self.kind, common: &self.common }.serialize(serializer)
    }
}

impl<'de, C, K> Deserialize<'de> for Flat<C, K>
where
    C: for<'a> Deserialize<'a>,
    K: Kind,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The common keys come right behind the tag, then the others: each side reads its own stretch.
        deserializer.deserialize_struct(K::TAG, keys_of::<C>(), FlatVisitor(PhantomData))
    }
}

struct FlatVisitor<C, K>(PhantomData<(C, K)>);

impl<'de, C, K> Visitor<'de> for FlatVisitor<C, K>
where
    C: for<'a> Deserialize<'a>,
    K: Kind,
{
    type Value = Flat<C, K>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "one of {} or a table with `{}`", super::kind::quoted(K::kinds()), K::TAG)
    }

    fn visit_str<E: de::Error>(self, kind: &str) -> Result<Self::Value, E> {
        super::kind::known::<K, E>(kind)?;
        let empty = || MapDeserializer::new(std::iter::empty::<(&str, &str)>());
        Ok(Flat { common: C::deserialize(empty())?, kind: K::read(Variant { kind, rest: empty() })? })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (kind, mut pending) = take_tag::<K, A>(&mut map)?;
        let stretch = Stretch { map: &mut map, keys: keys_of::<C>(), pending: &mut pending };
        let common = C::deserialize(MapAccessDeserializer::new(stretch))?;
        let kind =
            K::read(Variant { kind: &kind, rest: MapAccessDeserializer::new(Pushed { map, pending }) })?;
        Ok(Flat { common, kind })
    }
}

/// The entries of a map up to the first key that is not one of `keys`; that key is left in `pending`.
struct Stretch<'a, A> {
    map: &'a mut A,
    keys: &'static [&'static str],
    pending: &'a mut Option<String>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Stretch<'_, A> {
    type Error = A::Error;

    fn next_key_seed<S: de::DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let next = match self.pending.take() {
            Some(key) => Some(key),
            None => self.map.next_key()?,
        };
        match next {
            Some(key) if self.keys.contains(&key.as_str()) => {
                seed.deserialize(de::value::StringDeserializer::new(key)).map(Some)
            }
            other => {
                *self.pending = other;
                Ok(None)
            }
        }
    }

    fn next_value_seed<S: de::DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}
