//! Kinds on their way out: the name of a variant and its content, as serde's derived code hands them over.

use std::fmt;

use serde::Serialize;
use serde::ser::{self, Impossible, SerializeMap, Serializer};

use super::kind::Kind;
use super::variant::NoKeys;

/// Writes a [`Kind`] as a table with the tag in front, for its `Serialize`.
pub fn write_kind<K: Kind, S: Serializer>(value: &K, serializer: S) -> Result<S::Ok, S::Error> {
    value.write(Apart(Tagged { tag: K::TAG, serializer }))
}

/// The name of the variant.
pub(super) fn name<K: Kind>(value: &K) -> &'static str {
    value.write(Apart(Name)).unwrap_or_default()
}

/// What is done with a variant.
trait Take {
    type Ok;
    type Error: ser::Error;

    fn take<T: Serialize + ?Sized>(self, name: &'static str, own: &T) -> Result<Self::Ok, Self::Error>;
}

struct Name;

impl Take for Name {
    type Ok = &'static str;
    type Error = fmt::Error;

    fn take<T: Serialize + ?Sized>(self, name: &'static str, _: &T) -> Result<&'static str, fmt::Error> {
        Ok(name)
    }
}

struct Tagged<S> {
    tag: &'static str,
    serializer: S,
}

impl<S: Serializer> Take for Tagged<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    fn take<T: Serialize + ?Sized>(self, name: &'static str, own: &T) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Table<'a, T: Serialize + ?Sized> {
            #[serde(flatten)]
            tag: Tag,
            #[serde(flatten)]
            own: &'a T,
        }
        Table { tag: Tag(self.tag, name), own }.serialize(self.serializer)
    }
}

/// A table of one key.
struct Tag(&'static str, &'static str);

impl Serialize for Tag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut table = serializer.serialize_map(Some(1))?;
        table.serialize_entry(self.0, self.1)?;
        table.end()
    }
}

/// Takes the variant out of the form that serde derives for an enum.
struct Apart<T>(T);

/// Nothing but a variant is written by an enum.
fn not_a_kind<E: ser::Error, T>() -> Result<T, E> {
    Err(E::custom("a kind is a variant with a table, or one alone"))
}

macro_rules! refuse {
    ($($method:ident($($argument:ty),*) -> $ok:ty;)*) => {
        $(fn $method(self $(, _: $argument)*) -> Result<$ok, Self::Error> { not_a_kind() })*
    };
}

impl<T: Take> Serializer for Apart<T> {
    type Ok = T::Ok;
    type Error = T::Error;
    type SerializeSeq = Impossible<T::Ok, T::Error>;
    type SerializeTuple = Impossible<T::Ok, T::Error>;
    type SerializeTupleStruct = Impossible<T::Ok, T::Error>;
    type SerializeTupleVariant = Impossible<T::Ok, T::Error>;
    type SerializeMap = Impossible<T::Ok, T::Error>;
    type SerializeStruct = Impossible<T::Ok, T::Error>;
    type SerializeStructVariant = Impossible<T::Ok, T::Error>;

    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Result<T::Ok, T::Error> {
        self.0.take(name, &NoKeys {})
    }

    fn serialize_newtype_variant<V: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        own: &V,
    ) -> Result<T::Ok, T::Error> {
        self.0.take(name, own)
    }

    fn serialize_some<V: Serialize + ?Sized>(self, _: &V) -> Result<T::Ok, T::Error> {
        not_a_kind()
    }

    fn serialize_newtype_struct<V: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: &V,
    ) -> Result<T::Ok, T::Error> {
        not_a_kind()
    }

    refuse! {
        serialize_bool(bool) -> T::Ok;
        serialize_i8(i8) -> T::Ok;
        serialize_i16(i16) -> T::Ok;
        serialize_i32(i32) -> T::Ok;
        serialize_i64(i64) -> T::Ok;
        serialize_u8(u8) -> T::Ok;
        serialize_u16(u16) -> T::Ok;
        serialize_u32(u32) -> T::Ok;
        serialize_u64(u64) -> T::Ok;
        serialize_f32(f32) -> T::Ok;
        serialize_f64(f64) -> T::Ok;
        serialize_char(char) -> T::Ok;
        serialize_str(&str) -> T::Ok;
        serialize_bytes(&[u8]) -> T::Ok;
        serialize_none() -> T::Ok;
        serialize_unit() -> T::Ok;
        serialize_unit_struct(&'static str) -> T::Ok;
        serialize_seq(Option<usize>) -> Self::SerializeSeq;
        serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
        serialize_struct(&'static str, usize) -> Self::SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }
}
