//! Damaged and hostile pictures are refused, and never panic.

use bytes::Bytes;

use super::fixtures::{h264, h265, jpeg};
use crate::vision::annex_b::nal_units;
use crate::vision::{Codec, Decoder, KeyPicture, Limits, Still, VisionError};

fn still(codec: Codec, data: Vec<u8>) -> Result<Still, VisionError> {
    Decoder::new().still(&KeyPicture { codec, data: Bytes::from(data) }, &Limits::default())
}

fn is_slice(codec: Codec, nal: &[u8]) -> bool {
    match codec {
        Codec::H264 => matches!(nal[0] & 0x1F, 1 | 5),
        Codec::H265 => nal[0] >> 1 < 32,
        Codec::Jpeg => false,
    }
}

fn joined<'a>(nals: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    nals.into_iter().flat_map(|nal| [&[0, 0, 1], nal].concat()).collect()
}

#[test]
fn pictures_that_were_cut_off_are_damaged() {
    for (name, recipe) in [
        ("CABAC", h264("")),
        ("CAVLC", h264("-profile:v baseline")),
        ("CABAC slices", h264("-x264-params slices=4")),
        ("H.265", h265("-x265-params log-level=none")),
        ("H.265 slices", h265("-x265-params log-level=none:slices=4")),
        ("JPEG", jpeg("")),
    ] {
        let whole = recipe.encode();
        // The headers of an encoder are shorter than a tenth of these pictures.
        for percent in [20, 40, 60, 80, 90, 97] {
            let part = whole[..whole.len() * percent / 100].to_vec();
            let error = still(recipe.codec, part).map(|_| (name, percent)).unwrap_err();
            assert!(matches!(error, VisionError::Damaged { .. }), "{name} {percent}: {error}");
        }
    }
}

#[test]
fn pictures_with_missing_slices_are_damaged() {
    for recipe in [
        h264("-x264-params slices=5"),
        h264("-x264-params slices=5 -profile:v baseline"),
        h265("-x265-params log-level=none:slices=5").sized("1280x720"),
    ] {
        let whole = recipe.encode();
        let nals: Vec<&[u8]> = nal_units(&whole).collect();
        let slices: Vec<usize> =
            (0..nals.len()).filter(|&at| is_slice(recipe.codec, nals[at])).collect();
        assert!(slices.len() > 2);
        for lost in slices {
            let rest = nals.iter().enumerate().filter(|(at, _)| *at != lost).map(|(_, nal)| *nal);
            let error = still(recipe.codec, joined(rest)).unwrap_err();
            assert!(matches!(error, VisionError::Damaged { .. }), "slice {lost}: {error}");
        }
    }
}

#[test]
fn pictures_without_parameter_sets_say_so() {
    for recipe in [h264(""), h265("-x265-params log-level=none")] {
        let whole = recipe.encode();
        let slices = nal_units(&whole).filter(|nal| is_slice(recipe.codec, nal));
        let error = still(recipe.codec, joined(slices)).unwrap_err();
        assert_eq!(error, VisionError::NoParameterSets);
    }
}

/// A small deterministic generator; good enough to choose places and bytes.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }

    fn mutate(&mut self, data: &mut Vec<u8>) {
        let at = self.below(data.len());
        let end = (at + 1 + self.below(64)).min(data.len());
        match self.below(5) {
            0 => data[at] ^= 1 << self.below(8),
            1 => data.truncate(at),
            2 => data[at..end].fill(0),
            3 => drop(data.drain(at..end)),
            _ => {
                data[at..end].fill_with(|| self.below(256).to_le_bytes()[0]);
            }
        }
        // Headers are a small part of the data and the more interesting one.
        let start = data.len().min(120);
        if start > 0 && self.below(3) == 0 {
            let bit = 1 << self.below(8);
            data[self.below(start)] ^= bit;
        }
    }
}

