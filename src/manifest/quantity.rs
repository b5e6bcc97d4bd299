//! Values that know their range: numbers, lengths of time, sizes.
//!
//! The range is part of the type, so that the reader and the JSON Schema cannot disagree.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::problem::quote;

/// A whole number from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole<const MIN: u64, const MAX: u64>(pub u64);

impl<const MIN: u64, const MAX: u64> Whole<MIN, MAX> {
    /// The number in a smaller type, cut at what fits.
    pub fn fit<T: TryFrom<u64> + Bounded>(self) -> T {
        T::try_from(self.0).unwrap_or(T::MOST)
    }
}

/// A type with a largest value.
pub trait Bounded {
    /// The largest value.
    const MOST: Self;
}

macro_rules! bounded {
    ($($type:ty),*) => { $(impl Bounded for $type { const MOST: Self = <$type>::MAX; })* };
}
bounded!(u8, u16, u32, usize);

impl<const MIN: u64, const MAX: u64> Visitor<'_> for Whole<MIN, MAX> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from {MIN} to {MAX}")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self, E> {
        if (MIN..=MAX).contains(&value) {
            return Ok(Self(value));
        }
        Err(E::custom(format!("{value} is out of range\nuse a whole number from {MIN} to {MAX}")))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self, E> {
        Err(E::custom(format!("{value} is out of range\nuse a whole number from {MIN} to {MAX}")))
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Whole<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_u64(Self(MIN))
    }
}

impl<const MIN: u64, const MAX: u64> Serialize for Whole<MIN, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<const MIN: u64, const MAX: u64> JsonSchema for Whole<MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Whole{MIN}To{MAX}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "minimum": MIN, "maximum": MAX})
    }
}

/// A number from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number<const MIN: u32, const MAX: u32>(pub f64);

/// A part of a whole.
pub(crate) type Share = Number<0, 1>;

/// Hundredths.
pub(crate) type Percent = Number<0, 100>;

impl<const MIN: u32, const MAX: u32> Visitor<'_> for Number<MIN, MAX> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a number from {MIN} to {MAX}")
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self, E> {
        if (f64::from(MIN)..=f64::from(MAX)).contains(&value) {
            return Ok(Self(value));
        }
        let help = if MAX == 1 && (1.0..=100.0).contains(&value) {
            format!("write a share of 1, such as {}", value / 100.0)
        } else {
            format!("use a number from {MIN} to {MAX}")
        };
        Err(E::custom(format!("{value} is out of range\n{help}")))
    }

    #[expect(clippy::cast_precision_loss, reason = "what is out of range is refused anyway")]
    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self, E> {
        self.visit_f64(value as f64)
    }

    #[expect(clippy::cast_precision_loss, reason = "what is out of range is refused anyway")]
    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self, E> {
        self.visit_f64(value as f64)
    }
}

impl<'de, const MIN: u32, const MAX: u32> Deserialize<'de> for Number<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_f64(Self(0.0))
    }
}

impl<const MIN: u32, const MAX: u32> Serialize for Number<MIN, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0)
    }
}

impl<const MIN: u32, const MAX: u32> JsonSchema for Number<MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Number{MIN}To{MAX}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "number", "minimum": MIN, "maximum": MAX})
    }
}

/// A length of time from `MIN` to `MAX` milliseconds, written `15s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Length<const MIN: u64, const MAX: u64>(pub u64);

/// Units of time and their milliseconds.
const TIME_UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

impl<const MIN: u64, const MAX: u64> Length<MIN, MAX> {
    /// The length.
    pub fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

/// Milliseconds in the largest unit that needs no fraction.
fn show_length(millis: u64) -> String {
    let (unit, size) = TIME_UNITS
        .into_iter()
        .rev()
        // One day reads better as 24h.
        .find(|(unit, size)| match *unit {
            "d" => millis > *size && millis.is_multiple_of(*size),
            "s" => millis.is_multiple_of(*size),
            _ => millis > 0 && millis.is_multiple_of(*size),
        })
        .unwrap_or(("ms", 1));
    format!("{}{unit}", millis / size)
}

/// A number with a unit; `None` where it is not that.
fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let end = text.find(|char: char| !char.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    let (_, size) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*size)
}

