//! Everything that can go wrong while a picture is fetched from a camera, as it happened.
//!
//! What it means for people is said by `classify`.

use std::io;

use super::connection::was_cut_by_peer;
use super::rtp::MediaError;
use super::rtsp::auth::ChallengeError;
use super::rtsp::message::MessageError;
use super::rtsp::sdp::SdpError;

/// One thing that went wrong. Texts hold no URL and no credentials.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The socket failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// TLS could not be agreed upon, most often because of the certificate.
    #[error("no TLS: {0}")]
    Tls(io::Error),
    /// The camera closed the connection.
    #[error("the camera closed the connection")]
    Closed,
    /// The camera sent more than one session may.
    #[error("more than {0} bytes without a result")]
    TooMuch(u64),
    /// The bytes are no message.
    #[error("the camera sent {0}")]
    Message(#[from] MessageError),
    /// The camera answered with an error.
    #[error("the camera answered {code} {reason}")]
    Status {
        /// Status code.
        code: u16,
        /// The words behind it.
        reason: String,
    },
    /// The camera refused the credentials, or asks for some that are not there.
    #[error("{0}")]
    Challenge(ChallengeError),
    /// The camera refused the credentials.
    #[error("the camera does not accept the user name and password")]
    Unauthorized,
    /// The camera sends its client somewhere else.
    #[error("the camera redirects to another address, which is not followed")]
    Redirect,
    /// The description of the session is of no use.
    #[error("{0}")]
    Sdp(#[from] SdpError),
    /// The camera's answer lacks something or contradicts the request.
    #[error("{0}")]
    Answer(&'static str),
    /// The source's URL has a scheme that is not spoken here.
    #[error("{0} is not spoken here")]
    Scheme(String),
    /// The packets make no pictures.
    #[error("{0}")]
    Media(#[from] MediaError),
    /// Pictures came, but no key frame.
    #[error("{pictures} pictures came, and no whole key frame among them")]
    NoKeyFrame {
        /// How many, broken ones included.
        pictures: u64,
    },
}

impl Fault {
    /// Whether the camera itself cut the connection, so that nothing is left to be ended.
    pub fn is_cut_by_camera(&self) -> bool {
        matches!(self, Self::Io(error) if was_cut_by_peer(error))
    }
}
