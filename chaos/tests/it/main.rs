//! `camsim` as its users meet it: the real program, over real sockets, judged by ffmpeg, ffprobe
//! and bare TCP.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod accounting;
mod faults;
mod full;
mod manifests;
mod playback;
mod scenes;
mod simulator;
