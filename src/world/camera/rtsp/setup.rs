//! What a reply to SETUP says: the session's name and life, and how its media travels.
//!
//! It only reads header values; what follows from them is decided by those who sent the request.

use std::time::Duration;

use super::message::Response;
use crate::world::camera::fault::Fault;

/// How long a session lives without a sign of the client where the camera does not say.
const SESSION_TIMEOUT: Duration = Duration::from_mins(1);
/// Longest session name that is taken.
const SESSION_ID_MAX: usize = 256;

/// Name and life of the session that a reply to SETUP opens. Some cameras give it no name, since
/// they know it by its connection.
pub fn session_of(response: &Response) -> Result<(Option<String>, Duration), Fault> {
    let header = response.headers.get("session").unwrap_or_default();
    let mut parts = header.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty()).map(str::to_owned);
    if name.as_ref().is_some_and(|name| name.len() > SESSION_ID_MAX) {
        return Err(Fault::Answer("the camera gives the session a name that is too long"));
    }
    let timeout = parts
        .filter_map(|part| part.split_once('='))
        .find(|(key, _)| key.trim().eq_ignore_ascii_case("timeout"))
        .and_then(|(_, seconds)| seconds.trim().parse().ok())
        .filter(|seconds| (1..=86_400).contains(seconds))
        .map_or(SESSION_TIMEOUT, Duration::from_secs);
    Ok((name, timeout))
}

/// Whether a `Transport` header of a reply agrees to media within the connection.
pub fn is_interleaved(transport: &str) -> bool {
    let transport = transport.to_ascii_lowercase();
    transport.is_empty() || transport.contains("/tcp") || transport.contains("interleaved=")
}

/// The two numbers of `name=1-2` in a `Transport` header; the second may be missing.
pub fn pair_of<T: std::str::FromStr + Copy>(transport: &str, name: &str) -> Option<(T, T)> {
    transport.split(';').find_map(|part| {
        let (key, value) = part.trim().split_once('=')?;
        if !key.eq_ignore_ascii_case(name) {
            return None;
        }
        let (first, second) = value.split_once('-').unwrap_or((value, value));
        Some((first.trim().parse().ok()?, second.trim().parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup(header: &str) -> Response {
        let mut response = Response::new(200, "OK");
        response.headers.push("Session", header);
        response
    }

    #[test]
    fn sessions_are_named_and_timed_in_many_ways() {
        let read = |header: &str| session_of(&setup(header)).unwrap();
        let seconds = Duration::from_secs;
        assert_eq!(read("12345678;timeout=30"), (Some("12345678".into()), seconds(30)));
        assert_eq!(read(" a$b ; x=y; Timeout = 5 "), (Some("a$b".into()), seconds(5)));
        assert_eq!(read("a;timeout=0"), (Some("a".into()), seconds(60)));
        assert_eq!(read("a;timeout=x"), (Some("a".into()), seconds(60)));
        assert_eq!(read(""), (None, seconds(60)));
        assert!(session_of(&setup(&"a".repeat(SESSION_ID_MAX + 1))).is_err());
    }

    #[test]
    fn transports_are_read_as_cameras_write_them() {
        let channel = |text| pair_of::<u8>(text, "interleaved");
        assert_eq!(channel("RTP/AVP/TCP;unicast;interleaved=2-3;ssrc=1"), Some((2, 3)));
        assert_eq!(channel("RTP/AVP/TCP; Interleaved=4"), Some((4, 4)));
        assert_eq!(channel("RTP/AVP/TCP;interleaved=300-301"), None);
        let ports = "RTP/AVP;unicast;client_port=1-2;server_port=50000-50001";
        assert_eq!(pair_of::<u16>(ports, "server_port"), Some((50000, 50001)));
        assert!(is_interleaved("") && is_interleaved("RTP/AVP;interleaved=0-1"));
        assert!(is_interleaved("rtp/avp/tcp") && !is_interleaved(ports));
    }
}
