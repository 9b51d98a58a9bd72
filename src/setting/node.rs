//! A deserializer over [`toml::Value`] whose errors know their path.

use serde::de::value::StrDeserializer;
use serde::de::{self, Deserializer, IntoDeserializer, MapAccess, Unexpected, Visitor};

use super::fault::{Fault, list_of};
use super::problem::Segment;

/// A value in a tree of settings.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    value: &'a toml::Value,
}

impl<'a> Node<'a> {
    /// The root of a tree.
    pub fn new(value: &'a toml::Value) -> Self {
        Self { value }
    }
}

impl<'de> Deserializer<'de> for Node<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.value {
            toml::Value::String(text) => visitor.visit_borrowed_str(text),
            toml::Value::Integer(number) => visitor.visit_i64(*number),
            toml::Value::Float(number) => visitor.visit_f64(*number),
            toml::Value::Boolean(truth) => visitor.visit_bool(*truth),
            toml::Value::Datetime(_) => Err(de::Error::invalid_type(Unexpected::Other("a date"), &visitor)),
            toml::Value::Array(list) => {
                let mut entries = Entries { list, next: 0 };
                let result = visitor.visit_seq(&mut entries)?;
                if entries.next < list.len() {
                    let expected = list_of(entries.next);
                    return Err(de::Error::invalid_length(list.len(), &expected.as_str()));
                }
                Ok(result)
            }
            toml::Value::Table(table) => visitor.visit_map(Fields::new(table, &[])),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.value {
            toml::Value::Table(table) => {
                let first: Vec<&str> = std::iter::once(name).chain(fields.iter().copied()).collect();
                visitor.visit_map(Fields::new(table, &first))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.value {
            toml::Value::String(text) => {
                let name: StrDeserializer<'_, Fault> = text.as_str().into_deserializer();
                visitor.visit_enum(name)
            }
            _ => self.deserialize_any(visitor),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Fault> for Node<'de> {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

struct Entries<'de> {
    list: &'de [toml::Value],
    next: usize,
}

impl<'de> de::SeqAccess<'de> for Entries<'de> {
    type Error = Fault;

    fn next_element_seed<T: de::DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let Some(value) = self.list.get(self.next) else { return Ok(None) };
        let index = self.next;
        self.next += 1;
        seed.deserialize(Node::new(value)).map(Some).map_err(|fault| fault.below(Segment::Index(index)))
    }
}

/// The tag of a kind that lies within a table of another kind.
const NESTED_TAG: &str = "kind";

/// The entries of a table, those named first in front.
struct Fields<'de> {
    entries: std::vec::IntoIter<(&'de String, &'de toml::Value)>,
    current: Option<(&'de String, &'de toml::Value)>,
}

impl<'de> Fields<'de> {
    fn new(table: &'de toml::Table, first: &[&str]) -> Self {
        let mut entries: Vec<_> = table.iter().collect();
        if !first.is_empty() {
            // Among the others the tag of a kind within a kind comes first: its reader wants it in front.
            let others = |key: &str| first.len() + usize::from(key != NESTED_TAG);
            entries.sort_by_key(|(key, _)| {
                first.iter().position(|name| name == key).unwrap_or_else(|| others(key))
            });
        }
        Self { entries: entries.into_iter(), current: None }
    }
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = Fault;

    fn next_key_seed<K: de::DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        self.current = self.entries.next();
        let Some((key, _)) = self.current else { return Ok(None) };
        seed.deserialize(StrDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<V: de::DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let Some((key, value)) = self.current.take() else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        seed.deserialize(Node::new(value)).map_err(|fault| fault.below(Segment::Key(key.clone())))
    }
}
