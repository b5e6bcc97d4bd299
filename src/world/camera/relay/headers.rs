//! Header values that the relay writes in its own words: what either side sends is read, and only
//! what was understood is passed on.

use crate::world::camera::rtsp::setup::{is_interleaved, pair_of};

/// What a client of the relay may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Options,
    Describe,
    Setup,
    Play,
    Pause,
    GetParameter,
    SetParameter,
    Teardown,
}

impl Method {
    const ALL: [Self; 8] = [
        Self::Options,
        Self::Describe,
        Self::Setup,
        Self::Play,
        Self::Pause,
        Self::GetParameter,
        Self::SetParameter,
        Self::Teardown,
    ];

    /// The word of the protocol.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Options => "OPTIONS",
            Self::Describe => "DESCRIBE",
            Self::Setup => "SETUP",
            Self::Play => "PLAY",
            Self::Pause => "PAUSE",
            Self::GetParameter => "GET_PARAMETER",
            Self::SetParameter => "SET_PARAMETER",
            Self::Teardown => "TEARDOWN",
        }
    }

    /// The method of a word, if it is one that passes.
    pub(super) fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == word)
    }

    /// Whether it serves to show that the client is there, so that a camera which does not answer
    /// it loses nothing.
    pub(super) fn is_sign_of_life(self) -> bool {
        matches!(self, Self::Options | Self::GetParameter | Self::SetParameter)
    }
}

/// All methods that pass, as `Public` and `Allow` list them.
pub(super) fn all_methods() -> String {
    Method::ALL.map(Method::as_str).join(", ")
}

/// Of the methods that a camera offers those that pass.
pub(super) fn public(offered: &str) -> String {
    let words = offered.split(',').filter_map(|word| Method::of(&word.trim().to_ascii_uppercase()));
    words.map(Method::as_str).collect::<Vec<_>>().join(", ")
}

/// The channels that a client offers for media within the connection: the first of its transports
/// that is one. `None` when it wants something else.
pub(super) fn wanted_channels(transport: &str) -> Option<(u8, u8)> {
    transport.split(',').find_map(|offer| {
        let mut parts = offer.split(';').map(str::trim);
        let is_tcp = parts.next().is_some_and(|spec| spec.eq_ignore_ascii_case("RTP/AVP/TCP"));
        let records = parts.any(|part| {
            part.split_once('=').is_some_and(|(key, value)| {
                key.eq_ignore_ascii_case("mode")
                    && !value.trim_matches('"').eq_ignore_ascii_case("play")
            })
        });
        if is_tcp && !records { channels(offer) } else { None }
    })
}

/// The `Transport` header for a pair of channels.
pub(super) fn transport((media, control): (u8, u8)) -> String {
    format!("RTP/AVP/TCP;unicast;interleaved={media}-{control}")
}

/// The channels that a camera agrees to, when it agrees to media within the connection.
pub(super) fn agreed_channels(transport: &str, wanted: (u8, u8)) -> Option<(u8, u8)> {
    if !is_interleaved(transport) {
        return None;
    }
    Some(channels(transport).unwrap_or(wanted))
}

/// The `ssrc` of a `Transport` header: eight hexadecimal digits at most.
pub(super) fn ssrc(transport: &str) -> Option<&str> {
    let value = transport.split(';').find_map(|part| {
        part.trim().split_once('=').filter(|(key, _)| key.eq_ignore_ascii_case("ssrc"))
    });
    let digits = value?.1.trim();
    let fits = (1..=8).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    fits.then_some(digits)
}

fn channels(transport: &str) -> Option<(u8, u8)> {
    let (media, control) = pair_of::<u8>(transport, "interleaved")?;
    // Without a second number it is the next one.
    Some((media, if control == media { media.checked_add(1)? } else { control }))
}

/// The standard words behind a status code: a camera's own may say anything.
pub(super) fn reason(code: u16) -> &'static str {
    match code {
        200..300 => "OK",
        300..400 => "Redirected",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        413 => "Request Entity Too Large",
        453 => "Not Enough Bandwidth",
        454 => "Session Not Found",
        455 => "Method Not Valid In This State",
        457 => "Invalid Range",
        459 => "Aggregate Operation Not Allowed",
        461 => "Unsupported Transport",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Time-out",
        551 => "Option Not Supported",
        _ => "Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_transports_within_the_connection_are_taken() {
        let tcp = "RTP/AVP;unicast;client_port=5-6, RTP/AVP/TCP;unicast;interleaved=2-3";
        assert_eq!(wanted_channels(tcp), Some((2, 3)));
        assert_eq!(wanted_channels("rtp/avp/tcp;interleaved=4"), Some((4, 5)));
        assert_eq!(wanted_channels("RTP/AVP/TCP;interleaved=0-1;mode=\"PLAY\""), Some((0, 1)));
        for other in [
            "",
            "RTP/AVP;unicast;client_port=5-6",
            "RTP/AVP/UDP;interleaved=0-1",
            "RTP/AVP/TCP;unicast",
            "RTP/AVP/TCP;interleaved=255",
            "RTP/AVP/TCP;interleaved=300-301",
            "RTP/AVP/TCP;interleaved=0-1;mode=record",
        ] {
            assert_eq!(wanted_channels(other), None, "{other}");
        }
    }

    #[test]
    fn what_a_camera_agrees_to_is_read_without_its_address() {
        let answer = "RTP/AVP/TCP;unicast;source=10.0.0.5;interleaved=6-7;ssrc=0a1B2c3D";
        assert_eq!(agreed_channels(answer, (0, 1)), Some((6, 7)));
        assert_eq!(ssrc(answer), Some("0a1B2c3D"));
        assert_eq!(agreed_channels("RTP/AVP/TCP", (2, 3)), Some((2, 3)));
        assert_eq!(agreed_channels("RTP/AVP;server_port=5-6", (0, 1)), None);
        assert_eq!(ssrc("RTP/AVP/TCP;ssrc=10.0.0.5"), None);
        assert_eq!(transport((6, 7)), "RTP/AVP/TCP;unicast;interleaved=6-7");
    }

    #[test]
    fn offered_methods_are_cut_to_those_that_pass() {
        assert_eq!(public("OPTIONS, play,RECORD, ANNOUNCE,TEARDOWN"), "OPTIONS, PLAY, TEARDOWN");
        assert_eq!(public(&all_methods()), all_methods());
    }
}
