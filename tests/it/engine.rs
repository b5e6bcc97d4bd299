//! The native live engine: what it makes of pictures, and what it does with simulated cameras.

mod mp4;
