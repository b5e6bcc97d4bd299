//! Playlists and segments out of pieces.

use super::*;

fn boxed(kind: [u8; 4], body: &[u8]) -> Vec<u8> {
    [&u32::try_from(8 + body.len()).unwrap().to_be_bytes()[..], &kind, body].concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn start() -> Media {
    let header = boxed(*b"mdhd", &words(&[0, 0, 0, 1_000, 0]));
    let path = [*b"mdia", *b"trak", *b"moov"];
    let init = path.iter().fold(header, |body, kind| boxed(*kind, &body));
    Media::Start { mime: "video/mp4".into(), init: init.into() }
}

/// A picture at so many milliseconds, of so many bytes.
fn picture(at: u32, is_key: bool, bytes: usize) -> Media {
    let flags = if is_key { 0x0200_0000 } else { 0x0101_0000 };
    let head = boxed(*b"tfhd", &words(&[0x2_0020, 1, flags]));
    let time = boxed(*b"tfdt", &words(&[0, at]));
    let run = boxed(*b"trun", &words(&[1, 1, 0]));
    let moof = boxed(*b"moof", &boxed(*b"traf", &[head, time, run].concat()));
    Media::Fragment([moof, boxed(*b"mdat", &vec![0; bytes])].concat().into())
}

/// Ten pictures a second, a key picture every `gop` milliseconds.
fn play(segments: &mut Segments, from: u32, until: u32, gop: u32) {
    for at in (from..until).step_by(100) {
        segments.push(picture(at, at % gop == 0, 100)).unwrap();
    }
}

#[test]
fn segments_last_a_second_and_begin_with_key_pictures_where_they_come() {
    let mut segments = Segments::default();
    segments.push(start()).unwrap();
    play(&mut segments, 0, 2_000, 700);
    assert!(!segments.is_filled());
    let expected = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n\
        #EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-DISCONTINUITY-SEQUENCE:0\n\
        #EXT-X-MAP:URI=\"init-1.mp4\"\n#EXTINF:0.700,\n0.m4s\n#EXTINF:0.700,\n1.m4s\n";
    assert_eq!(segments.playlist(), expected);
    // Without key pictures they go on all the same.
    play(&mut segments, 2_000, 6_000, 100_000);
    assert!(segments.is_filled());
    assert_eq!(segments.playlist().matches("#EXTINF:1.000").count(), 4);
    assert_eq!(segments.file(ShelfFile::Segment(0)).unwrap().len() % 7, 0);
    assert_eq!(segments.file(ShelfFile::Segment(99)), None);
    assert_eq!(segments.file(ShelfFile::Init(2)), None);
}

#[test]
fn a_camera_that_begins_anew_is_a_discontinuity() {
    let mut segments = Segments::default();
    segments.push(start()).unwrap();
    play(&mut segments, 0, 2_100, 1_000);
    segments.push(start()).unwrap();
    play(&mut segments, 0, 1_100, 1_000);
    let text = segments.playlist();
    let after = text.split("#EXT-X-DISCONTINUITY\n").nth(1).unwrap();
    assert!(after.starts_with("#EXT-X-MAP:URI=\"init-2.mp4\"\n"), "{text}");
    assert!(segments.file(ShelfFile::Init(1)).is_some());
    // Once more: what belongs to the first start goes, and is counted.
    segments.push(start()).unwrap();
    play(&mut segments, 0, 1_100, 1_000);
    let text = segments.playlist();
    assert!(text.contains("#EXT-X-DISCONTINUITY-SEQUENCE:1\n"), "{text}");
    assert!(segments.file(ShelfFile::Init(1)).is_none() && !text.contains("init-1"));
}

#[test]
fn what_is_kept_is_bounded_in_number_and_bytes() {
    let mut segments = Segments::default();
    segments.push(start()).unwrap();
    play(&mut segments, 0, 60_000, 1_000);
    assert_eq!(segments.kept.len(), KEPT);
    assert!(segments.playlist().contains(&format!("#EXT-X-MEDIA-SEQUENCE:{}\n", 59 - KEPT)));
    for nth in 0..40 {
        segments.push(picture(60_000 + nth * 10, nth == 0, 3 << 20)).unwrap();
        let bytes: usize = segments.kept.iter().map(|segment| segment.data.len()).sum();
        assert!(bytes <= BYTES_MAX, "{bytes}");
        assert!(segments.open.as_ref().unwrap().data.len() <= SEGMENT_BYTES_MAX);
    }
}

#[test]
fn no_segment_is_longer_than_promised_and_time_that_goes_back_ends_one() {
    let mut segments = Segments::default();
    segments.push(start()).unwrap();
    for at in [0, 9_000, 18_000, 17_000, 17_500] {
        segments.push(picture(at, true, 10)).unwrap();
    }
    for line in segments.playlist().lines().filter_map(|line| line.strip_prefix("#EXTINF:")) {
        let length: f64 = line.trim_end_matches(',').parse().unwrap();
        assert!(length > 0.0 && length.round() <= f64::from(TARGET), "{line}");
    }
    assert_eq!(Segments::default().push(picture(0, true, 1)), None, "no start before it");
    let mut broken = Segments::default();
    assert_eq!(broken.push(Media::Fragment(Bytes::from_static(b"\0\0\0\x08moof"))), None);
}

#[test]
fn only_names_that_playlists_use_are_files() {
    assert_eq!("init-3.mp4".parse(), Ok(ShelfFile::Init(3)));
    assert_eq!("17.m4s".parse(), Ok(ShelfFile::Segment(17)));
    for name in
        ["", ".m4s", "+1.m4s", "-1.m4s", "init-.mp4", "init-1.m4s", "../1.m4s", "1.m4s?", "a.m4s"]
    {
        assert_eq!(name.parse::<ShelfFile>(), Err(()), "{name}");
    }
}
