//! Session descriptions of WebRTC (RFC 8866, RFC 8829): what may pass between a browser and go2rtc.
//!
//! An offer is from anybody who may watch. go2rtc takes one that sends video for the camera itself,
//! and probes every address that stands in one; so what passes is one video that is only received,
//! and no address. Nothing here speaks to anybody.

use std::net::{IpAddr, SocketAddr};

/// Longest description. Chromium's offer of one video takes about 5 KiB.
pub const BYTES_MAX: usize = 32 << 10;
/// Longest line.
const LINE_BYTES_MAX: usize = 1_024;

/// A browser's offer to receive one video. Holds no address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer(String);

/// The answer to it. Holds the addresses where go2rtc is to be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer(String);

/// What is wrong with a description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is no description.
    #[error("it is no session description")]
    NoDescription,
    /// It is longer than any sane one.
    #[error("it is longer than {BYTES_MAX} bytes, or one of its lines than {LINE_BYTES_MAX}")]
    TooLong,
    /// It is about something else than one video, or in another direction.
    #[error("it must be about exactly one video, from the server to the browser")]
    NotOneVideo,
    /// Nobody could tell that it is the browser who connects (RFC 8122).
    #[error("it names no fingerprint of the browser's certificate")]
    NoFingerprint,
    /// Nobody could reach the browser (RFC 8839).
    #[error("it names no ice-ufrag and ice-pwd")]
    NoCredentials,
    /// It names no address that may be used.
    #[error("it names no address where it was declared to be")]
    NoAddress,
}

impl Offer {
    /// Reads an offer; addresses in it are left out, since the browser connects to the server.
    pub fn parse(text: &str) -> Result<Self, Unfit> {
        let lines = without_default(lines(text)?);
        check(&lines, "recvonly")?;
        if !has(&lines, "fingerprint", is_fingerprint) {
            return Err(Unfit::NoFingerprint);
        }
        // Lengths of RFC 8839 section 5.4.
        let is_named = has(&lines, "ice-ufrag", |value| is_ice(value, 4));
        if !is_named || !has(&lines, "ice-pwd", |value| is_ice(value, 22)) {
            return Err(Unfit::NoCredentials);
        }
        let is_address = |line: &&str| {
            let known = ["candidate", "end-of-candidates", "remote-candidates"];
            attribute(line).is_some_and(|name| known.contains(&name))
        };
        Ok(Self(joined(lines.into_iter().filter(|line| !is_address(line)))))
    }

    /// The text, with the line ends of the standard.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Answer {
    /// Reads an answer; no address is passed on but where go2rtc was told to `listen`. Where
    /// another program has that port go2rtc opens any other one, without a word.
    pub fn parse(text: &str, listen: SocketAddr) -> Result<Self, Unfit> {
        let lines = lines(text)?;
        check(&lines, "sendonly")?;
        let is_candidate = |line: &str| attribute(line) == Some("candidate");
        let may_pass = |line: &&str| !is_candidate(line) || is_own(line, listen);
        let lines: Vec<&str> = lines.into_iter().filter(may_pass).collect();
        if !lines.iter().any(|line| is_candidate(line)) {
            return Err(Unfit::NoAddress);
        }
        Ok(Self(joined(lines.into_iter())))
    }

    /// The text, with the line ends of the standard.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The lines of a description. Stricter than any reader: nothing that two readers could take for
/// two different things passes.
fn lines(text: &str) -> Result<Vec<&str>, Unfit> {
    if text.len() > BYTES_MAX {
        return Err(Unfit::TooLong);
    }
    let mut lines = Vec::new();
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.len() > LINE_BYTES_MAX {
            return Err(Unfit::TooLong);
        }
        let is_plain = line.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        let is_typed = line.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
            && line.as_bytes().get(1) == Some(&b'=');
        if !is_plain || !is_typed {
            return Err(Unfit::NoDescription);
        }
        lines.push(line);
    }
    if lines.first() == Some(&"v=0") { Ok(lines) } else { Err(Unfit::NoDescription) }
}

/// Leaves out what Firefox says of the session, and takes back for the video: that would be both
/// directions, which is the default anyway (RFC 8866 section 6.7).
fn without_default(lines: Vec<&str>) -> Vec<&str> {
    let media = lines.iter().position(|line| line.starts_with("m=")).unwrap_or(lines.len());
    let is_default = |at: usize, line: &str| at < media && line == "a=sendrecv";
    let lines = lines.into_iter().enumerate().filter(|(at, line)| !is_default(*at, line));
    lines.map(|(_, line)| line).collect()
}

/// Whether they are about one video in this direction, and say so only once.
fn check(lines: &[&str], direction: &str) -> Result<(), Unfit> {
    let media: Vec<usize> = positions(lines, |line| line.starts_with("m="));
    let directions: Vec<usize> = positions(lines, |line| {
        let known = ["sendrecv", "sendonly", "recvonly", "inactive"];
        attribute(line).is_some_and(|name| known.contains(&name.to_ascii_lowercase().trim()))
    });
    let ([video], [place]) = (media.as_slice(), directions.as_slice()) else {
        return Err(Unfit::NotOneVideo);
    };
    let is_video = lines.get(*video).is_some_and(|line| line.starts_with("m=video "));
    let is_right = lines.get(*place).is_some_and(|line| line.strip_prefix("a=") == Some(direction));
    if is_video && is_right && place > video { Ok(()) } else { Err(Unfit::NotOneVideo) }
}