/// JPEG has nothing that tells a changed bit from picture data, hence its high allowance.
#[test]
fn five_hundred_mutations_of_each_codec_never_panic_and_are_mostly_noticed() {
    for (name, recipe, allowance) in [
        ("CABAC", h264(""), 30),
        ("CAVLC", h264("-profile:v baseline -x264-params slices=3"), 30),
        ("H.265", h265("-x265-params log-level=none"), 15),
        ("JPEG", jpeg(""), 300),
    ] {
        let whole = recipe.sized("320x180").encode();
        let good = still(recipe.codec, whole.clone()).unwrap();
        let mut dice = Dice(0x5EED);
        let mut wrong = 0;
        for _ in 0..500 {
            let mut data = whole.clone();
            dice.mutate(&mut data);
            wrong += usize::from(still(recipe.codec, data).is_ok_and(|s| s.luma != good.luma));
        }
        assert!(wrong <= allowance, "{name}: {wrong} of 500 damaged pictures taken for sound");
    }
}

/// Writes bits, most significant first.
#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    fn put(&mut self, value: u32, count: u32) -> &mut Self {
        self.0.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
        self
    }

    fn exp_golomb(&mut self, value: u32) -> &mut Self {
        let length = u32::BITS - (value + 1).leading_zeros();
        self.put(0, length - 1).put(value + 1, length)
    }

    fn bytes(&self) -> Vec<u8> {
        let bits = self.0.iter().chain([&true]).copied().collect::<Vec<bool>>();
        let byte =
            |bits: &[bool]| (0..8).map(|i| u8::from(bits.get(i) == Some(&true)) << (7 - i)).sum();
        bits.chunks(8).map(byte).collect()
    }
}

fn huge_h264() -> Vec<u8> {
    let mut bits = Bits::default();
    bits.put(66, 8).put(0, 8).put(51, 8).exp_golomb(0).exp_golomb(0).exp_golomb(2).exp_golomb(1);
    bits.put(0, 1).exp_golomb(1249).exp_golomb(1249).put(0b1100, 4);
    [&[0, 0, 1, 0x67][..], &bits.bytes()].concat()
}

fn huge_h265() -> Vec<u8> {
    let mut bits = Bits::default();
    bits.put(1, 8).put(1, 8).put(0x6000_0000, 32).put(0, 32).put(0, 16).put(93, 8);
    bits.exp_golomb(0).exp_golomb(1).exp_golomb(20_000).exp_golomb(20_000).put(0, 32);
    let mut stream = vec![0, 0, 1, 0x42, 1];
    rusty_h265::nal::escape_into(&bits.bytes(), &mut stream);
    stream
}

fn huge_jpeg() -> Vec<u8> {
    let mut file = jpeg("").encode();
    let frame = file.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    let side = 20_000_u16.to_be_bytes();
    file[frame + 5..frame + 9].copy_from_slice(&[side, side].concat());
    file
}

#[test]
fn huge_declared_sizes_are_refused_before_anything_is_decoded() {
    let huge = [(Codec::H264, huge_h264()), (Codec::H265, huge_h265()), (Codec::Jpeg, huge_jpeg())];
    for (codec, data) in huge {
        let error = still(codec, data).unwrap_err();
        let refused = matches!(error, VisionError::TooLarge { width: 20_000, height: 20_000, .. });
        assert!(refused, "{codec:?}: {error}");
    }
}

#[test]
fn garbage_holds_no_picture() {
    for codec in [Codec::H264, Codec::H265, Codec::Jpeg] {
        for data in [vec![], vec![0; 100_000], b"HTTP/1.1 200 OK\r\n\r\n".repeat(50)] {
            assert_eq!(still(codec, data).unwrap_err(), VisionError::NoPicture, "{codec:?}");
        }
    }
}

#[test]
fn work_that_nobody_waits_for_is_given_up() {
    for recipe in [h264("-x264-params slices=4"), h265("-x265-params log-level=none")] {
        let picture = KeyPicture { codec: recipe.codec, data: Bytes::from(recipe.encode()) };
        let still = Decoder::new().still_unless(&picture, &Limits::default(), &|| true);
        assert_eq!(still, Err(VisionError::Abandoned));
    }
}
