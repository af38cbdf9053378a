//! serde over [`Node`]: typed drafts from the merged tree, with every error placed.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

use super::node::{Key, Location, Node, Value};
use super::suggest::did_you_mean;

/// A typed field that could not be read.
#[derive(Debug, Clone)]
pub struct DeError {
    /// What is wrong.
    pub message: String,
    /// Where, once known: the innermost node that saw the error sets it.
    pub at: Option<Location>,
}

impl DeError {
    fn at(mut self, place: &Location) -> Self {
        self.at.get_or_insert_with(|| place.clone());
        self
    }
}

impl fmt::Display for DeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DeError {}

impl de::Error for DeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        DeError {
            message: message.to_string(),
            at: None,
        }
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let hint = did_you_mean(field, expected.iter().copied());
        de::Error::custom(format!(
            "unknown key: found `{field}`, expected one of {}{hint}",
            list(expected)
        ))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let hint = did_you_mean(variant, expected.iter().copied());
        de::Error::custom(format!(
            "unknown choice: found `{variant}`, expected one of {}{hint}",
            list(expected)
        ))
    }

    fn missing_field(field: &'static str) -> Self {
        de::Error::custom(format!("missing key: expected `{field}` here"))
    }
}

fn list(names: &[&str]) -> String {
    names
        .iter()
        .map(|n| format!("`{n}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

impl Node {
    pub(super) fn kind(&self) -> String {
        match &self.value {
            Value::Null => "nothing".to_owned(),
            Value::Scalar { text, .. } => format!("`{text}`"),
            Value::Seq(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
        }
    }

    fn unexpected(&self, expected: &dyn fmt::Display) -> DeError {
        let message = format!(
            "wrong kind of value: found {}, expected {expected}",
            self.kind()
        );
        DeError {
            message,
            at: Some(self.at.clone()),
        }
    }

    fn parse_scalar<T: std::str::FromStr>(&self, expected: &str) -> Result<T, DeError> {
        let text = self.text().map(|t| t.replace('_', ""));
        text.and_then(|t| t.parse().ok())
            .ok_or_else(|| self.unexpected(&expected))
    }
}

macro_rules! scalar {
    ($($method:ident $visit:ident $ty:ty, $expected:literal;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
            let value: $ty = self.parse_scalar($expected)?;
            visitor.$visit(value).map_err(|e: DeError| e.at(&self.at))
        }
    )*};
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = DeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match &self.value {
            Value::Null => visitor.visit_unit(),
            Value::Scalar { text, .. } => visitor.visit_borrowed_str(text),
            Value::Seq(_) => return self.deserialize_seq(visitor),
            Value::Map(_) => return self.deserialize_map(visitor),
        }
        .map_err(|e: DeError| e.at(&self.at))
    }

    scalar! {
        deserialize_bool visit_bool bool, "`true` or `false`";
        deserialize_i8 visit_i8 i8, "a whole number";
        deserialize_i16 visit_i16 i16, "a whole number";
        deserialize_i32 visit_i32 i32, "a whole number";
        deserialize_i64 visit_i64 i64, "a whole number";
        deserialize_u8 visit_u8 u8, "a whole number from 0 to 255";
        deserialize_u16 visit_u16 u16, "a whole number from 0";
        deserialize_u32 visit_u32 u32, "a whole number from 0";
        deserialize_u64 visit_u64 u64, "a whole number from 0";
        deserialize_f32 visit_f32 f32, "a number";
        deserialize_f64 visit_f64 f64, "a number";
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match &self.value {
            Value::Scalar { text, .. } => visitor
                .visit_borrowed_str(text)
                .map_err(|e: DeError| e.at(&self.at)),
            _ => Err(self.unexpected(&"a text")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        let Value::Seq(items) = &self.value else {
            return Err(self.unexpected(&"a list"));
        };
        visitor
            .visit_seq(Items(items.iter()))
            .map_err(|e| e.at(&self.at))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        let Value::Map(entries) = &self.value else {
            return Err(self.unexpected(&"a map"));
        };
        visitor
            .visit_map(Entries {
                entries: entries.iter(),
                value: None,
            })
            .map_err(|e| e.at(&self.at))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        if !matches!(self.value, Value::Map(_)) {
            return Err(self.unexpected(&format!("a map with keys {}", list(fields))));
        }
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        match &self.value {
            Value::Scalar { .. } => visitor.visit_enum(Variant {
                tag: self,
                content: None,
            }),
            Value::Map(entries) if entries.len() == 1 => {
                let (key, content) = &entries[0];
                visitor.visit_enum(TaggedVariant { key, content })
            }
            _ => Err(self.unexpected(&format!("one of {}", list(variants)))),
        }
        .map_err(|e: DeError| e.at(&self.at))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
    }
}

struct Items<'de>(std::slice::Iter<'de, Node>);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = DeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DeError> {
        self.0
            .next()
            .map(|n| seed.deserialize(n).map_err(|e| e.at(&n.at)))
            .transpose()
    }
}

struct Entries<'de> {
    entries: std::slice::Iter<'de, (Key, Node)>,
    value: Option<&'de Node>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = DeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DeError> {
        let Some((key, value)) = self.entries.next() else {
            return Ok(None);
        };
        self.value = Some(value);
        let text: StrDeserializer<'_, DeError> = key.text.as_str().into_deserializer();
        seed.deserialize(text).map(Some).map_err(|e| e.at(&key.at))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DeError> {
        let node = self
            .value
            .take()
            .expect("serde asks for a value after its key");
        seed.deserialize(node).map_err(|e| e.at(&node.at))
    }
}

/// `kind: white` — a choice without content.
struct Variant<'de> {
    tag: &'de Node,
    content: Option<&'de Node>,
}

/// `kind: {white: {...}}` — a choice with content.
struct TaggedVariant<'de> {
    key: &'de Key,
    content: &'de Node,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = DeError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), DeError> {
        let text: StrDeserializer<'_, DeError> =
            self.tag.text().unwrap_or_default().into_deserializer();
        Ok((
            seed.deserialize(text).map_err(|e| e.at(&self.tag.at))?,
            self,
        ))
    }
}

impl<'de> EnumAccess<'de> for TaggedVariant<'de> {
    type Error = DeError;
    type Variant = Variant<'de>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Variant<'de>), DeError> {
        let text: StrDeserializer<'_, DeError> = self.key.text.as_str().into_deserializer();
        let value = seed.deserialize(text).map_err(|e| e.at(&self.key.at))?;
        Ok((
            value,
            Variant {
                tag: self.content,
                content: Some(self.content),
            },
        ))
    }
}

impl<'de> VariantAccess<'de> for Variant<'de> {
    type Error = DeError;

    fn unit_variant(self) -> Result<(), DeError> {
        match self.content {
            None => Ok(()),
            Some(node) => Err(node.unexpected(&"no content for this choice")),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, DeError> {
        match self.content {
            Some(node) => seed.deserialize(node),
            None => Err(self
                .tag
                .unexpected(&"this choice with its content, as a map")),
        }
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, DeError> {
        match self.content {
            Some(node) => node.deserialize_seq(visitor),
            None => Err(self.tag.unexpected(&"this choice with a list")),
        }
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        match self.content {
            Some(node) => node.deserialize_struct("", fields, visitor),
            None => Err(self
                .tag
                .unexpected(&format!("a map with keys {}", list(fields)))),
        }
    }
}
