//! How far sound is from its picture in a file, found by what a viewer would see and hear: the stamp
//! in the pictures says when they were taken, and a camera beeps for half a second with every even
//! second.

use camserver_chaos::Stamp;

use super::mp4::{Listed, decoded, streams};

/// Samples of a second.
const RATE: f64 = 16_000.0;
/// Half of what the tone's samples reach; what an encoder lets be heard before is far below.
const LOUD: i16 = 8_192;
/// Samples of quiet that are longer than any within a tone of 880 Hz.
const QUIET: usize = 800;
/// Pixels of a small picture of the simulated cameras.
const SIZE: (usize, usize) = (320, 192);

/// One whole beep.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beep {
    /// When it is heard, in seconds of the file.
    pub(super) at: f64,
    /// Milliseconds by which it is heard after the picture of its moment is seen.
    pub(super) late: f64,
}

/// Every whole beep of a file with pictures and sound.
pub(super) fn beeps(file: &[u8]) -> Vec<Beep> {
    let tracks = streams(file);
    let [pictures, sound] = &tracks[..] else { panic!("{} tracks", tracks.len()) };
    let ahead = camera_ahead(file, pictures);
    let samples = decoded(file, &["-map", "0:a", "-ac", "1", "-f", "s16le"]);
    let samples: Vec<i16> =
        samples.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    let found = stretches(&samples).into_iter().filter(|(begin, end)| {
        // What was cut off at either end says nothing about when it began.
        let seconds = f64::from(u32::try_from(end - begin).unwrap()) / RATE;
        (0.48..0.53).contains(&seconds)
    });
    found
        .map(|(begin, _)| {
            let at = sound.times[0] + f64::from(u32::try_from(begin).unwrap()) / RATE;
            let moment = (at * 1000.0 + ahead).rem_euclid(2000.0);
            Beep { at, late: if moment > 1000.0 { moment - 2000.0 } else { moment } }
        })
        .collect()
}

/// Milliseconds by which the camera's clock is ahead of the file's.
///
/// A picture may be taken late on a machine that is busy, but never early; and the first one is
/// shown for a time that is only guessed.
fn camera_ahead(file: &[u8], pictures: &Listed) -> f64 {
    let frames = decoded(
        file,
        &["-map", "0:v", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray"],
    );
    let frames: Vec<&[u8]> = frames.chunks_exact(SIZE.0 * SIZE.1).collect();
    assert_eq!(frames.len(), pictures.times.len());
    let ahead = frames.iter().zip(&pictures.times).skip(1).map(|(frame, time)| {
        let stamp = Stamp::from_luma(frame, SIZE.0, SIZE.1).expect("a readable stamp");
        // Beeps come every two seconds: no more of the clock is needed, or exact in a float.
        let sent = stamp.sent.as_millisecond().rem_euclid(3_600_000);
        f64::from(i32::try_from(sent).unwrap()) - time * 1000.0
    });
    ahead.fold(f64::INFINITY, f64::min)
}

/// Where it is loud, from the first sample to the one behind the last.
fn stretches(samples: &[i16]) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    let loud = |(_, sample): &(usize, &i16)| sample.unsigned_abs() >= LOUD.unsigned_abs();
    for (at, _) in samples.iter().enumerate().filter(loud) {
        match found.last_mut() {
            Some((_, end)) if at - *end < QUIET => *end = at + 1,
            Some(_) | None => found.push((at, at + 1)),
        }
    }
    found
}
