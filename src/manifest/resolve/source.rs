//! URLs of cameras, detectors and webhooks: what may stand there, and what it means.
//!
//! Nothing is looked up or opened.

use std::net::IpAddr;

use url::Url;

use crate::manifest::nearest::nearest;
use crate::manifest::problem::{ProblemKind, quote};
use crate::model::secret::SourceUrl;

/// Schemes that a stream may have.
const STREAM_SCHEMES: [&str; 5] = ["rtsp", "rtsps", "http", "https", "rtmp"];

/// Schemes that a picture, a detector or a webhook may have.
const HTTP_SCHEMES: [&str; 2] = ["http", "https"];

/// Schemes by which go2rtc or ffmpeg start programs or read what is not a camera.
const PROGRAM_SCHEMES: [&str; 12] = [
    "exec", "echo", "expr", "ffmpeg", "pipe", "bash", "sh", "concat", "subfile", "tee", "crypto",
    "file",
];

/// Longest URL.
const URL_BYTES_MAX: usize = 2_000;

/// Why a text is no URL for its place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UrlFault {
    pub(super) kind: ProblemKind,
    pub(super) message: String,
    pub(super) help: String,
}

impl UrlFault {
    fn new(kind: ProblemKind, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { kind, message: message.into(), help: help.into() }
    }

    fn wrong(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(ProblemKind::WrongValue, message, help)
    }
}

/// The stream of a camera: a path on its RTSP port, or a whole URL on its address.
pub(super) fn stream(
    text: &str,
    address: Option<IpAddr>,
    port: u16,
) -> Result<SourceUrl, UrlFault> {
    check_scheme_of(text, &STREAM_SCHEMES)?;
    check_text(text)?;
    if text.starts_with('/') {
        let host = match address {
            Some(IpAddr::V6(address)) => format!("[{address}]"),
            Some(IpAddr::V4(address)) => address.to_string(),
            // The address has its own problem; the path is still checked.
            None => "0.0.0.0".to_owned(),
        };
        return on_camera(parse(&format!("rtsp://{host}:{port}{text}"), text)?, None, text);
    }
    if scheme_of(text).is_none() {
        let help = format!("for a path write `/{text}`, else a whole rtsp:// URL");
        return Err(UrlFault::wrong(format!("{} is no path and no URL", quote(text)), help));
    }
    on_camera(parse(text, text)?, address, text)
}

/// The URL of a camera's own picture.
pub(super) fn snapshot(text: &str, address: Option<IpAddr>) -> Result<SourceUrl, UrlFault> {
    let url = http(text)?;
    on_camera(url.expose().clone(), address, text)
}

/// The http or https URL of something that is not a camera.
pub(super) fn http(text: &str) -> Result<SourceUrl, UrlFault> {
    check_scheme_of(text, &HTTP_SCHEMES)?;
    check_text(text)?;
    if scheme_of(text).is_none() {
        let message = format!("{} is no URL", quote(text));
        return Err(UrlFault::wrong(message, "write a whole http:// or https:// URL"));
    }
    let url = parse(text, text)?;
    check_user(&url)?;
    Ok(SourceUrl::new(url))
}

/// The scheme of a text that looks like a URL, in lower case.
fn scheme_of(text: &str) -> Option<String> {
    let (scheme, _) = text.split_once(':')?;
    let first = scheme.chars().next()?;
    let rest = |char: char| char.is_ascii_alphanumeric() || "+-.".contains(char);
    let is_scheme = first.is_ascii_alphabetic() && scheme.chars().all(rest);
    (is_scheme && !scheme.contains('.')).then(|| scheme.to_lowercase())
}

fn check_text(text: &str) -> Result<(), UrlFault> {
    if text.is_empty() {
        return Err(UrlFault::wrong("the URL is empty", "leave the field out"));
    }
    if text.len() > URL_BYTES_MAX {
        let message = format!("the URL is longer than {URL_BYTES_MAX} bytes");
        return Err(UrlFault::wrong(message, ""));
    }
    if text.chars().any(|char| char.is_whitespace() || char.is_control()) {
        let help = "write %20 for a space that belongs to it";
        return Err(UrlFault::wrong("a URL has no spaces or control characters", help));
    }
    if text.contains('#') {
        let help = "remove it; write %23 for a `#` that belongs to the path";
        return Err(UrlFault::wrong("the part from `#` on is never sent to a server", help));
    }
    Ok(())
}

