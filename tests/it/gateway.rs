//! What this server counts on in go2rtc, and what it protects itself against: the same tests
//! against a stand-in, always, and against the real program where `GO2RTC` names it or `go2rtc` is
//! on the PATH.

mod access;
mod cameras;
mod engine;
mod faults;
mod media;
mod peers;
mod rig;
mod streams;
mod target;
