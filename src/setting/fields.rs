//! The keys of structs and tables, as serde's derived code knows them.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use serde::de::{self, Deserialize, Deserializer, Visitor};

use super::kind::Kind;

/// The keys of a struct that derives `Deserialize`, in the order of its fields; of a [`Kind`] its tag and the keys
/// of all its variants.
pub fn keys_of<T: for<'de> Deserialize<'de>>() -> &'static [&'static str] {
    // The derived code asks the deserializer for its fields by name: answer with an error, keep the names.
    match T::deserialize(FieldNames) {
        Err(Names(names)) => names,
        Ok(_) => &[],
    }
}

/// The tag of a [`Kind`] and the keys of all its variants; no key twice.
pub(super) fn of_kinds<K: Kind>() -> &'static [&'static str] {
    static KNOWN: LazyLock<Mutex<HashMap<TypeId, &'static [&'static str]>>> = LazyLock::new(Mutex::default);
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(keys) = known().get(&TypeId::of::<K>()) {
        return keys;
    }
    // Outside of the lock: a variant may be a kind as well, and is asked for its keys.
    let mut keys = vec![K::TAG];
    for key in K::kinds().iter().flat_map(|kind| K::keys(kind)) {
        if !keys.contains(key) {
            keys.push(key);
        }
    }
    // Once a type: the list lives as long as the program.
    known().entry(TypeId::of::<K>()).or_insert_with(|| keys.leak())
}

/// Tells which fields it is asked for.
pub(super) struct FieldNames;

/// An answer in the place of an error.
#[derive(Debug)]
pub(super) struct Names(pub &'static [&'static str]);

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
