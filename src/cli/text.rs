//! Ages, sizes, badges and colours: values as short texts for people.

use std::time::Duration;

use jiff::Timestamp;

/// How a text stands out on a terminal; the text itself says the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// Not at all.
    Plain,
    /// All is well.
    Good,
    /// Going on.
    Busy,
    /// Look here when there is time.
    Warn,
    /// Look here.
    Bad,
    /// Unimportant.
    Dim,
}

/// The text in its colour, where colours are wanted.
pub(super) fn paint(text: &str, tone: Tone, colour: bool) -> String {
    let code = match tone {
        Tone::Plain => return text.to_owned(),
        Tone::Good => "32",
        Tone::Busy => "36",
        Tone::Warn => "33",
        Tone::Bad => "31",
        Tone::Dim => "2",
    };
    if colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// A badge as symbol and word.
pub(super) fn badge(badge: &str) -> (String, Tone) {
    let (symbol, tone) = match badge {
        "ok" => ("●", Tone::Good),
        "busy" => ("◐", Tone::Busy),
        "warn" => ("▲", Tone::Warn),
        "bad" => ("✖", Tone::Bad),
        _ => ("○", Tone::Dim),
    };
    (format!("{symbol} {badge}"), tone)
}

/// A length in one or two units: `12s`, `3m`, `2h5m`, `4d`.
pub(super) fn length(length: Duration) -> String {
    let seconds = length.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=599 if !seconds.is_multiple_of(60) => format!("{minutes}m{}s", seconds % 60),
        120..=7_199 => format!("{minutes}m"),
        7_200..=35_999 if !minutes.is_multiple_of(60) => format!("{hours}h{}m", minutes % 60),
        7_200..=172_799 => format!("{hours}h"),
        _ => format!("{days}d"),
    }
}

/// How long ago, seen from `now`; a moment ahead of it is now.
pub(super) fn age(at: Timestamp, now: Timestamp) -> String {
    length(Duration::try_from(now.duration_since(at)).unwrap_or_default())
}

/// How long ago, or a dash for never.
pub(super) fn age_or_dash(at: Option<Timestamp>, now: Timestamp) -> String {
    at.map_or_else(|| "-".to_owned(), |at| age(at, now))
}

/// How far ahead, `now` for what is due, or a dash for never.
pub(super) fn ahead(at: Option<Timestamp>, now: Timestamp) -> String {
    match at {
        None => "-".to_owned(),
        Some(at) if at <= now => "now".to_owned(),
        Some(at) => age(now, at),
    }
}

/// A number of milliseconds: `700ms`, `1.3s`.
pub(super) fn millis(millis: u64) -> String {
    if millis < 1000 {
        return format!("{millis}ms");
    }
    if millis < 100_000 {
        return format!("{}.{}s", millis / 1000, millis % 1000 / 100);
    }
    length(Duration::from_millis(millis))
}

/// A number of bytes: `31 KB`.
pub(super) fn bytes(bytes: u64) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} B"),
        10_000..=9_999_999 => format!("{} KB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

/// A text, or a dash for none.
pub(super) fn or_dash(text: Option<&str>) -> String {
    text.unwrap_or("-").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_short() {
        let shown = [0, 59, 119, 120, 185, 600, 7199, 7200, 7500, 40_000, 200_000]
            .map(|s| length(Duration::from_secs(s)))
            .join(" ");
        assert_eq!(shown, "0s 59s 119s 2m 3m5s 10m 119m 2h 2h5m 11h 2d");
    }

    #[test]
    fn what_lies_ahead_has_no_age() {
        let now: Timestamp = "2026-01-05T22:00:00Z".parse().unwrap();
        let later = now + Duration::from_secs(5);
        assert_eq!(
            [age(later, now), ahead(Some(later), now), ahead(Some(now), now)].join(" "),
            "0s 5s now"
        );
    }

    #[test]
    fn sizes_and_times_are_short() {
        assert_eq!([millis(700), millis(1_286), millis(130_000)].join(" "), "700ms 1.2s 2m10s");
        assert_eq!([bytes(900), bytes(31_022), bytes(58_000_000)].join(" "), "900 B 31 KB 58 MB");
    }
}
