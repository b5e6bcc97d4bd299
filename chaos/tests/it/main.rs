//! `camsim` as its users meet it: the real program, over real sockets, judged by ffmpeg, ffprobe
//! and bare TCP.

mod accounting;
mod faults;
mod full;
mod manifests;
mod playback;
mod scenes;
mod simulator;
