//! Tables whose shape depends on their `kind`.

use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, MapDeserializer};
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::Serializer;

use super::fields;
use super::variant::{self, Variant};
use super::written;

/// An enum that is written as a table with a tag (`kind = "sgd"`) and the variant's own keys beside it.
///
/// `"sgd"` alone is short for `{ kind = "sgd" }`. `kind!` makes an enum one; what serde derives
/// for it is asked for the names of the variants and of their keys, so that they are listed nowhere else.
pub trait Kind: Sized + 'static {
    /// The key that tells the variants apart.
    const TAG: &'static str = "kind";
    /// The variant of a table without a tag; without a default the tag is required.
    const DEFAULT: Option<&'static str> = None;

    /// Reads the enum in the form that serde derives, a variant's name around its content.
    fn read<'de, D: Deserializer<'de>>(variant: D) -> Result<Self, D::Error>;

    /// Writes the enum in that form.
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;

    /// The variants, as users write them.
    fn kinds() -> &'static [&'static str] {
        variant::names::<Self>()
    }

    /// The keys that the variant `kind` has beside the tag.
    fn keys(kind: &str) -> &'static [&'static str] {
        variant::keys::<Self>(kind)
    }

    /// The variant `kind` with its defaults; none where there is no such variant or where it has a required key.
    fn named(kind: &str) -> Option<Self> {
        let nothing = MapDeserializer::<_, de::value::Error>::new(std::iter::empty::<(&str, &str)>());
        Self::read(Variant { kind, rest: nothing }).ok()
    }

    /// The variant's name, as users write it.
    fn kind(&self) -> &'static str {
        written::name(self)
    }
}

/// Makes an enum a [`Kind`] that derives `Serialize` and `Deserialize` under `#[serde(remote = "Self")]`: the
/// derived functions then are the enum's own and not the traits', which read and write a table with a tag. So
/// `Enum::deserialize` by its name is the derived function, which nobody else wants: call [`read_kind`].
macro_rules! kind {
    ($kind:ty $(, tag = $tag:literal)? $(, default = $default:literal)?) => {
        impl $crate::setting::Kind for $kind {
            $(const TAG: &'static str = $tag;)?
            $(const DEFAULT: Option<&'static str> = Some($default);)?

            fn read<'de, D: serde::Deserializer<'de>>(variant: D) -> Result<Self, D::Error> {
                <$kind>::deserialize(variant)
            }

            fn write<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                <$kind>::serialize(self, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $kind {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::setting::read_kind(deserializer)
            }
        }

        impl serde::Serialize for $kind {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $crate::setting::write_kind(self, serializer)
            }
        }
    };
}
pub(crate) use kind;

/// Reads a [`Kind`], for its `Deserialize`.
pub fn read_kind<'de, T: Kind, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    // `Node` hands out what a struct is named after first, so the tag.
    deserializer.deserialize_struct(T::TAG, fields::of_kinds::<T>(), KindVisitor(PhantomData))
}

struct KindVisitor<T>(PhantomData<T>);

impl<'de, T: Kind> Visitor<'de> for KindVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "one of {} or a table with `{}`", quoted(T::kinds()), T::TAG)
    }

    fn visit_str<E: de::Error>(self, kind: &str) -> Result<T, E> {
        known::<T, E>(kind)?;
        T::read(Variant { kind, rest: MapDeserializer::new(std::iter::empty::<(&str, &str)>()) })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let (kind, pending) = take_tag::<T, A>(&mut map)?;
        T::read(Variant { kind: &kind, rest: MapAccessDeserializer::new(Pushed { map, pending }) })
    }
}

/// Takes the tag from the front of `map`. The second value is a key that was read but is not the tag.
pub(super) fn take_tag<'de, T: Kind, A: MapAccess<'de>>(
    map: &mut A,
) -> Result<(String, Option<String>), A::Error> {
    let first: Option<String> = map.next_key()?;
    match (first, T::DEFAULT) {
        (Some(key), _) if key == T::TAG => {
            let Tag(kind, _) = map.next_value::<Tag<T>>()?;
            Ok((kind, None))
        }
        (pending, Some(default)) => Ok((default.to_owned(), pending)),
        (_, None) => Err(de::Error::missing_field(T::TAG)),
    }
}

/// A tag's value, checked where it is read so that an error carries its path.
struct Tag<T>(String, PhantomData<T>);

impl<'de, T: Kind> Deserialize<'de> for Tag<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let kind = String::deserialize(deserializer)?;
        known::<T, D::Error>(&kind)?;
        Ok(Self(kind, PhantomData))
    }
}

pub(super) fn known<T: Kind, E: de::Error>(kind: &str) -> Result<(), E> {
    let kinds = T::kinds();
    if kinds.contains(&kind) { Ok(()) } else { Err(E::unknown_variant(kind, kinds)) }
}

pub(super) fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
}

/// A map in front of which a key was pushed back; its value is still the next value of the map.
pub(super) struct Pushed<A> {
    pub map: A,
    pub pending: Option<String>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Pushed<A> {
    type Error = A::Error;

    fn next_key_seed<K: de::DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        match self.pending.take() {
            Some(key) => seed.deserialize(de::value::StringDeserializer::new(key)).map(Some),
            None => self.map.next_key_seed(seed),
        }
    }

    fn next_value_seed<V: de::DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}
