//! Names of objects, parsed once and trusted afterwards.
//!
//! A name is a DNS label, so that it can stand in a URL, a file name, a metric label and a log
//! field without any escaping.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest name in bytes, as DNS has it (RFC 1123 section 2.1).
pub const NAME_BYTES_MAX: usize = 63;

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is empty.
    #[error("a name must not be empty")]
    Empty,
    /// The text is longer than [`NAME_BYTES_MAX`].
    #[error("a name has at most 63 characters, this one has {0}")]
    TooLong(usize),
    /// The text has a character that a DNS label must not have at that place.
    #[error("a name has only a-z, 0-9 and '-', and begins and ends with a letter or digit")]
    Character,
}

/// Checks that a text is a DNS label.
pub fn check_label(text: &str) -> Result<(), NameError> {
    let bytes = text.as_bytes();
    if bytes.is_empty() {
        return Err(NameError::Empty);
    }
    if bytes.len() > NAME_BYTES_MAX {
        return Err(NameError::TooLong(bytes.len()));
    }
    let inner = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
    if !bytes.iter().all(inner) || bytes.first() == Some(&b'-') || bytes.last() == Some(&b'-') {
        return Err(NameError::Character);
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(std::sync::Arc<str>);

        impl $type {
            /// Parses a DNS label.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                check_label(text)?;
                Ok(Self(text.into()))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(&text)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name!(
    /// Name of a `Camera`.
    CameraName
);
name!(
    /// Name of a `Subnet`.
    SubnetName
);
name!(
    /// Name of a `CameraFamily`.
    FamilyName
);
name!(
    /// Name of a `Detector`.
    DetectorName
);
name!(
    /// Name of a `Notifier`.
    NotifierName
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dns_labels_are_names() {
        for good in ["a", "cam-001", "0", &"x".repeat(63)] {
            assert!(CameraName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a_b", "a.b", "ä", &"x".repeat(64)] {
            assert!(CameraName::parse(bad).is_err(), "{bad}");
        }
    }
}
