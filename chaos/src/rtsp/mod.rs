//! The camera's side of RTSP and RTP: reading requests, writing answers, packing pictures.
//! Nothing here holds a socket or decides what a camera does.

pub(crate) mod auth;
pub(crate) mod message;
pub(crate) mod rtp;
pub(crate) mod sdp;
