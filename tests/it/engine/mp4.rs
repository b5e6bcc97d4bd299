//! Fragmented MP4, judged by the crate that reads it back and by ffmpeg.

use std::collections::VecDeque;
use std::path::Path;
use std::process::{Command, Stdio};

use bytes::Bytes;
use camserver::live::mp4::{Packaged, Packager};
use camserver::model::picture::Codec;
use camserver::world::camera::rtp::Unit;
use mp4_atom::{Any, Atom as _, DecodeMaybe as _, Moof, TrunSamples};

#[expect(clippy::disallowed_methods, reason = "a test asks ffmpeg for streams and for its verdict")]
fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    command
}

fn output(command: &mut Command) -> (String, String) {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?} {}", text(&output.stderr));
    (text(&output.stdout), text(&output.stderr))
}

/// A second and a half of pictures as a camera would send them, in the order of decoding.
fn pictures(codec: Codec, options: &str) -> Vec<Unit> {
    let directory = tempfile::tempdir().unwrap();
    let (container, raw) = (directory.path().join("a.mp4"), directory.path().join("a.bin"));
    let (library, filter, format) = match codec {
        Codec::H264 => ("libx264", "h264_mp4toannexb,h264_metadata=aud=insert", "h264"),
        Codec::H265 => ("libx265", "hevc_mp4toannexb,hevc_metadata=aud=insert", "hevc"),
        Codec::Jpeg => panic!("not in MP4"),
    };
    let source = "testsrc=size=320x180:rate=20:duration=1.5";
    let mut encode = command("ffmpeg");
    encode.args(["-v", "error", "-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p"]);
    encode.args(["-c:v", library, "-g", "10", "-video_track_timescale", "90000"]);
    output(encode.args(options.split(' ')).arg(&container));
    let mut unpack = command("ffmpeg");
    unpack.args(["-v", "error", "-i"]).arg(&container).args(["-c", "copy", "-bsf:v", filter]);
    output(unpack.args(["-f", format]).arg(&raw));
    let mut probe = command("ffprobe");
    probe.args(["-v", "error", "-show_entries", "packet=pts,flags", "-of", "csv=p=0"]);
    let (listed, _) = output(probe.arg(&container));
    let stream = std::fs::read(raw).unwrap();
    let mut units = split(codec, &stream);
    assert_eq!(units.len(), listed.lines().count());
    listed
        .lines()
        .map(|line| {
            let (pts, flags) = line.split_once(',').unwrap();
            let timestamp = u32::try_from(pts.parse::<i64>().unwrap() + 90_000).unwrap();
            let data = units.pop_front().unwrap();
            Unit { key: flags.starts_with('K'), timestamp, data }
        })
        .collect()
}

/// Access units, each of which begins with a delimiter.
fn split(codec: Codec, stream: &[u8]) -> VecDeque<Bytes> {
    let delimiter: &[u8] = match codec {
        Codec::H265 => &[0, 0, 0, 1, 0x46, 0x01],
        Codec::H264 | Codec::Jpeg => &[0, 0, 0, 1, 0x09],
    };
    let mut starts: Vec<usize> = stream
        .windows(delimiter.len())
        .enumerate()
        .filter(|(_, window)| *window == delimiter)
        .map(|(at, _)| at)
        .collect();
    starts.push(stream.len());
    starts.windows(2).map(|pair| Bytes::copy_from_slice(&stream[pair[0]..pair[1]])).collect()
}

fn package(codec: Codec, units: &[Unit]) -> Vec<Packaged> {
    let mut packager = Packager::default();
    units.iter().filter_map(|unit| packager.push(codec, unit).unwrap()).collect()
}

fn file_of(packaged: &[Packaged]) -> Vec<u8> {
    let mut file = Vec::new();
    for piece in packaged {
        file.extend(piece.start.iter().flat_map(|start| start.init.to_vec()));
        file.extend_from_slice(&piece.fragment);
    }
    file
}

/// What ffmpeg makes of a file, as raw bytes.
pub(super) fn decoded(file: &[u8], options: &[&str]) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let (path, raw) = (directory.path().join("seen.mp4"), directory.path().join("seen.raw"));
    std::fs::write(&path, file).unwrap();
    let mut decode = command("ffmpeg");
    decode.args(["-v", "error", "-xerror", "-i"]).arg(&path);
    output(decode.args(options).arg(&raw));
    std::fs::read(raw).unwrap()
}

/// What ffprobe finds in one track.
pub(super) struct Listed {
    pub(super) codec: String,
    /// When each packet is shown, in seconds.
    pub(super) times: Vec<f64>,
    pub(super) bytes: usize,
    /// How many packets hold no more than AAC needs for silence.
    pub(super) silent: usize,
}

