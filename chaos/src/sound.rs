//! What the cameras' microphones hear: a beep with every even second of the wall clock, as AAC,
//! encoded once by ffmpeg, again and again. And how its clock is reported. It does not know how
//! sound travels.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Samples a second.
pub(crate) const RATE: u32 = 16_000;
/// Samples of one frame.
pub(crate) const FRAME_SAMPLES: u32 = 1024;
/// The `AudioSpecificConfig` of what is sent: low complexity, 16 kHz, one channel.
pub(crate) const CONFIG: &str = "1408";
/// Frames of one loop: eight seconds, the shortest time that is whole seconds and whole frames.
const LOOP: usize = 125;
/// Seconds from 1900 to 1970.
const TO_1900: u64 = 2_208_988_800;
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
    /// It is granted, and never sent.
    Mute,
    /// The account may not hear it: 401 whatever the credentials.
    Forbidden,
    /// It is granted, but PLAY is refused with 403 then.
    Unplayable,
    /// It is granted on the channels of the pictures.
    Mixed,
}

/// What cameras report of their clocks (RFC 3550, 6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Reports {
    /// Nothing.
    None,
    /// The truth, for both tracks.
    #[default]
    Right,
    /// For the pictures only.
    Pictures,
    /// With the NTP time 0: they have no clock.
    Zero,
    /// The sound's wall clock is set with each report, by up to two seconds.
    Jumping,
    /// The sound's wall clock is an hour ahead.
    Apart,
}

/// Which track a report is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Track {
    Picture,
    Sound,
}

impl Reports {
    /// The NTP time of report number `nth` at a moment in microseconds since 1970, if there is one.
    pub(crate) fn ntp(self, track: Track, moment: u64, nth: u64) -> Option<u64> {
        let ahead = match (self, track) {
            (Self::None, _) | (Self::Pictures, Track::Sound) => return None,
            (Self::Zero, _) => return Some(0),
            (Self::Jumping, Track::Sound) => (nth + 1) * 1_370_000 % 2_000_000,
            (Self::Apart, Track::Sound) => 3_600_000_000,
            (Self::Right | Self::Pictures | Self::Jumping | Self::Apart, _) => 0,
        };
        let since_1900 = u128::from(moment + ahead) + u128::from(TO_1900) * 1_000_000;
        u64::try_from((since_1900 << 32) / 1_000_000).ok()
    }
}

/// When sound comes, and what is reported of the clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct SoundTiming {
    /// Milliseconds by which sound comes after its pictures; before them where negative.
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(i64).range(-10_000..=10_000))]
    pub sound_late_ms: i64,
    /// Some packets of the sound are lost, and some overtaken by the next.
    #[arg(long)]
    pub sound_shaken: bool,
    /// What cameras report of their clocks.
    #[arg(long, default_value = "right")]
    pub reports: Reports,
    /// Milliseconds after PLAY until they first do.
    #[arg(long, default_value_t = 0)]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=60_000))]
    pub reports_after_ms: u64,
}

impl SoundTiming {
    /// From PLAY to the first report.
    pub(crate) fn reports_after(&self) -> Duration {
        Duration::from_millis(self.reports_after_ms)
    }
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
    /// Lets ffmpeg encode half a second of a tone in every two, over a hum: silence would look like
    /// what fills holes.
    #[expect(clippy::disallowed_methods, reason = "the simulator's encoder is awaited right here")]
    pub(crate) fn encode(ffmpeg: &Path) -> Result<Self, SoundError> {
        let wave = "if(lt(mod(t\\,2)\\,0.5)\\,0.5*sin(2*PI*880*t)\\,0)+0.01*sin(2*PI*110*t)";
        let source = format!("aevalsrc={wave}:s={RATE}:d=18");
        let output = std::process::Command::new(ffmpeg)
            .args(["-v", "error", "-nostdin", "-f", "lavfi", "-i", &source])
            .args(["-ac", "1", "-c:a", "aac", "-b:a", "48k", "-f", "adts", "pipe:1"])
            .stdin(Stdio::null())
            .output()
            .map_err(SoundError::Run)?;
        // The encoder is a frame late: its second frame decodes to what began at 0. The first loop
        // is left out, so that the last frame is followed by what follows it here.
        let frames: Vec<_> = split(&output.stdout).into_iter().skip(1 + LOOP).take(LOOP).collect();
        if frames.len() < LOOP {
            let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(SoundError::Made(text));
        }
        Ok(Self(frames))
    }

    /// Frame `number`, counted from 1970 on.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_is_whole_seconds_so_that_beeps_stay_at_even_ones() {
        let samples = u32::try_from(LOOP).unwrap() * FRAME_SAMPLES;
        assert_eq!((samples % RATE, samples / RATE % 2), (0, 0));
    }

    #[test]
    fn reports_count_seconds_from_1900() {
        let half_past = 1_500_000;
        let right = ((TO_1900 + 1) << 32) + (1 << 31);
        assert_eq!(Reports::Right.ntp(Track::Sound, half_past, 3), Some(right));
        let hour = 3_600 << 32;
        assert_eq!(Reports::Apart.ntp(Track::Sound, half_past, 3), Some(right + hour));
        assert_eq!(Reports::Apart.ntp(Track::Picture, half_past, 3), Some(right));
        assert_eq!(Reports::Pictures.ntp(Track::Sound, half_past, 3), None);
        assert_eq!(Reports::Zero.ntp(Track::Picture, half_past, 3), Some(0));
    }
}
