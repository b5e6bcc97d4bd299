//! Decodes composed pictures with ffmpeg and compares.

use std::path::PathBuf;
use std::sync::Arc;

use super::*;

fn write_stream(codec: Codec, size: (usize, usize), file: &std::path::Path) -> Vec<stamp::Stamp> {
    let mut library = Library::new(PathBuf::from("ffmpeg"), 10).unwrap();
    let started = std::time::Instant::now();
    let set = library.set(codec, size).unwrap();
    eprintln!(
        "{codec:?} {size:?} made in {:?}, {} pieces, {} bytes",
        started.elapsed(),
        set.pieces.len(),
        set.pieces.iter().map(|p| p.data.len()).sum::<usize>()
    );
    let mut composer = Composer::new(Arc::clone(&set));
    let mut out = Vec::new();
    let mut stamps = Vec::new();
    let mut sizes = Vec::new();
    for n in 0..25_u32 {
        let sent =
            jiff::Timestamp::from_millisecond(1_795_000_000_000 + i64::from(n) * 100).unwrap();
        let stamp = stamp::Stamp { name: "cam-007".into(), sent };
        let view = View {
            stamp: stamp.to_bytes(),
            text: format!("cam-007 2026-11-22 06:12:07.{}Z", n % 10),
            variant: (n < 20).then_some(2),
            phase: n as usize,
        };
        let kind = PictureKind {
            key: n % 10 == 0,
            since_key: n % 10,
            key_number: n / 10,
            huge: false,
            padded_to: 0,
        };
        let picture = composer.compose(&view, kind);
        sizes.push((picture.data.len(), picture.units.len()));
        if codec == Codec::Mjpeg {
            let library::Coder::Mjpeg(p) = &set.coder else { panic!() };
            out.extend_from_slice(&p.header);
            out.extend_from_slice(&picture.data);
            out.extend([0xff, 0xd9]);
        } else {
            for unit in picture.units() {
                out.extend([0, 0, 0, 1]);
                out.extend_from_slice(unit);
            }
        }
        stamps.push(stamp);
    }
    eprintln!("{sizes:?}");
    std::fs::write(file, out).unwrap();
    stamps
}

#[test]
fn composed_streams_decode_without_errors() {
    for (codec, ext) in [(Codec::H264, "h264"), (Codec::H265, "hevc"), (Codec::Mjpeg, "mjpeg")] {
        for size in [(640, 360), (352, 288), (1920, 1080)] {
            let file = std::env::temp_dir().join(format!("cs/x-{}.{ext}", size.0));
            let stamps = write_stream(codec, size, &file);
            let out = std::process::Command::new("ffmpeg")
                .args(["-v", "error", "-f", ext, "-i"])
                .arg(&file)
                .args(["-f", "rawvideo", "-pix_fmt", "gray", "-"])
                .output()
                .unwrap();
            eprintln!("{}", String::from_utf8_lossy(&out.stderr));
            let frames: Vec<_> = out.stdout.chunks(size.0 * size.1).collect();
            eprintln!("{} frames", frames.len());
            for (frame, stamp) in frames.iter().zip(&stamps) {
                assert_eq!(stamp::Stamp::from_luma(frame, size.0, size.1).as_ref(), Some(stamp));
            }
        }
    }
}
