//! Gives a [`Value`] to what `serde` derives for a document, and keeps account of the place.

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::error::BodyError;
use super::place::Step;
use super::value::Value;

/// Reads one value.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(&'a Value);

impl<'a> Reader<'a> {
    pub(super) fn new(value: &'a Value) -> Self {
        Self(value)
    }

    fn refuse<T>(self, needed: &'static str) -> Result<T, BodyError> {
        Err(BodyError::kind(self.0.kind(), needed))
    }

    fn whole<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BodyError> {
        match self.0 {
            Value::Whole(number) => visitor.visit_u64(*number),
            _ => self.refuse("a whole number without sign"),
        }
    }

    fn text<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BodyError> {
        match self.0 {
            Value::Text(text) => visitor.visit_str(text),
            _ => self.refuse("a string"),
        }
    }

    fn object<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BodyError>
    where
        'a: 'de,
    {
        match self.0 {
            Value::Object(members) => visitor.visit_map(Members {
                members: members.iter(),
                present: None,
            }),
            _ => self.refuse("an object"),
        }
    }

    fn array<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BodyError>
    where
        'a: 'de,
    {
        match self.0 {
            Value::Array(values) => visitor.visit_seq(Items {
                values: values.iter().enumerate(),
            }),
            _ => self.refuse("an array"),
        }
    }
}

macro_rules! whole_numbers {
    ($($method:ident)*) => {
        $(
            fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BodyError> {
                self.whole(visitor)
            }
        )*
    };
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = BodyError;

    whole_numbers! { deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BodyError> {
        match self.0 {
            Value::Null | Value::OtherNumber => self.refuse("a value of another kind"),
            Value::Boolean(value) => visitor.visit_bool(*value),
            Value::Whole(_) => self.whole(visitor),
            Value::Text(_) => self.text(visitor),
            Value::Array(_) => self.array(visitor),
            Value::Object(_) => self.object(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BodyError> {
        match self.0 {
            Value::Boolean(value) => visitor.visit_bool(*value),
            _ => self.refuse("true or false"),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BodyError> {
        self.text(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BodyError> {
        self.text(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BodyError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, BodyError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BodyError> {
        self.array(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BodyError> {
        self.object(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, BodyError> {
        self.object(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, BodyError> {
        match self.0 {
            Value::Text(name) => visitor.visit_enum(StrDeserializer::<BodyError>::new(name)),
            Value::Object(members) => match members.as_slice() {
                [(name, _)] if !variants.contains(&name.as_str()) => {
                    Err(serde::de::Error::unknown_field(name, variants))
                }
                [(name, value)] => visitor.visit_enum(Choice { name, value }),
                _ => Err(BodyError::not_one(variants)),
            },
            _ => self.refuse("a string or an object with one member"),
        }
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct
        identifier ignored_any
    }
}

struct Members<'a> {
    members: std::slice::Iter<'a, (String, Value)>,
    present: Option<&'a (String, Value)>,
}

impl<'de> MapAccess<'de> for Members<'de> {
    type Error = BodyError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, BodyError> {
        self.present = self.members.next();
        match self.present {
            None => Ok(None),
            Some((name, _)) => seed
                .deserialize(name.as_str().into_deserializer())
                .map(Some),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, BodyError> {
        let (name, value) = self.present.expect("a value is asked for after its name");
        let read = seed.deserialize(Reader(value));
        read.map_err(|error| error.within(Step::Member(name.clone())))
    }
}

struct Items<'a> {
    values: std::iter::Enumerate<std::slice::Iter<'a, Value>>,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = BodyError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, BodyError> {
        let Some((index, value)) = self.values.next() else {
            return Ok(None);
        };
        let read = seed.deserialize(Reader(value)).map(Some);
        read.map_err(|error| error.within(Step::Item(index)))
    }
}

/// An object with one member: the member's name says which variant its value is.
struct Choice<'a> {
    name: &'a str,
    value: &'a Value,
}

impl<'de> EnumAccess<'de> for Choice<'de> {
    type Error = BodyError;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), BodyError> {
        let name: StrDeserializer<'_, BodyError> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl Choice<'_> {
    fn within<T>(&self, read: Result<T, BodyError>) -> Result<T, BodyError> {
        read.map_err(|error| error.within(Step::Member(self.name.to_owned())))
    }
}

impl<'de> VariantAccess<'de> for Choice<'de> {
    type Error = BodyError;

    fn unit_variant(self) -> Result<(), BodyError> {
        self.within(Reader(self.value).refuse("the name of this choice alone"))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, BodyError> {
        self.within(seed.deserialize(Reader(self.value)))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, BodyError> {
        self.within(Reader(self.value).array(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, BodyError> {
        self.within(Reader(self.value).object(visitor))
    }
}
