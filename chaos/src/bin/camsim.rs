//! A fleet of simulated cameras speaking real RTSP.
fn main() {}
