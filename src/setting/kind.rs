//! Tables whose shape depends on their `kind`.

use std::any::TypeId;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::{LazyLock, Mutex, PoisonError};

use serde::de::value::{MapAccessDeserializer, MapDeserializer};
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

/// An enum that is written as a table with a tag (`kind = "sgd"`) and the variant's own keys beside it.
///
/// `"sgd"` alone is short for `{ kind = "sgd" }`.
pub trait Kind: Sized {
    /// The key that tells the variants apart.
    const TAG: &'static str = "kind";
    /// The variants, as users write them.
    const KINDS: &'static [&'static str];
    /// The variant of a table without a tag; without a default the tag is required.
    const DEFAULT: Option<&'static str> = None;

    /// Reads the variant `kind`, one of [`KINDS`](Self::KINDS), from the keys beside the tag.
    fn read<'de, D: Deserializer<'de>>(kind: &str, rest: D) -> Result<Self, D::Error>;

    /// The keys that the variant has beside the tag.
    fn keys(kind: &str) -> &'static [&'static str];
}

/// Reads a [`Kind`], for its `Deserialize`.
pub fn read_kind<'de, T: Kind, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    // The tag is the one field asked for, so `Node` hands it out first.
    let tag: &'static [&'static str] = &[];
    deserializer.deserialize_struct(T::TAG, tag, KindVisitor(PhantomData))
}

struct KindVisitor<T>(PhantomData<T>);

impl<'de, T: Kind> Visitor<'de> for KindVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "one of {} or a table with `{}`", quoted(T::KINDS), T::TAG)
    }

    fn visit_str<E: de::Error>(self, kind: &str) -> Result<T, E> {
        known::<T, E>(kind)?;
        T::read(kind, MapDeserializer::new(std::iter::empty::<(&str, &str)>()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let (kind, pending) = take_tag::<T, A>(&mut map)?;
        T::read(&kind, MapAccessDeserializer::new(Pushed { map, pending }))
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

fn known<T: Kind, E: de::Error>(kind: &str) -> Result<(), E> {
    if T::KINDS.contains(&kind) { Ok(()) } else { Err(E::unknown_variant(kind, T::KINDS)) }
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

/// The keys of a struct that derives `Deserialize`, in the order of its fields.
pub fn keys_of<T: for<'de> Deserialize<'de>>() -> &'static [&'static str] {
    // The derived code asks the deserializer for its fields by name: answer with an error, keep the names.
    match T::deserialize(FieldNames) {
        Err(Names(names)) => names,
        Ok(_) => &[],
    }
}

/// The tag of a [`Kind`] that lies within a table of another, and the keys of all its variants; no key twice.
pub fn keys_of_kinds<K: Kind + 'static>() -> &'static [&'static str] {
    static KNOWN: LazyLock<Mutex<HashMap<TypeId, &'static [&'static str]>>> = LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.entry(TypeId::of::<K>()).or_insert_with(|| {
        let mut keys = vec![K::TAG];
        for key in K::KINDS.iter().flat_map(|kind| K::keys(kind)) {
            if !keys.contains(key) {
                keys.push(key);
            }
        }
        // Once a type: the list lives as long as the program.
        keys.leak()
    })
}

struct FieldNames;

#[derive(Debug)]
struct Names(&'static [&'static str]);

impl std::fmt::Display for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("field names")
    }
}

impl std::error::Error for Names {}

impl de::Error for Names {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self(&[])
    }
}

impl<'de> Deserializer<'de> for FieldNames {
    type Error = Names;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Names> {
        Err(Names(&[]))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Names> {
        Err(Names(fields))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
