//! What the cameras' microphones hear: a tone as AAC, encoded once by ffmpeg, again and again. It
//! does not know how sound travels.

use std::path::Path;
use std::process::Stdio;

use serde::{Deserialize, Serialize};

/// Samples a second.
pub(crate) const RATE: u32 = 16_000;
/// Samples of one frame.
pub(crate) const FRAME_SAMPLES: u32 = 1024;
/// The `AudioSpecificConfig` of what is sent: low complexity, 16 kHz, one channel.
pub(crate) const CONFIG: &str = "1408";
/// Bytes of an ADTS header without checksum.
const ADTS_BYTES: usize = 7;

/// Whether cameras have sound, and what they do when somebody wants it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Sound {
    /// There is none.
    #[default]
    None,
    /// AAC, as RFC 3640 carries it.
    Aac,
    /// It is offered, but refused with 461 when it is asked for.
    Refused,
    /// Who asks for it is cut off.
    Cut,
}

/// Why there is no tone.
#[derive(Debug, thiserror::Error)]
pub enum SoundError {
    /// ffmpeg could not be run.
    #[error("run ffmpeg")]
    Run(#[source] std::io::Error),
    /// What it made cannot be read.
    #[error("ffmpeg made no AAC: {0}")]
    Made(String),
}

/// The frames of one loop, without headers.
#[derive(Debug)]
pub(crate) struct Tone(Vec<Vec<u8>>);

impl Tone {
    /// Lets ffmpeg encode two seconds of a tone.
    #[expect(clippy::disallowed_methods, reason = "the simulator's encoder is awaited right here")]
    pub(crate) fn encode(ffmpeg: &Path) -> Result<Self, SoundError> {
        let source = format!("sine=frequency=440:sample_rate={RATE}");
        let output = std::process::Command::new(ffmpeg)
            .args(["-v", "error", "-nostdin", "-f", "lavfi", "-i", &source, "-t", "2"])
            .args(["-ac", "1", "-c:a", "aac", "-b:a", "32k", "-f", "adts", "pipe:1"])
            .stdin(Stdio::null())
            .output()
            .map_err(SoundError::Run)?;
        let frames = split(&output.stdout);
        if frames.is_empty() {
            let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(SoundError::Made(text));
        }
        Ok(Self(frames))
    }

    /// Frame `number` of a tone without end.
    pub(crate) fn frame(&self, number: u64) -> &[u8] {
        let count = self.0.len().max(1) as u64;
        let nth = usize::try_from(number % count).unwrap_or(0);
        self.0.get(nth).map_or(&[], Vec::as_slice)
    }
}

/// The frames of an ADTS stream (ISO/IEC 14496-3, 1.A.2), without their headers.
fn split(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while let [0xff, _, _, a, b, c, ..] = *bytes {
        let length = usize::from(a & 3) << 11 | usize::from(b) << 3 | usize::from(c) >> 5;
        let Some(frame) = bytes.get(ADTS_BYTES..length) else { break };
        frames.push(frame.to_vec());
        bytes = &bytes[length..];
    }
    frames
}
