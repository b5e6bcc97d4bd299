//! What ffmpeg's complaints on standard error mean.
//!
//! Only for what it opened by itself: behind the relay the relay knows better. The words are
//! those of `libavutil/error.c` and of the C library.

use super::version::Version;
use crate::model::failure::{Failure, FailureKind, Stage};

/// Words in a complaint, lower case, and what they mean. The first that fits counts.
const SIGNS: [(&str, FailureKind); 18] = [
    ("401 unauthorized", FailureKind::AuthFailed),
    ("404 not found", FailureKind::NotFound),
    ("403 forbidden", FailureKind::AuthFailed),
    ("453 ", FailureKind::CameraFull),
    ("connection refused", FailureKind::Refused),
    ("no route to host", FailureKind::Unreachable),
    ("network is unreachable", FailureKind::Unreachable),
    ("host is unreachable", FailureKind::Unreachable),
    ("timed out", FailureKind::Timeout),
    ("connection reset", FailureKind::ConnectionLost),
    ("broken pipe", FailureKind::ConnectionLost),
    ("end of file", FailureKind::ConnectionLost),
    ("protocol not found", FailureKind::UnsupportedProtocol),
    ("protocol not on whitelist", FailureKind::UnsupportedProtocol),
    ("matches no streams", FailureKind::UnsupportedCodec),
    ("decoder not found", FailureKind::UnsupportedCodec),
    ("cannot allocate memory", FailureKind::Host),
    ("invalid data found", FailureKind::ProtocolError),
];

/// Longest piece of a complaint that is shown, characters.
const SHOWN_MAX: usize = 160;

/// The failure behind a run that brought no picture. `errors` is its standard error, bounded and
/// redacted by whoever read it.
pub fn diagnose(errors: &str) -> Failure {
    let lower = errors.to_lowercase();
    if let Some(line) = lower.lines().find(|line| is_of_an_old_version(line)) {
        let (said, oldest) = (plain(line), Version::OLDEST);
        return Failure::new(
            FailureKind::Host,
            format!("ffmpeg: {said}; it is too old, install {oldest} or newer"),
        );
    }
    let sign = SIGNS.iter().find(|(words, _)| lower.contains(words));
    let kind = sign.map_or(FailureKind::CameraError, |(_, kind)| *kind);
    let telling = match sign {
        Some((words, _)) => errors.lines().find(|line| line.to_lowercase().contains(words)),
        None => errors.lines().rfind(|line| !line.trim().is_empty()),
    };
    let message = match telling {
        Some(line) => format!("ffmpeg: {}", plain(line)),
        None => "ffmpeg ended without a picture and without a word".to_owned(),
    };
    let stage = if kind == FailureKind::Timeout { Some(Stage::Connect) } else { None };
    match stage {
        Some(stage) => Failure::at(kind, stage, message),
        None => Failure::new(kind, message),
    }
}

/// Whether ffmpeg does not know what it is asked.
fn is_of_an_old_version(line: &str) -> bool {
    line.contains("unrecognized option")
        || line.contains("unknown keyword 'option'")
        || (line.contains("option ") && line.contains("not found"))
}

/// A complaint without the part in brackets that names an address in memory, and without URLs: a
/// URL may hold a password too short to be replaced.
fn plain(line: &str) -> String {
    let line = match line.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        Some((_, rest)) => rest,
        None => line,
    };
    let words = line.split_whitespace().map(|word| match word.split_once("://") {
        Some((before, _)) => format!("{}://***", before.trim_start_matches(['\'', '"'])),
        None => word.to_owned(),
    });
    let text = words.collect::<Vec<_>>().join(" ");
    text.chars().take(SHOWN_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_told_apart() {
        let cases = [
            ("pipe:0: Server returned 401 Unauthorized (authorization failed)", "AuthFailed"),
            ("[tcp @ 0x55] Connection to tcp://10.0.0.1:80 failed: Connection refused", "Refused"),
            ("pipe:0: Connection timed out", "Timeout"),
            ("Stream map '0:v:0' matches no streams.", "UnsupportedCodec"),
            ("Option rtsp_transport not found.", "Host"),
            ("[concat @ 0x1] Line 3: unknown keyword 'option'", "Host"),
            ("something new", "CameraError"),
            ("", "CameraError"),
        ];
        for (text, kind) in cases {
            assert_eq!(diagnose(text).kind.as_str(), kind, "{text}");
        }
    }

    #[test]
    fn no_url_is_shown() {
        let text = "[concat @ 0x5] Impossible to open 'rtsp://admin:pw@10.0.0.1/x'\nend of file";
        assert_eq!(
            diagnose("[concat @ 0x5] Impossible to open 'rtsp://a:pw@h/x'").message,
            "ffmpeg: Impossible to open rtsp://***"
        );
        assert!(!diagnose(text).message.contains("pw"));
    }
}