/// Checks the scheme of a text that has one.
fn check_scheme_of(text: &str, allowed: &[&str]) -> Result<(), UrlFault> {
    let Some(scheme) = scheme_of(text).filter(|scheme| !allowed.contains(&scheme.as_str())) else {
        return Ok(());
    };
    let scheme = scheme.as_str();
    let list = allowed.iter().map(|scheme| format!("{scheme}://")).collect::<Vec<_>>().join(", ");
    if PROGRAM_SCHEMES.contains(&scheme) {
        let message = format!("`{scheme}:` could run a program or read a file of this host");
        let help = format!("only {list} are allowed");
        return Err(UrlFault::new(ProblemKind::UnsafeUrl, message, help));
    }
    let known = STREAM_SCHEMES.contains(&scheme);
    let help = match nearest(scheme, allowed.iter().copied()) {
        Some(near) => format!("did you mean `{near}://`?"),
        None => format!("only {list} are allowed"),
    };
    let message = if known {
        format!("`{scheme}:` is of no use here")
    } else {
        format!("unknown URL scheme `{scheme}:`")
    };
    Err(UrlFault::new(ProblemKind::UnsafeUrl, message, help))
}

fn parse(whole: &str, text: &str) -> Result<Url, UrlFault> {
    let fault = |why: &str| {
        let help = "write it as rtsp://ADDRESS:PORT/PATH";
        UrlFault::wrong(format!("{} is no URL: {why}", quote(text)), help)
    };
    let url = Url::parse(whole).map_err(|error| fault(&error.to_string()))?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err(fault("it names no host"));
    }
    if url.port() == Some(0) {
        return Err(fault("port 0 does not exist"));
    }
    Ok(url)
}

fn check_user(url: &Url) -> Result<(), UrlFault> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(());
    }
    let help = "take it out of the URL; cameras have `credentials` with `passwordFrom`";
    let message = "a user name or password stands in the URL";
    Err(UrlFault::new(ProblemKind::PlainSecret, message, help))
}

/// Checks that a URL leads to the camera itself, and makes its port explicit.
fn on_camera(mut url: Url, address: Option<IpAddr>, text: &str) -> Result<SourceUrl, UrlFault> {
    check_user(&url)?;
    if let Some(address) = address {
        let host = url.host_str().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        match bare.parse::<IpAddr>() {
            Ok(found) if found.to_canonical() == address => {}
            Ok(_) => {
                let message = format!("{} is not on the camera's address {address}", quote(text));
                let help = "connections are counted per address: use the camera's own address, or \
                            declare another camera";
                return Err(UrlFault::new(ProblemKind::Conflict, message, help));
            }
            Err(_) => {
                let message = format!("{} names a host by name", quote(text));
                let help = format!("use the camera's address {address}, or only the path");
                return Err(UrlFault::new(ProblemKind::Conflict, message, help));
            }
        }
    }
    if let (None, Some(port)) = (url.port(), SourceUrl::new(url.clone()).port()) {
        // Fails only for URLs without a host, which `parse` has refused.
        let result = url.set_port(Some(port));
        debug_assert!(result.is_ok(), "a URL with a host takes a port");
    }
    Ok(SourceUrl::new(url))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 5)));

    #[test]
    fn a_path_becomes_a_url_on_the_cameras_port() {
        let url = stream("/stream1?ch=1", ADDRESS, 8554).unwrap();
        assert_eq!(url.expose().as_str(), "rtsp://10.0.0.5:8554/stream1?ch=1");
        let url = stream("/a", Some("fd00::5".parse().unwrap()), 554).unwrap();
        assert_eq!(url.expose().as_str(), "rtsp://[fd00::5]:554/a");
        let url = stream("rtsp://10.0.0.5/a", ADDRESS, 8554).unwrap();
        assert_eq!(url.expose().as_str(), "rtsp://10.0.0.5:554/a");
        let url = stream("rtsp://[fd00:0::5]/a", Some("fd00::5".parse().unwrap()), 1).unwrap();
        assert_eq!(url.port(), Some(554));
    }

    #[test]
    fn nothing_that_could_run_a_program_or_lead_elsewhere_passes() {
        for text in [
            "exec:ffmpeg -i x",
            "EXEC:x",
            "echo:x",
            "ffmpeg:rtsp://10.0.0.5/a",
            "gopher://10.0.0.5/",
            "rtsp://10.0.0.6/a",
            "rtsp://camera.local/a",
            "rtsp://u:p@10.0.0.5/a",
            "rtsp://u@10.0.0.5/a",
            "rtsp://10.0.0.5:0/a",
            "rtsp://10.0.0.5/a#exec",
            "rtsp:///a",
            "rtsp://10.0.0.5@10.0.0.6/a",
            "//10.0.0.6/a b",
            "stream1",
            "",
        ] {
            assert!(stream(text, ADDRESS, 554).is_err(), "{text}");
        }
        // Two slashes are still only a path.
        let url = stream("//evil/a", ADDRESS, 554).unwrap();
        assert_eq!(url.expose().host_str(), Some("10.0.0.5"));
    }
}