fn positions(lines: &[&str], is_one: impl Fn(&str) -> bool) -> Vec<usize> {
    lines.iter().enumerate().filter(|(_, line)| is_one(line)).map(|(at, _)| at).collect()
}

/// The name of the attribute that a line holds.
fn attribute(line: &str) -> Option<&str> {
    let attribute = line.strip_prefix("a=")?;
    Some(attribute.split_once(':').map_or(attribute, |(name, _)| name))
}

/// Whether they have an attribute, for the whole or for the video, and each one of it is fit.
fn has(lines: &[&str], name: &str, is_fit: impl Fn(&str) -> bool) -> bool {
    let mut found = lines.iter().filter(|line| attribute(line) == Some(name)).peekable();
    found.peek().is_some()
        && found.all(|line| line.split_once(':').is_some_and(|(_, value)| is_fit(value)))
}

/// `sha-256 AB:CD:…` (RFC 8122 section 5).
fn is_fingerprint(value: &str) -> bool {
    let Some((function, digest)) = value.split_once(' ') else { return false };
    let is_byte =
        |byte: &str| byte.len() == 2 && byte.bytes().all(|digit| digit.is_ascii_hexdigit());
    !function.is_empty() && digest.split(':').all(is_byte)
}

/// Whether ICE takes it as a name or password of at least so many characters.
fn is_ice(value: &str, least: usize) -> bool {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    (least..=256).contains(&value.len()) && value.bytes().all(is_known)
}

/// Whether a candidate (RFC 8839 section 5.1) is an address of the host itself, and may be told.
fn is_own(line: &str, listen: SocketAddr) -> bool {
    let fields: Vec<&str> = line.split(' ').collect();
    let [_, _, _, _, address, port, "typ", "host", ..] = fields.as_slice() else { return false };
    let (Ok(address), Ok(port)) = (address.parse::<IpAddr>(), port.parse::<u16>()) else {
        return false;
    };
    let is_declared = if listen.ip().is_unspecified() {
        // Whoever listens on every address of IPv6 does so on those of IPv4.
        listen.is_ipv6() || address.is_ipv4()
    } else {
        listen.ip() == address
    };
    is_declared && port == listen.port()
}

