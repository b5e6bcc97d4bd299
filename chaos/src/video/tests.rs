//! Composed streams, decoded by ffmpeg.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use super::library::Coder;
use super::stamp::Stamp;
use super::*;

const PICTURES: u32 = 25;

fn compose(set: &Arc<PieceSet>) -> (Vec<u8>, Vec<Stamp>) {
    let mut composer = Composer::new(Arc::clone(set));
    let mut stream = Vec::new();
    let mut stamps = Vec::new();
    for nth in 0..PICTURES {
        let at = 1_795_000_000_000 + i64::from(nth) * 100;
        let when = jiff::Timestamp::from_millisecond(at).unwrap();
        let written = Stamp { name: "cam-007".to_owned(), sent: when };
        let view = View {
            stamp: written.to_bytes(),
            text: format!(" cam-007 2026-11-22 06:12:07.{}Z", nth % 10),
            // The last pictures are dark, and they begin between two key pictures.
            variant: (nth < 17).then_some(2),
            phase: nth as usize,
        };
        let (since_key, key_number) = (nth % 10, nth / 10);
        let key = since_key == 0;
        let kind = PictureKind { key, since_key, key_number, huge: false, padded_to: 2000 };
        let picture = composer.compose(&view, kind);
        match &set.coder {
            Coder::Mjpeg(parameters) => {
                stream.extend_from_slice(&parameters.header);
                stream.extend_from_slice(&picture.data);
                stream.extend([0xff, 0xd9]);
            }
            Coder::H264(_) | Coder::H265(_) => {
                for unit in picture.units() {
                    stream.extend([0, 0, 0, 1]);
                    stream.extend_from_slice(unit);
                }
            }
        }
        stamps.push(written);
    }
    (stream, stamps)
}

#[expect(clippy::disallowed_methods, reason = "the test decodes with a program not written here")]
fn decode(stream: &[u8], format: &str) -> (Vec<u8>, String) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, stream).unwrap();
    let output = Command::new("ffmpeg")
        .args(["-v", "warning", "-nostdin", "-f", format, "-i"])
        .arg(file.path())
        .args(["-f", "rawvideo", "-pix_fmt", "gray", "-"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (output.stdout, String::from_utf8_lossy(&output.stderr).into_owned())
}

fn streams_decode(codec: Codec, format: &str) {
    let mut library = Library::new(PathBuf::from("ffmpeg"), 10, 0).unwrap();
    for (width, height) in [(640, 360), (352, 288), (1280, 720)] {
        let set = library.set(codec, (width, height)).unwrap();
        let (stream, stamps) = compose(&set);
        let (luma, complaints) = decode(&stream, format);
        // A large picture needs more slices than ffmpeg likes; it decodes them all the same.
        let known = ["deprecated pixel format", "Possibly too many slices"];
        let known = if width > 704 { &known[..] } else { &known[..1] };
        let unknown = |line: &&str| !known.iter().any(|known| line.contains(known));
        let complaints: Vec<_> = complaints.lines().filter(unknown).collect();
        assert!(complaints.is_empty(), "{codec:?} {width}x{height}: {complaints:?}");
        let pictures: Vec<_> = luma.chunks_exact(width * height).collect();
        assert_eq!(pictures.len(), stamps.len(), "{codec:?} {width}x{height}");
        for (picture, written) in pictures.iter().zip(&stamps) {
            assert_eq!(Stamp::from_luma(picture, width, height).as_ref(), Some(written));
        }
        let mean = |picture: &[u8]| {
            picture.iter().map(|&y| u64::from(y)).sum::<u64>() / picture.len() as u64
        };
        assert!(mean(pictures[3]) > 60, "the scene is visible");
        assert!(mean(pictures[PICTURES as usize - 1]) < 20, "the dark scene is dark");
    }
}

#[test]
fn h264_pictures_decode_and_carry_their_stamp() {
    streams_decode(Codec::H264, "h264");
}

#[test]
fn h265_pictures_decode_and_carry_their_stamp() {
    streams_decode(Codec::H265, "hevc");
}

#[test]
fn mjpeg_pictures_decode_and_carry_their_stamp() {
    streams_decode(Codec::Mjpeg, "mjpeg");
}

#[test]
fn pictures_between_keys_are_small() {
    let mut library = Library::new(PathBuf::from("ffmpeg"), 10, 0).unwrap();
    let set = library.set(Codec::H264, (640, 360)).unwrap();
    let mut composer = Composer::new(Arc::clone(&set));
    let view = View { stamp: [0; 12], text: "cam-001".to_owned(), variant: Some(0), phase: 3 };
    let kind = PictureKind { key: true, since_key: 0, key_number: 0, huge: false, padded_to: 0 };
    let first = composer.compose(&view, kind);
    let same = composer.compose(&view, PictureKind { key: false, since_key: 1, ..kind });
    assert!(first.data.len() > 4_000);
    assert_eq!(same.units.len(), 1, "one slice that repeats everything");
    assert!(same.data.len() < 40);
}

#[test]
fn huge_parameter_sets_claim_twenty_thousand_pixels() {
    let mut library = Library::new(PathBuf::from("ffmpeg"), 10, 0).unwrap();
    for (codec, format) in [(Codec::H264, "h264"), (Codec::H265, "hevc")] {
        let set = library.set(codec, (640, 360)).unwrap();
        let mut composer = Composer::new(Arc::clone(&set));
        let view = View { stamp: [0; 12], text: String::new(), variant: Some(0), phase: 0 };
        let kind = PictureKind { key: true, since_key: 0, key_number: 0, huge: true, padded_to: 0 };
        let mut stream = Vec::new();
        for unit in composer.compose(&view, kind).units() {
            stream.extend([0, 0, 0, 1]);
            stream.extend_from_slice(unit);
        }
        let (_, complaints) = decode(&stream, format);
        assert!(complaints.contains("20000") || complaints.contains("19992"), "{complaints}");
    }
}
