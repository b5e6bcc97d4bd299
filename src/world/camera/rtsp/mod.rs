//! The RTSP 1.0 protocol (RFC 2326): messages, authentication, session descriptions and the
//! exchange of requests and replies over one connection.
//!
//! It knows nothing of pictures: what comes in `$` frames is handed on as it is.

pub mod auth;
pub mod client;
pub mod message;
pub mod sdp;
pub mod setup;
