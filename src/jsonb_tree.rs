//! JSONB of whatever serde can write, without JSON text in between: what jsonb_in() gives for
//! serde_json's text, byte for byte.
//!
//! The tree that Postgres turns into a JSONB is put together here, its memory in the current context.

use std::fmt::Display;

use pgrx::pg_sys::{self, jbvType, JsonbPair, JsonbValue};
use pgrx::{direct_function_call_as_datum, set_varsize_4b, IntoDatum};
use serde::ser::{Error as _, Impossible, Serialize, Serializer};
use serde::ser::{SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple};
use serde_json::ser::{CompactFormatter, Formatter};

use crate::error::{Error, Result};
use crate::jsonb::RawJsonb;

/// What serde cannot write as JSON.
type NotJson = serde_json::Error;

type Written = std::result::Result<JsonbValue, NotJson>;

/// The JSONB of a document: an object or an array.
pub fn to_jsonb<T: Serialize>(document: &T) -> Result<RawJsonb> {
    let root = document.serialize(Tree).and_then(|root| match root.type_ {
        jbvType::jbvObject | jbvType::jbvArray => Ok(root),
        _ => Err(NotJson::custom("neither an object nor an array")),
    });
    let mut root = root.map_err(|error| Error::Stored(error.to_string()))?;
    // SAFETY: a whole tree; its objects are sorted as Postgres sorts them.
    let jsonb = unsafe { pg_sys::JsonbValueToJsonb(&mut root) };
    Ok(RawJsonb(jsonb.into()))
}

#[derive(Clone, Copy)]
struct Tree;

struct Elements(Vec<JsonbValue>);

#[derive(Default)]
struct Members {
    key: Option<&'static str>,
    pairs: Vec<(&'static str, JsonbValue)>,
}

fn value(kind: jbvType::Type, fill: impl FnOnce(&mut JsonbValue)) -> JsonbValue {
    let mut value = JsonbValue {
        type_: kind,
        ..JsonbValue::default()
    };
    fill(&mut value);
    value
}

fn null() -> JsonbValue {
    value(jbvType::jbvNull, |_| ())
}

/// Of text that stays: a name in the code, or one in Postgres' memory.
fn string(text: &'static str) -> JsonbValue {
    value(jbvType::jbvString, |value| {
        value.val.string.len = text.len() as i32;
        value.val.string.val = text.as_ptr().cast_mut().cast();
    })
}

/// Values in the current memory context.
fn in_postgres<T: Copy>(values: &[T]) -> *mut T {
    // SAFETY: as many bytes are asked for as are written; palloc aligns for every type of these trees.
    unsafe {
        let place = pg_sys::palloc(std::mem::size_of_val(values)).cast::<T>();
        std::ptr::copy_nonoverlapping(values.as_ptr(), place, values.len());
        place
    }
}

/// A text in the current memory context, which outlives the tree.
fn kept(text: &str) -> std::result::Result<&'static str, NotJson> {
    if text.contains('\0') {
        return Err(NotJson::custom("text with a NUL"));
    }
    let place = in_postgres(text.as_bytes());
    // SAFETY: a copy of valid UTF-8.
    Ok(unsafe { std::str::from_utf8_unchecked(std::slice::from_raw_parts(place, text.len())) })
}

/// A number as serde_json writes it.
fn number(text: &str) -> Written {
    let numeric = match ShortNumeric::of(text) {
        Some(numeric) => in_postgres(numeric.words()).cast(),
        None => numeric_in(text)?,
    };
    Ok(value(jbvType::jbvNumeric, |value| {
        value.val.numeric = numeric;
    }))
}

/// What a formatter of serde_json writes into a few bytes.
fn formatted(write: impl FnOnce(&mut &mut [u8]) -> std::io::Result<()>) -> Written {
    let mut buffer = [0; 32];
    let mut rest = &mut buffer[..];
    write(&mut rest).map_err(NotJson::io)?;
    let length = 32 - rest.len();
    number(std::str::from_utf8(&buffer[..length]).map_err(NotJson::custom)?)
}

fn numeric_in(text: &str) -> std::result::Result<pg_sys::Numeric, NotJson> {
    let text = std::ffi::CString::new(text).map_err(NotJson::custom)?;
    let arguments = [
        Some(text.as_ptr().into()),
        pg_sys::InvalidOid.into_datum(),
        (-1).into_datum(),
    ];
    // SAFETY: a built-in function called with arguments of its declared types.
    unsafe { direct_function_call_as_datum(pg_sys::numeric_in, &arguments) }
        .map(|datum| datum.cast_mut_ptr())
        .ok_or_else(|| NotJson::custom("no number"))
}

