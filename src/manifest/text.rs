//! Values that are one text in YAML: how they get their reader, and times of day.
//!
//! Numbers, lengths of time and sizes, which have a range, are in `quantity`.

use std::borrow::Cow;
use std::fmt;

use jiff::civil::Time;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::problem::quote;
use crate::model::desired::DayWindow;

/// Gives a type that is a text in YAML its reader, writer and schema.
macro_rules! text_value {
    ($type:ident, $expected:literal, $schema:tt) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::manifest::text::parse_text(deserializer, $expected)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}
pub(crate) use text_value;

/// Reads a text and parses it; the error's text is the message and, after a line break, the help.
pub(crate) fn parse_text<'de, D, T>(deserializer: D, expected: &'static str) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: std::str::FromStr<Err = String>,
{
    struct TextVisitor<T>(&'static str, std::marker::PhantomData<T>);

    impl<T: std::str::FromStr<Err = String>> Visitor<'_> for TextVisitor<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }

    deserializer.deserialize_str(TextVisitor(expected, std::marker::PhantomData))
}

/// Hours and minutes, written `03:00`.
fn parse_clock(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let two = |part: &str| {
        (part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| part.parse::<i8>().ok())
            .flatten()
    };
    Time::new(two(hour)?, two(minute)?, 0, 0).ok()
}

/// A time of day, written `"03:00"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeOfDay(pub Time);

impl TimeOfDay {
    /// A full hour.
    pub const fn hour(hour: i8) -> Self {
        Self(Time::constant(hour, 0, 0, 0))
    }
}

impl std::str::FromStr for TimeOfDay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let help = "write hours and minutes as `\"03:00\"`, from 00:00 to 23:59";
        parse_clock(text)
            .map(Self)
            .ok_or_else(|| format!("{} is no time of day\n{help}", quote(text)))
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0.hour(), self.0.minute())
    }
}

/// A span of the day, written `"22:00-05:00"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window(pub DayWindow);

impl std::str::FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('-').map(|(from, to)| (from.trim(), to.trim()));
        let times = parts.and_then(|(from, to)| Some((parse_clock(from)?, parse_clock(to)?)));
        let Some((from, to)) = times else {
            let help = "write the first and the last time as `\"22:00-05:00\"`";
            return Err(format!("{} is no span of the day\n{help}", quote(text)));
        };
        if from == to {
            let help = "use `suspend: true` for a subnet that is never swept";
            return Err(format!("{} has no length\n{help}", quote(text)));
        }
        Ok(Self(DayWindow { from, to }))
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", TimeOfDay(self.0.from), TimeOfDay(self.0.to))
    }
}

text_value!(TimeOfDay, "a time of day such as `\"03:00\"`", {
    "type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"
});
text_value!(Window, "a span of the day such as `\"22:00-05:00\"`", {
    "type": "string",
    "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9] ?- ?([01][0-9]|2[0-3]):[0-5][0-9]$"
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_hours_may_cross_midnight() {
        let window: Window = "22:00-05:00".parse().unwrap();
        assert_eq!(window.to_string(), "22:00-05:00");
        for text in ["22:00", "22-05", "24:00-05:00", "22:00-22:00", "2:00-3:00"] {
            assert!(text.parse::<Window>().is_err(), "{text}");
        }
    }
}
