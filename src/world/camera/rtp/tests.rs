//! Packets of each codec to pictures: whole, in pieces, out of order, lost and hostile.

use bytes::{BufMut as _, BytesMut};
use proptest::prelude::*;

use super::order::Order;
use super::*;

const LIMIT: usize = 10_000;
const SPS: &[u8] = &[0x67, 0x42, 0, 0x1e, 0x95];
const PPS: &[u8] = &[0x68, 0xce];
const IDR: &[u8] = &[0x65, 0x88, 1, 2, 3, 4, 5, 6];
const IDR_SECOND_SLICE: &[u8] = &[0x65, 0x08, 7, 8];
const DELTA: &[u8] = &[0x41, 0x9a, 9];

/// A camera's side of the track: numbers packets, keeps what comes out.
struct Track {
    depacketizer: Depacketizer,
    order: Order,
    sequence: u16,
    ready: VecDeque<Unit>,
}

fn track(codec: Codec, wanted: Wanted) -> Track {
    let description = VideoTrack {
        codec,
        control: String::new(),
        aggregate: String::new(),
        parameter_sets: Vec::new(),
        dimensions: None,
        sound: None,
    };
    Track {
        depacketizer: Depacketizer::new(&description, wanted, LIMIT),
        order: Order::new(0, 90_000),
        sequence: 65_530,
        ready: VecDeque::new(),
    }
}