/// A numeric in the short form of Postgres' numeric.c: its length in bytes, a header of sign, scale and
/// weight, then digits to the base of ten thousand.
struct ShortNumeric {
    words: [u32; SHORT_WORDS],
    length: usize,
}

/// Room for a length, a header and thirteen digits: fifty-two decimal ones.
const SHORT_WORDS: usize = 8;
const SHORT_DIGITS: usize = 2 * (SHORT_WORDS - 1) - 1;

impl ShortNumeric {
    /// `None` where a number is too long, too large or too small for it.
    fn of(text: &str) -> Option<ShortNumeric> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let exponent: i32 = exponent.parse().ok()?;
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let scale = (fraction.len() as i32 - exponent).max(0);
        // The power of ten of the first decimal digit; of ten thousand, of the first digit.
        let first = whole.len() as i32 - 1 + exponent;
        let mut weight = first.div_euclid(4);
        let mut digits = [0_u16; SHORT_DIGITS];
        let places = 3 - first.rem_euclid(4) as usize..;
        for (place, byte) in places.zip(whole.bytes().chain(fraction.bytes())) {
            if !byte.is_ascii_digit() {
                return None;
            }
            *digits.get_mut(place / 4)? += u16::from(byte - b'0') * [1000, 100, 10, 1][place % 4];
        }
        // None of zero at either end.
        let end = digits.iter().rposition(|digit| *digit != 0);
        let begin = digits.iter().position(|digit| *digit != 0).unwrap_or(0);
        let digits = end.map_or(&[][..], |end| &digits[begin..=end]);
        weight -= begin as i32;
        if digits.is_empty() {
            weight = 0;
        }
        if scale > 63 || !(-64..=63).contains(&weight) {
            return None;
        }
        let sign = if negative && !digits.is_empty() {
            0x2000
        } else {
            0
        };
        let header = 0x8000 | sign | (scale as u16) << 7 | (weight as u16 & 0x7f);
        let length = 4 + 2 + 2 * digits.len();
        let mut words = [0; SHORT_WORDS];
        // SAFETY: the header and SHORT_DIGITS digits fit behind the first word.
        unsafe {
            set_varsize_4b(words.as_mut_ptr().cast(), length as i32);
            let halves = words.as_mut_ptr().add(1).cast::<u16>();
            halves.write(header);
            std::ptr::copy_nonoverlapping(digits.as_ptr(), halves.add(1), digits.len());
        }
        Some(ShortNumeric { words, length })
    }

    fn words(&self) -> &[u32] {
        &self.words[..self.length.div_ceil(4)]
    }
}

impl Elements {
    fn add<T: Serialize + ?Sized>(&mut self, element: &T) -> std::result::Result<(), NotJson> {
        self.0.push(element.serialize(Tree)?);
        Ok(())
    }

    fn array(self) -> JsonbValue {
        value(jbvType::jbvArray, |value| {
            value.val.array.nElems = self.0.len() as i32;
            value.val.array.elems = in_postgres(&self.0);
        })
    }
}

impl Members {
    fn object(mut self) -> JsonbValue {
        // As uniqueifyJsonbObject(): shorter names first, and of two of one name the later counts.
        self.pairs
            .sort_by(|(a, _), (b, _)| (a.len(), a.as_bytes()).cmp(&(b.len(), b.as_bytes())));
        self.pairs.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                *kept = *next;
            }
            same
        });
        let pairs: Vec<JsonbPair> = self
            .pairs
            .iter()
            .map(|(key, value)| JsonbPair {
                key: string(key),
                value: *value,
                order: 0,
            })
            .collect();
        value(jbvType::jbvObject, |value| {
            value.val.object.nPairs = pairs.len() as i32;
            value.val.object.pairs = in_postgres(&pairs);
        })
    }
}

impl Serializer for Tree {
    type Ok = JsonbValue;
    type Error = NotJson;
    type SerializeSeq = Elements;
    type SerializeTuple = Elements;
    type SerializeTupleStruct = Impossible<JsonbValue, NotJson>;
    type SerializeTupleVariant = Impossible<JsonbValue, NotJson>;
    type SerializeMap = Members;
    type SerializeStruct = Members;
    type SerializeStructVariant = Impossible<JsonbValue, NotJson>;

    fn serialize_bool(self, boolean: bool) -> Written {
        Ok(value(jbvType::jbvBool, |value| value.val.boolean = boolean))
    }

    fn serialize_i8(self, integer: i8) -> Written {
        self.serialize_i64(integer.into())
    }

