//! The secret of a lease. Only who was granted the lease has it; here only its digest is kept.

use sha2::{Digest as _, Sha256};

use crate::model::lease::LeaseId;

/// Bytes of a key.
const BYTES: usize = 16;

/// The secret that opens a lease: 128 random bits as 32 hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub struct LeaseKey(String);

impl std::fmt::Debug for LeaseKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LeaseKey(..)")
    }
}

impl LeaseKey {
    /// A new one.
    pub(super) fn random() -> Self {
        Self(hex(&rand::random::<[u8; BYTES]>()))
    }

    /// Reads one; `None` for what cannot be the key of anything.
    pub fn parse(text: &str) -> Option<Self> {
        let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        let is_key = text.len() == 2 * BYTES && text.bytes().all(is_digit);
        is_key.then(|| Self(text.to_owned()))
    }

    /// The name of its lease. Looking leases up by it takes the same time for every wrong key.
    pub fn id(&self) -> LeaseId {
        let digest = Sha256::digest(self.0.as_bytes());
        LeaseId(hex(digest.get(..BYTES).unwrap_or_default()).into())
    }

    /// The secret, for the answer to whom it belongs.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_leads_to_its_lease_and_not_back() {
        let key = LeaseKey::random();
        assert_eq!(LeaseKey::parse(key.expose()).unwrap().id(), key.id());
        assert_eq!(key.id().0.len(), 32);
        assert_ne!(&*key.id().0, key.expose());
        assert_eq!(format!("{key:?}"), "LeaseKey(..)");
        assert_ne!(LeaseKey::random(), LeaseKey::random());
    }

    #[test]
    fn only_32_lower_case_digits_are_a_key() {
        let good = "0123456789abcdef0123456789abcdef";
        assert!(LeaseKey::parse(good).is_some());
        for bad in ["", "a", &good[1..], &format!("{good}0"), &good.to_uppercase(), &"g".repeat(32)]
        {
            assert!(LeaseKey::parse(bad).is_none(), "{bad}");
        }
    }
}