struct LengthVisitor<const MIN: u64, const MAX: u64>;

impl<const MIN: u64, const MAX: u64> Visitor<'_> for LengthVisitor<MIN, MAX> {
    type Value = Length<MIN, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a length of time\nwrite a number and a unit, such as `15s`, `5m` or `14d`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        let Some(millis) = with_unit(text, &TIME_UNITS) else {
            let help = if text.bytes().all(|byte| byte.is_ascii_digit()) {
                format!("add the unit, for instance `{text}s`")
            } else {
                "write a whole number and one of ms, s, m, h, d, such as `90s`".to_owned()
            };
            return Err(E::custom(format!("{} is no length of time\n{help}", quote(text))));
        };
        if (MIN..=MAX).contains(&millis) {
            return Ok(Length(millis));
        }
        let (from, to) = (show_length(MIN), show_length(MAX));
        Err(E::custom(format!("{} is out of range\nuse {from} to {to}", quote(text))))
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Length<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(LengthVisitor)
    }
}

impl<const MIN: u64, const MAX: u64> Serialize for Length<MIN, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&show_length(self.0))
    }
}

impl<const MIN: u64, const MAX: u64> JsonSchema for Length<MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Length{MIN}To{MAX}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let range = format!("A length of time from {} to {}.", show_length(MIN), show_length(MAX));
        json_schema!({"type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$", "description": range})
    }
}

/// A number of bytes from `MIN` to `MAX`, written `64MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size<const MIN: u64, const MAX: u64>(pub u64);

/// Units of size and their bytes.
const SIZE_UNITS: [(&str, u64); 5] =
    [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

fn show_size(bytes: u64) -> String {
    let (unit, size) = SIZE_UNITS
        .into_iter()
        .rev()
        .find(|(unit, size)| bytes.is_multiple_of(*size) && (bytes > 0 || *unit == "B"))
        .unwrap_or(("B", 1));
    format!("{}{unit}", bytes / size)
}

struct SizeVisitor<const MIN: u64, const MAX: u64>;

impl<const MIN: u64, const MAX: u64> Visitor<'_> for SizeVisitor<MIN, MAX> {
    type Value = Size<MIN, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size\nwrite a number and a unit, such as `64MiB` or `10GiB`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        let Some(bytes) = with_unit(text, &SIZE_UNITS) else {
            let help = "write a whole number and one of B, KiB, MiB, GiB, TiB, such as `64MiB`";
            return Err(E::custom(format!("{} is no size\n{help}", quote(text))));
        };
        if (MIN..=MAX).contains(&bytes) {
            return Ok(Size(bytes));
        }
        let (from, to) = (show_size(MIN), show_size(MAX));
        Err(E::custom(format!("{} is out of range\nuse {from} to {to}", quote(text))))
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Size<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(SizeVisitor)
    }
}

impl<const MIN: u64, const MAX: u64> Serialize for Size<MIN, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&show_size(self.0))
    }
}

impl<const MIN: u64, const MAX: u64> JsonSchema for Size<MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Size{MIN}To{MAX}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let range = format!("A size from {} to {}.", show_size(MIN), show_size(MAX));
        json_schema!({"type": "string", "pattern": "^[0-9]+([KMGT]i)?B$", "description": range})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_sizes_are_shown_as_they_are_written() {
        for text in ["250ms", "15s", "5m", "24h", "14d", "0s"] {
            let millis = with_unit(text, &TIME_UNITS).unwrap();
            let shown = show_length(millis);
            assert_eq!(with_unit(&shown, &TIME_UNITS), Some(millis), "{text} {shown}");
        }
        assert_eq!(show_length(0), "0s");
        assert_eq!(show_length(90_000), "90s");
        assert_eq!(show_size(64 << 20), "64MiB");
        for text in ["", "15", "s", "1.5s", "-1s", "15 s", "15S", "99999999999999999999s"] {
            assert_eq!(with_unit(text, &TIME_UNITS), None, "{text}");
        }
        assert_eq!(with_unit("18446744073709551615d", &TIME_UNITS), None);
    }
}
