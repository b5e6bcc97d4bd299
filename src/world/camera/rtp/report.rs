//! What a sender says about its clocks: RTCP sender reports (RFC 3550, 6.4.1).
//!
//! It finds one in a packet, whatever else is in there. It believes nothing and keeps nothing.

use bytes::Buf as _;

/// Packet type of a sender report.
const SENDER_REPORT: u8 = 200;
/// Packets of a compound packet that are looked at; the report is the first of them by the rules.
const PACKETS_MAX: usize = 8;

/// One moment, on both clocks of a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderReport {
    /// On the sender's wall clock: seconds in the upper half, parts of 2^32 of one in the lower.
    /// They should count from 1900, but some cameras count from when they were switched on.
    pub ntp: u64,
    /// On the clock of the track's RTP timestamps, wraps.
    pub timestamp: u32,
}

impl SenderReport {
    /// The report in a compound packet; `None` also where the sender says that it has no clock.
    pub fn find(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        for _ in 0..PACKETS_MAX {
            let [version, kind, high, low] = *rest.first_chunk::<4>()?;
            if version >> 6 != 2 {
                return None;
            }
            let body = &rest[4..];
            if kind == SENDER_REPORT {
                return Self::read(body);
            }
            rest = body.get(4 * usize::from(u16::from_be_bytes([high, low]))..)?;
        }
        None
    }

    /// Reads what follows a packet's first four bytes.
    fn read(mut body: &[u8]) -> Option<Self> {
        let _source = body.try_get_u32().ok()?;
        let (ntp, timestamp) = (body.try_get_u64().ok()?, body.try_get_u32().ok()?);
        (ntp >> 32 != 0).then_some(Self { ntp, timestamp })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NTP: u64 = 77 << 32;

    fn report(ntp: u64, timestamp: u32) -> Vec<u8> {
        let mut bytes = vec![0x80, 200, 0, 6, 0, 0, 0, 1];
        bytes.extend(ntp.to_be_bytes());
        bytes.extend(timestamp.to_be_bytes());
        bytes.extend([0; 8]);
        bytes
    }

    #[test]
    fn a_report_is_found_wherever_it_stands() {
        let found = Some(SenderReport { ntp: NTP, timestamp: 5 });
        let receiver = [0x80, 201, 0, 1, 0, 0, 0, 2];
        assert_eq!(SenderReport::find(&report(NTP, 5)), found);
        assert_eq!(SenderReport::find(&[&receiver[..], &report(NTP, 5)].concat()), found);
        assert_eq!(SenderReport::find(&receiver), None);
    }

    #[test]
    fn a_sender_without_a_clock_says_nothing() {
        for ntp in [0, 77] {
            assert_eq!(SenderReport::find(&report(ntp, 5)), None);
        }
    }

    proptest! {
        #[test]
        fn no_packet_does_harm(mut bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _found = SenderReport::find(&bytes);
            if bytes.len() > 1 {
                (bytes[0], bytes[1]) = (0x80, 200);
                let found = SenderReport::find(&bytes);
                prop_assert!(bytes.len() >= 20 || found.is_none());
            }
        }
    }
}