impl Track {
    fn send(&mut self, timestamp: u32, marker: bool, payload: &[u8]) -> Result<(), MediaError> {
        let mut bytes = BytesMut::new();
        bytes.put_slice(&[0x80, u8::from(marker) << 7 | 0x60]);
        bytes.put_u16(self.sequence);
        bytes.put_u32(timestamp);
        bytes.put_u32(1);
        bytes.put_slice(payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.order.push(Packet::parse(&bytes.freeze()).unwrap());
        while let Some((packet, lost)) = self.order.pop() {
            self.depacketizer.push(&packet, lost, &mut self.ready)?;
        }
        Ok(())
    }

    fn lose(&mut self) {
        self.sequence = self.sequence.wrapping_add(1);
    }

    /// FU-A of an H.264 NAL unit, three bytes a packet.
    fn fragments(nal: &[u8]) -> Vec<Vec<u8>> {
        let pieces: Vec<&[u8]> = nal[1..].chunks(3).collect();
        let last = pieces.len() - 1;
        let flags = |i: usize| u8::from(i == 0) << 7 | u8::from(i == last) << 6;
        let head = |i: usize| [nal[0] & 0xe0 | 0x1c, nal[0] & 0x1f | flags(i)];
        pieces.iter().enumerate().map(|(i, piece)| [&head(i)[..], piece].concat()).collect()
    }

    fn parameter_sets(&mut self, timestamp: u32) {
        self.send(timestamp, false, SPS).unwrap();
        self.send(timestamp, false, PPS).unwrap();
    }

    fn keys(&mut self) -> Vec<Vec<u8>> {
        self.ready.drain(..).filter(|unit| unit.key).map(|unit| unit.data.to_vec()).collect()
    }
}

fn annex_b(nals: &[&[u8]]) -> Vec<u8> {
    nals.iter().flat_map(|nal| [&[0, 0, 0, 1], *nal].concat()).collect()
}

#[test]
fn a_key_picture_comes_with_its_parameter_sets_in_front() {
    let mut track = track(Codec::H264, Wanted::KeysOnly);
    track.parameter_sets(1);
    track.send(1, true, DELTA).unwrap();
    track.send(2, false, IDR).unwrap();
    track.send(2, true, IDR_SECOND_SLICE).unwrap();
    assert_eq!(track.keys(), [annex_b(&[SPS, PPS, IDR, IDR_SECOND_SLICE])]);
    assert_eq!(track.depacketizer.tally().pictures, 2);
}

#[test]
fn fragments_and_aggregates_make_the_same_picture_as_single_units() {
    let mut track = track(Codec::H264, Wanted::All);
    let stap = [&[24, 0, 5], SPS, &[0, 2], PPS].concat();
    track.send(5, false, &stap).unwrap();
    for piece in Track::fragments(IDR) {
        track.send(5, false, &piece).unwrap();
    }
    // Without a marker the picture ends when the next begins.
    track.send(6, true, DELTA).unwrap();
    assert_eq!(track.ready[0].data, annex_b(&[SPS, PPS, IDR]));
    assert_eq!((track.ready[1].key, &track.ready[1].data[..]), (false, &annex_b(&[DELTA])[..]));
}

#[test]
fn a_key_picture_with_a_lost_packet_is_left_out_and_the_next_taken() {
    for missing in 0..3 {
        let mut track = track(Codec::H264, Wanted::KeysOnly);
        track.parameter_sets(1);
        for (index, piece) in Track::fragments(IDR).iter().enumerate() {
            if index == missing {
                track.lose();
            } else {
                track.send(1, index == 2, piece).unwrap();
            }
        }
        track.send(2, true, IDR).unwrap();
        assert_eq!(track.keys(), [annex_b(&[SPS, PPS, IDR])], "{missing}");
        let tally = track.depacketizer.tally();
        assert_eq!((tally.broken, tally.lost), (1, 1), "{missing}");
    }
}

#[test]
fn a_picture_that_is_lost_whole_is_known_to_be_missing() {
    let mut track = track(Codec::H264, Wanted::All);
    track.parameter_sets(1);
    track.send(1, true, IDR).unwrap();
    track.lose();
    track.send(3, true, DELTA).unwrap();
    let tally = track.depacketizer.tally();
    assert_eq!((track.ready.len(), tally.broken, tally.lost), (2, 0, 1));
}

#[test]
fn a_session_that_begins_within_a_key_picture_waits_for_the_next() {
    let mut track = track(Codec::H264, Wanted::KeysOnly);
    track.parameter_sets(1);
    track.send(1, true, IDR_SECOND_SLICE).unwrap();
    track.send(2, true, &Track::fragments(IDR)[2]).unwrap();
    assert_eq!(track.keys(), Vec::<Vec<u8>>::new());
    track.send(3, true, IDR).unwrap();
    assert_eq!(track.keys().len(), 1);
}

#[test]
fn a_key_picture_without_parameter_sets_is_no_use() {
    let mut track = track(Codec::H264, Wanted::KeysOnly);
    track.send(1, true, IDR).unwrap();
    assert!(track.ready.is_empty());
    track.send(2, true, SPS).unwrap();
    track.send(2, true, PPS).unwrap();
    track.send(2, true, IDR).unwrap();
    assert_eq!(track.keys(), [annex_b(&[SPS, PPS, IDR])]);
}

#[test]
fn start_codes_within_one_unit_separate_units() {
    let mut track = track(Codec::H264, Wanted::KeysOnly);
    let all = [SPS, &[0, 0, 0, 1], PPS, &[0, 0, 1], IDR].concat();
    track.send(1, true, &all).unwrap();
    assert_eq!(track.keys(), [annex_b(&[SPS, PPS, IDR])]);
}

#[test]
fn new_parameter_sets_replace_old_ones_of_the_same_number() {
    let mut track = track(Codec::H264, Wanted::KeysOnly);
    let newer = [0x67, 0x42, 0, 0x28, 0x95, 1];
    track.parameter_sets(1);
    track.send(1, false, &newer).unwrap();
    track.send(1, true, IDR).unwrap();
    assert_eq!(track.keys(), [annex_b(&[&newer, PPS, IDR])]);
}

#[test]
fn a_picture_that_never_ends_is_given_up_at_the_bound() {
    let mut track = track(Codec::H264, Wanted::KeysOnly);
    let outcome = (0..LIMIT).find_map(|_| track.send(1, false, IDR).err());
    assert_eq!(outcome, Some(MediaError::TooLong(LIMIT)));
    assert!(usize::from(track.sequence.wrapping_sub(65_530)) < LIMIT / IDR.len());
}

#[test]
fn h265_units_are_put_together() {
    let mut track = track(Codec::H265, Wanted::KeysOnly);
    let (vps, sps, pps) = ([0x40, 1, 0x0c, 1], [0x42, 1, 1], [0x44, 1, 0xc0]);
    let idr = [0x26, 1, 0xaf, 1, 2, 3];
    let aggregate = [&[0x60, 1, 0, 4][..], &vps, &[0, 3], &sps, &[0, 3], &pps].concat();
    track.send(1, false, &aggregate).unwrap();
    track.send(1, false, &[0x62, 1, 0x80 | 0x13, 0xaf]).unwrap();
    track.send(1, false, &[0x62, 1, 0x13, 1, 2]).unwrap();
    track.send(1, true, &[0x62, 1, 0x40 | 0x13, 3]).unwrap();
    assert_eq!(track.keys(), [annex_b(&[&vps, &sps, &pps, &idr])]);
    track.send(2, true, &[0x02, 1, 0xd0]).unwrap();
    assert_eq!((track.depacketizer.tally().pictures, track.ready.len()), (2, 0));
}

#[test]
fn jpeg_fragments_get_headers_and_an_end() {
    let mut track = track(Codec::Jpeg, Wanted::KeysOnly);
    track.send(1, false, &[0, 0, 0, 0, 1, 50, 40, 30, 1, 2, 3]).unwrap();
    track.send(1, true, &[0, 0, 0, 3, 1, 50, 40, 30, 4]).unwrap();
    let data = track.keys().remove(0);
    assert!(data.starts_with(&[0xff, 0xd8]) && data.ends_with(&[1, 2, 3, 4, 0xff, 0xd9]));
    let frame = data.windows(9).find(|w| w.starts_with(&[0xff, 0xc0])).unwrap();
    assert_eq!(frame[5..9], [0, 240, 1, 64]);
    // A hole, found by the number or by the offset.
    track.send(2, false, &[0, 0, 0, 0, 1, 50, 40, 30, 1]).unwrap();
    track.send(2, true, &[0, 0, 0, 9, 1, 50, 40, 30, 1]).unwrap();
    track.send(3, false, &[0, 0, 0, 0, 1, 50, 40, 30, 1]).unwrap();
    track.lose();
    track.send(3, true, &[0, 0, 0, 1, 1, 50, 40, 30, 1]).unwrap();
    assert_eq!((track.ready.len(), track.depacketizer.tally().broken), (0, 2));
}

#[test]
fn jpeg_larger_than_its_header_can_say_takes_the_size_of_the_description() {
    let description = |dimensions| VideoTrack {
        codec: Codec::Jpeg,
        control: String::new(),
        aggregate: String::new(),
        parameter_sets: Vec::new(),
        dimensions,
        sound: None,
    };
    let first = [0, 0, 0, 0, 1, 50, 0, 0, 1];
    let mut large = track(Codec::Jpeg, Wanted::All);
    large.depacketizer = Depacketizer::new(&description(Some((2688, 1520))), Wanted::All, LIMIT);
    large.send(1, true, &first).unwrap();
    assert!(large.keys()[0].windows(4).any(|w| w == [5, 240, 10, 128]));
    let unknown = track(Codec::Jpeg, Wanted::All).send(1, true, &first);
    assert!(matches!(unknown, Err(MediaError::Unsupported(_))));
}

#[test]
fn padding_and_extensions_are_no_payload() {
    let bytes = [0xb0, 0x60, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xbe, 0xde, 0, 1, 9, 9, 9, 9, 7, 0, 2];
    let packet = Packet::parse(&Bytes::copy_from_slice(&bytes)).unwrap();
    assert_eq!((&packet.payload[..], packet.sequence), (&[7][..], 1));
    for cut in 0..20 {
        assert!(Packet::parse(&Bytes::copy_from_slice(&bytes[..cut])).is_err(), "{cut}");
    }
}

proptest! {
    // Many packets make one case.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn arbitrary_payloads_never_panic_and_stay_in_bounds(
        codec in prop_oneof![Just(Codec::H264), Just(Codec::H265), Just(Codec::Jpeg)],
        all: bool,
        packets in prop::collection::vec(
            (0_u32..3, any::<bool>(), prop::bool::weighted(0.1),
             prop::collection::vec(prop_oneof![any::<u8>(), Just(0), Just(1), Just(0x65)], 0..60)),
            0..60,
        ),
    ) {
        let mut track = track(codec, if all { Wanted::All } else { Wanted::KeysOnly });
        for (timestamp, marker, lost, payload) in packets {
            if lost {
                track.lose();
            }
            if track.send(timestamp, marker, &payload).is_err() {
                break;
            }
        }
        prop_assert!(track.ready.iter().all(|unit| unit.data.len() < LIMIT + 33 * 4100));
    }

    #[test]
    fn arbitrary_datagrams_never_panic(bytes: Vec<u8>) {
        drop(Packet::parse(&bytes.into()));
    }
}