/// The tracks of a file, all of which decodes.
pub(super) fn streams(file: &[u8]) -> Vec<Listed> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("seen.mp4");
    std::fs::write(&path, file).unwrap();
    let mut decode = command("ffmpeg");
    decode.args(["-v", "warning", "-xerror", "-i"]).arg(&path);
    let (_, complaints) = output(decode.args(["-fps_mode", "passthrough", "-f", "null", "-"]));
    assert_eq!(complaints, "", "ffmpeg complains");
    let mut probe = command("ffprobe");
    probe.args(["-v", "error", "-of", "json", "-show_entries"]);
    probe.arg("stream=codec_name:packet=stream_index,pts_time,size");
    let (listed, _) = output(probe.arg(&path));
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let streams = listed["streams"].as_array().unwrap().iter().enumerate();
    streams
        .map(|(nth, stream)| {
            let packets = listed["packets"].as_array().unwrap().iter();
            let of: Vec<_> = packets.filter(|packet| packet["stream_index"] == nth).collect();
            let times = of.iter().map(|packet| text(&packet["pts_time"]).parse().unwrap());
            let sizes = of.iter().map(|packet| text(&packet["size"]).parse::<usize>().unwrap());
            Listed {
                codec: text(&stream["codec_name"]),
                times: times.collect(),
                bytes: sizes.clone().sum(),
                silent: sizes.filter(|size| *size <= 6).count(),
            }
        })
        .collect()
}

/// Asks ffmpeg whether every picture of the file decodes; hands back what ffprobe lists.
pub(super) fn judge(path: &Path) -> Vec<(i64, i64)> {
    let mut decode = command("ffmpeg");
    decode.args(["-v", "warning", "-xerror", "-i"]).arg(path);
    // Every picture as it comes: `-f null` alone would repeat and drop for an even pace.
    let (_, complaints) = output(decode.args(["-fps_mode", "passthrough", "-f", "null", "-"]));
    assert_eq!(complaints, "", "ffmpeg complains");
    let mut probe = command("ffprobe");
    probe.args(["-v", "error", "-count_frames", "-show_entries"]);
    probe.args(["packet=pts,dts:stream=nb_read_frames", "-of", "csv=p=0"]);
    let (listed, complaints) = output(probe.arg(path));
    assert_eq!(complaints, "", "ffprobe complains");
    let (times, frames): (Vec<_>, Vec<_>) = listed.lines().partition(|line| line.contains(','));
    assert_eq!(frames, [times.len().to_string()], "pictures that do not decode");
    let number = |text: &str| text.parse().unwrap();
    let pair = |line: &&str| {
        line.trim_end_matches(',').split_once(',').map(|(p, d)| (number(p), number(d)))
    };
    times.iter().filter_map(pair).collect()
}

fn judged(packaged: &[Packaged]) -> Vec<(i64, i64)> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("stream.mp4");
    std::fs::write(&path, file_of(packaged)).unwrap();
    judge(&path)
}

fn moof(piece: &Packaged) -> Moof {
    let mut rest = &piece.fragment[..];
    let Some(Any::Moof(moof)) = Any::decode_maybe(&mut rest).unwrap() else { panic!("no moof") };
    let Some(Any::Mdat(mdat)) = Any::decode_maybe(&mut rest).unwrap() else { panic!("no mdat") };
    assert!(rest.is_empty());
    let TrunSamples::Explicit(samples) = &moof.traf[0].trun[0].samples else { panic!("no sample") };
    assert_eq!(samples[0].size, Some(u32::try_from(mdat.data.len()).unwrap()));
    moof
}

#[test]
fn ffmpeg_plays_every_picture_of_both_codecs() {
    let cases = [
        (Codec::H264, "-profile:v baseline", "avc1.42C00C", 320, 180),
        (Codec::H264, "-profile:v high -bf 0", "avc1.64000C", 320, 180),
        (Codec::H265, "-x265-params bframes=0:log-level=none", "hvc1.1.6.L60.90", 320, 180),
    ];
    for (codec, options, name, width, height) in cases {
        let units = pictures(codec, options);
        let packaged = package(codec, &units);
        assert_eq!(packaged.len(), 30, "{options}");
        let start = packaged[0].start.as_ref().unwrap();
        assert_eq!(&*start.mime, format!("video/mp4; codecs=\"{name}\""));
        assert!(packaged[1..].iter().all(|piece| piece.start.is_none()), "{options}");
        let mut rest = &start.init[..];
        let mut kinds = Vec::new();
        while let Some(atom) = Any::decode_maybe(&mut rest).unwrap() {
            if let Any::Moov(moov) = &atom {
                let tkhd = &moov.trak[0].tkhd;
                assert_eq!((tkhd.width.integer(), tkhd.height.integer()), (width, height));
            }
            kinds.push(atom.kind());
        }
        assert_eq!(kinds, [mp4_atom::Ftyp::KIND, mp4_atom::Moov::KIND]);
        for (nth, piece) in packaged.iter().enumerate() {
            assert_eq!(moof(piece).mfhd.sequence_number, u32::try_from(nth + 1).unwrap());
            assert_eq!(piece.key, nth % 10 == 0, "{options} {nth}");
        }
        let times = judged(&packaged);
        let steps: Vec<i64> = times.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
        assert!(steps[1..].iter().all(|step| *step == 4_500), "{options} {steps:?}");
    }
}