fn joined<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    lines.fold(String::new(), |mut text, line| {
        text.push_str(line);
        text.push_str("\r\n");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
        a=group:BUNDLE 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\n\
        a=candidate:1 1 udp 2122 10.9.9.9 5000 typ host\r\na=end-of-candidates\r\n\
        a=ice-ufrag:ab+/\r\na=ice-pwd:0123456789abcdefghijkl\r\n\
        a=fingerprint:sha-256 AB:CD:ef:01\r\na=setup:actpass\r\na=mid:0\r\na=recvonly\r\na=rtpmap:96 H264/90000\r\n";

    fn answer(candidates: &[&str]) -> String {
        let answer = OFFER.replace("recvonly", "sendonly").replace("a=end-of-candidates\r\n", "");
        let lines: String = candidates.iter().flat_map(|one| ["a=", *one, "\r\n"]).collect();
        answer.replace("a=candidate:1 1 udp 2122 10.9.9.9 5000 typ host\r\n", &lines)
    }

    #[test]
    fn an_offer_passes_without_its_addresses() {
        let offer = Offer::parse(OFFER).unwrap();
        assert!(!offer.as_str().contains("10.9.9.9") && !offer.as_str().contains("candidate"));
        assert!(offer.as_str().ends_with("a=recvonly\r\na=rtpmap:96 H264/90000\r\n"));
        assert_eq!(Offer::parse(&OFFER.replace("\r\n", "\n")).unwrap(), offer);
    }

    #[test]
    fn firefox_may_say_that_a_session_could_go_both_ways() {
        let offer = OFFER.replace("t=0 0", "t=0 0\r\na=sendrecv");
        assert_eq!(Offer::parse(&offer), Offer::parse(OFFER));
        let alone = offer.replace("a=recvonly\r\n", "");
        assert_eq!(Offer::parse(&alone), Err(Unfit::NotOneVideo));
    }

    #[test]
    fn whoever_would_send_is_refused() {
        for (from, to) in [
            ("a=recvonly", "a=sendonly"),
            ("a=recvonly", "a=sendrecv"),
            ("a=recvonly", "a=recvonly\r\na=sendonly"),
            ("a=recvonly", "a=recvonly\r\na=sendonly:x"),
            ("a=recvonly", "a=recvonly\r\na=recvonly"),
            ("a=recvonly", "a=recvonly:x"),
            // No direction means both.
            ("a=recvonly\r\n", ""),
            ("t=0 0", "t=0 0\r\na=sendonly"),
            // What is said of the session does not stand in for what the video lacks.
            ("t=0 0\r\na=group:BUNDLE 0\r\n", "t=0 0\r\na=recvonly\r\n"),
            ("s=-\r\n", "s=-\r\na=sendrecv\r\na=sendrecv:x\r\n"),
            ("m=video", "m=audio"),
            ("a=mid:0", "a=mid:0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96"),
            ("a=mid:0", "a=mid:0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel"),
        ] {
            assert_eq!(Offer::parse(&OFFER.replace(from, to)), Err(Unfit::NotOneVideo), "{to}");
        }
    }

    #[test]
    fn an_offer_that_nobody_could_connect_to_is_refused() {
        let print = "a=fingerprint:sha-256 AB:CD:ef:01\r\n";
        let password = "a=ice-pwd:0123456789abcdefghijkl\r\n";
        for (from, to, unfit) in [
            (print, "", Unfit::NoFingerprint),
            (print, "a=fingerprint\r\n", Unfit::NoFingerprint),
            (print, "a=fingerprint:sha-256\r\n", Unfit::NoFingerprint),
            (print, "a=fingerprint:sha-256 AB:C\r\n", Unfit::NoFingerprint),
            ("ef:01\r\n", "ef:01\r\na=fingerprint:x\r\n", Unfit::NoFingerprint),
            ("a=ice-ufrag:ab+/\r\n", "", Unfit::NoCredentials),
            ("a=ice-ufrag:ab+/\r\n", "a=ice-ufrag:abc\r\n", Unfit::NoCredentials),
            (password, "", Unfit::NoCredentials),
            (password, "a=ice-pwd:0123456789abcdefghijk\r\n", Unfit::NoCredentials),
            (password, "a=ice-pwd:0123456789abcdefghij?l\r\n", Unfit::NoCredentials),
        ] {
            let text = OFFER.replace(from, to);
            assert_ne!(text, OFFER);
            assert_eq!(Offer::parse(&text), Err(unfit), "{to}");
        }
        // All of them may also be said once for the whole session, as Firefox does with the first.
        let moved = OFFER.replace(print, "").replace("t=0 0\r\n", &format!("t=0 0\r\n{print}"));
        let moved =
            moved.replace(password, "").replace("t=0 0\r\n", &format!("t=0 0\r\n{password}"));
        assert!(Offer::parse(&moved).is_ok());
        // More than one certificate may be named.
        let two = format!("{print}a=fingerprint:sha-512 01:23\r\n");
        assert!(Offer::parse(&OFFER.replace(print, &two)).is_ok());
    }

    #[test]
    fn what_readers_could_take_for_something_else_is_refused() {
        for text in
            ["", "v=1", "<html>", "v=0\r\r\n", "v=0\n\n", "v=0\na=\u{e9}", "v=0\n a=x", "v=0\0"]
        {
            assert_eq!(Offer::parse(text), Err(Unfit::NoDescription), "{text:?}");
        }
        let split = OFFER.replace("a=mid:0", "a=mid:0\ra=sendonly");
        assert_eq!(Offer::parse(&split), Err(Unfit::NoDescription));
        let long = OFFER.replace("a=mid:0", &format!("a=mid:{}", "0".repeat(2_000)));
        assert_eq!(Offer::parse(&long), Err(Unfit::TooLong));
        assert_eq!(Offer::parse(&"v=0\n".repeat(20_000)), Err(Unfit::TooLong));
    }

    #[test]
    fn an_answer_tells_only_addresses_that_are_configured() {
        let own = "candidate:1 1 udp 2130706431 127.0.0.1 8555 typ host";
        let others = [
            "candidate:2 1 udp 2130706431 10.1.2.3 8555 typ host",
            "candidate:3 1 udp 1694498815 203.0.113.7 8555 typ srflx raddr 0.0.0.0 rport 8555",
            "candidate:4 1 udp 1 evil.example 8555 typ host",
        ];
        let text = answer(&[own, others[0], others[1], others[2]]);
        let told = |text: &str, listen: &str| Answer::parse(text, listen.parse().unwrap());
        let number =
            |text: &str, listen| told(text, listen).unwrap().0.matches("candidate:").count();
        assert_eq!(number(&text, "127.0.0.1:8555"), 1);
        assert_eq!(number(&text, "0.0.0.0:8555"), 2);
        let six = "candidate:5 1 tcp 1671430143 fd00::1 8555 typ host tcptype passive";
        let text = answer(&[own, six]);
        assert_eq!(number(&text, "0.0.0.0:8555"), 1);
        assert_eq!(number(&text, "[::]:8555"), 2);
        assert_eq!(number(&text, "[fd00::1]:8555"), 1);
        // Another program has the port, and go2rtc took any.
        assert_eq!(told(&text, "127.0.0.1:8556"), Err(Unfit::NoAddress));
        assert_eq!(told(&answer(&[others[1]]), "0.0.0.0:8555"), Err(Unfit::NoAddress));
        assert_eq!(told(OFFER, "0.0.0.0:8555"), Err(Unfit::NotOneVideo));
    }
}