    fn serialize_i16(self, integer: i16) -> Written {
        self.serialize_i64(integer.into())
    }

    fn serialize_i32(self, integer: i32) -> Written {
        self.serialize_i64(integer.into())
    }

    fn serialize_i64(self, integer: i64) -> Written {
        formatted(|place| CompactFormatter.write_i64(place, integer))
    }

    fn serialize_u8(self, integer: u8) -> Written {
        self.serialize_u64(integer.into())
    }

    fn serialize_u16(self, integer: u16) -> Written {
        self.serialize_u64(integer.into())
    }

    fn serialize_u32(self, integer: u32) -> Written {
        self.serialize_u64(integer.into())
    }

    fn serialize_u64(self, integer: u64) -> Written {
        formatted(|place| CompactFormatter.write_u64(place, integer))
    }

    fn serialize_f32(self, float: f32) -> Written {
        if !float.is_finite() {
            return Ok(null());
        }
        formatted(|place| CompactFormatter.write_f32(place, float))
    }

    fn serialize_f64(self, float: f64) -> Written {
        if !float.is_finite() {
            return Ok(null());
        }
        formatted(|place| CompactFormatter.write_f64(place, float))
    }

    fn serialize_char(self, character: char) -> Written {
        self.serialize_str(character.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, text: &str) -> Written {
        kept(text).map(string)
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Written {
        bytes.serialize(self)
    }

    fn serialize_none(self) -> Written {
        Ok(null())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Written {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Written {
        Ok(null())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Written {
        Ok(null())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Written {
        Ok(string(variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Written {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Written {
        let mut members = Members::default();
        members.pairs.push((variant, value.serialize(self)?));
        Ok(members.object())
    }

    fn serialize_seq(self, length: Option<usize>) -> std::result::Result<Elements, NotJson> {
        Ok(Elements(Vec::with_capacity(length.unwrap_or(0))))
    }

    fn serialize_tuple(self, length: usize) -> std::result::Result<Elements, NotJson> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        _: usize,
    ) -> std::result::Result<Self::SerializeTupleStruct, NotJson> {
        Err(NotJson::custom(name))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> std::result::Result<Self::SerializeTupleVariant, NotJson> {
        Err(NotJson::custom(name))
    }

    fn serialize_map(self, _: Option<usize>) -> std::result::Result<Members, NotJson> {
        Ok(Members::default())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> std::result::Result<Members, NotJson> {
        Ok(Members::default())
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> std::result::Result<Self::SerializeStructVariant, NotJson> {
        Err(NotJson::custom(name))
    }

    fn collect_str<T: Display + ?Sized>(self, text: &T) -> Written {
        self.serialize_str(&text.to_string())
    }
}

impl SerializeSeq for Elements {
    type Ok = JsonbValue;
    type Error = NotJson;

    fn serialize_element<T: Serialize + ?Sized>(
        &mut self,
        element: &T,
    ) -> std::result::Result<(), NotJson> {
        self.add(element)
    }

    fn end(self) -> Written {
        Ok(self.array())
    }
}

impl SerializeTuple for Elements {
    type Ok = JsonbValue;
    type Error = NotJson;

    fn serialize_element<T: Serialize + ?Sized>(
        &mut self,
        element: &T,
    ) -> std::result::Result<(), NotJson> {
        self.add(element)
    }

    fn end(self) -> Written {
        Ok(self.array())
    }
}

impl SerializeMap for Members {
    type Ok = JsonbValue;
    type Error = NotJson;

    fn serialize_key<T: Serialize + ?Sized>(
        &mut self,
        key: &T,
    ) -> std::result::Result<(), NotJson> {
        let key = key.serialize(Tree)?;
        if key.type_ != jbvType::jbvString {
            return Err(NotJson::custom("a key that is no text"));
        }
        // SAFETY: of a string, which stays as long as the tree.
        self.key = Some(unsafe {
            std::str::from_utf8_unchecked(std::slice::from_raw_parts(
                key.val.string.val.cast::<u8>(),
                key.val.string.len as usize,
            ))
        });
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(
        &mut self,
        value: &T,
    ) -> std::result::Result<(), NotJson> {
        let key = self.key.take().unwrap_or_default();
        self.pairs.push((key, value.serialize(Tree)?));
        Ok(())
    }

    fn end(self) -> Written {
        Ok(self.object())
    }
}

impl SerializeStruct for Members {
    type Ok = JsonbValue;
    type Error = NotJson;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> std::result::Result<(), NotJson> {
        self.pairs.push((key, value.serialize(Tree)?));
        Ok(())
    }

    fn end(self) -> Written {
        Ok(self.object())
    }
}
