//! Streams and pictures made by ffmpeg.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::vision::Codec;

/// How one test stream is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recipe {
    pub(super) codec: Codec,
    pub(super) size: &'static str,
    pub(super) format: &'static str,
    /// Further arguments for ffmpeg, separated by blanks.
    pub(super) options: &'static str,
}

pub(super) fn h264(options: &'static str) -> Recipe {
    Recipe { codec: Codec::H264, size: "640x360", format: "yuv420p", options }
}

pub(super) fn h265(options: &'static str) -> Recipe {
    Recipe { codec: Codec::H265, size: "640x360", format: "yuv420p", options }
}

pub(super) fn jpeg(options: &'static str) -> Recipe {
    Recipe { codec: Codec::Jpeg, size: "640x360", format: "yuvj420p", options }
}

impl Recipe {
    pub(super) fn sized(self, size: &'static str) -> Self {
        Self { size, ..self }
    }

    pub(super) fn format(self, format: &'static str) -> Self {
        Self { format, ..self }
    }

    /// One encoded picture.
    pub(super) fn encode(&self) -> Vec<u8> {
        self.encode_frames(1)
    }

    /// The first `frames` pictures of a moving test pattern with noise.
    pub(super) fn encode_frames(&self, frames: usize) -> Vec<u8> {
        let input = format!(
            "testsrc2=size={}:rate=10,noise=alls=12:allf=t:all_seed=7,format={}",
            self.size, self.format
        );
        let frames = frames.to_string();
        let mut arguments = vec!["-f", "lavfi", "-i", &input, "-frames:v", &frames];
        arguments.extend(match self.codec {
            Codec::H264 => ["-c:v", "libx264", "-threads", "1", "-f", "h264"],
            Codec::H265 => ["-c:v", "libx265", "-threads", "1", "-f", "hevc"],
            Codec::Jpeg => ["-c:v", "mjpeg", "-q:v", "4", "-f", "mjpeg"],
        });
        arguments.extend(self.options.split_whitespace());
        arguments.push("-");
        run(&arguments, &[])
    }
}

/// The first picture of `stream` as ffmpeg decodes it, in the pixel format of the stream.
pub(super) fn decode_with_ffmpeg(stream: &[u8]) -> Vec<u8> {
    run(&["-i", "INPUT", "-frames:v", "1", "-f", "rawvideo", "-"], stream)
}

/// The first picture of `stream` as ffmpeg decodes and converts it to `format`.
pub(super) fn convert_with_ffmpeg(stream: &[u8], filter: &str, format: &str) -> Vec<u8> {
    let arguments = ["-i", "INPUT", "-frames:v", "1", "-vf", filter, "-pix_fmt", format];
    run(&[&arguments[..], &["-f", "rawvideo", "-"]].concat(), stream)
}

/// Runs ffmpeg; the argument `INPUT` becomes a file that holds `input`.
#[expect(clippy::disallowed_methods, reason = "tests compare with ffmpeg, no product process")]
fn run(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), input).unwrap();
    let path: &Path = file.path();
    let arguments = arguments
        .iter()
        .map(|argument| if *argument == "INPUT" { path.to_str().unwrap() } else { *argument });
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("ffmpeg is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