#[test]
fn reordered_pictures_play_in_their_order() {
    let cases = [
        (Codec::H264, "-bf 2 -b_strategy 0"),
        (Codec::H264, "-bf 3 -x264-params b-pyramid=normal:b-adapt=0"),
        (Codec::H265, "-x265-params bframes=3:b-adapt=0:log-level=none"),
    ];
    for (codec, options) in cases {
        let units = pictures(codec, options);
        assert!(units.windows(2).any(|pair| pair[1].timestamp < pair[0].timestamp), "{options}");
        let packaged = package(codec, &units);
        let times = judged(&packaged);
        for (index, (shown, decoded)) in times.iter().enumerate() {
            let expected = i64::from(units[index].timestamp) - i64::from(units[0].timestamp);
            assert_eq!(shown - times[0].0, expected, "{options} {index}");
            assert!(shown >= decoded, "{options} {index}");
        }
    }
}

#[test]
fn a_stream_may_be_joined_at_any_key_picture() {
    let units = pictures(Codec::H264, "-bf 0");
    let packaged = package(Codec::H264, &units);
    let mut late = packaged[20..].to_vec();
    late[0].start.clone_from(&packaged[0].start);
    let times = judged(&late);
    assert_eq!(times.len(), 10);
    assert!(times[0].0 > 80_000, "{times:?}");
}

#[test]
fn after_a_loss_everything_up_to_the_next_key_picture_is_left_out() {
    let units = pictures(Codec::H264, "-bf 0");
    let mut packager = Packager::default();
    let mut pieces = Vec::new();
    for (nth, unit) in units.iter().enumerate() {
        if nth == 3 {
            packager.interrupt();
            assert!(packager.awaits_key());
        }
        pieces.extend(packager.push(Codec::H264, unit).unwrap());
    }
    assert_eq!(pieces.len(), 23);
    let times = judged(&pieces);
    let steps: Vec<i64> = times.windows(2).map(|pair| pair[1].1 - pair[0].1).collect();
    assert!(steps[1..].iter().all(|step| *step == 4_500), "{steps:?}");
}

#[test]
fn other_parameter_sets_begin_the_stream_anew() {
    let small = pictures(Codec::H264, "-bf 0");
    let large = pictures(Codec::H264, "-bf 0 -s 640x360");
    let mut packager = Packager::default();
    let mut begun = Vec::new();
    for unit in small.iter().chain(&large).chain(&small[..10]) {
        let piece = packager.push(Codec::H264, unit).unwrap().unwrap();
        assert!(piece.start.is_none() || piece.key);
        begun.push(piece);
    }
    let starts: Vec<usize> =
        begun.iter().enumerate().filter(|(_, p)| p.start.is_some()).map(|(nth, _)| nth).collect();
    assert_eq!(starts, [0, 30, 60]);
    assert_eq!(judged(&begun[30..60]).len(), 30);
    let h265 = pictures(Codec::H265, "-x265-params bframes=0:log-level=none");
    let piece = packager.push(Codec::H265, &h265[0]).unwrap().unwrap();
    assert!(piece.start.unwrap().mime.contains("hvc1"));
}

#[test]
fn what_cannot_be_played_is_refused_with_a_reason() {
    let mut packager = Packager::default();
    let jpeg = Unit { key: true, timestamp: 0, data: Bytes::from_static(&[0xff, 0xd8]) };
    let error = packager.push(Codec::Jpeg, &jpeg).unwrap_err();
    assert_eq!(error.to_string(), "MJPEG cannot be played by browsers");
    let slice = Bytes::from_static(&[0, 0, 0, 1, 0x65, 0x88, 1, 2, 3]);
    let bare = Unit { key: true, timestamp: 0, data: slice };
    for codec in [Codec::H264, Codec::H265] {
        assert!(packager.push(codec, &bare).is_err());
    }
}
