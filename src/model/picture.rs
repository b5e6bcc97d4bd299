//! An encoded picture on its way from the camera to the decoder.

use bytes::Bytes;

/// How a picture is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// ITU-T H.264.
    H264,
    /// ITU-T H.265.
    H265,
    /// JPEG.
    Jpeg,
}

impl Codec {
    /// The word of the API and of metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::H265 => "h265",
            Self::Jpeg => "mjpeg",
        }
    }
}

/// One encoded picture that needs no other picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPicture {
    /// How `data` is encoded.
    pub codec: Codec,
    /// H.264 and H.265: one access unit in Annex B form, parameter sets included. JPEG: the file.
    pub data: Bytes,
}
