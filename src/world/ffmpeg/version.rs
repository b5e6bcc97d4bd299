//! Which ffmpeg is installed, from the first line of `ffmpeg -version`.

use std::fmt;

/// A release number. Builds from the development line have none and count as new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
}

impl Version {
    /// The oldest that understands what it is asked: options of a source in a playlist came with
    /// 5.0 (`doc/demuxers.texi`, concat; Changelog 5.0).
    pub const OLDEST: Self = Self { major: 5, minor: 0 };

    /// Reads `ffmpeg version 5.1.9-0+deb12u1 Copyright ...`. `None` when this is not ffmpeg.
    pub fn parse(banner: &str) -> Option<Self> {
        let word = banner.lines().next()?.strip_prefix("ffmpeg version ")?.split(' ').next()?;
        let word = word.strip_prefix('n').unwrap_or(word);
        let mut numbers = word.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor))) => Some(Self { major, minor }),
            (Some(Ok(major)), _) => Some(Self { major, minor: 0 }),
            // `N-109500-g...` or `git-2024-...`.
            _ => Some(Self { major: u32::MAX, minor: 0 }),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.major {
            u32::MAX => f.write_str("development"),
            major => write!(f, "{major}.{}", self.minor),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn banners_of_all_kinds_are_read() {
        let of = |banner| Version::parse(banner).map(|version| version.to_string());
        assert_eq!(of("ffmpeg version 5.1.9-0+deb12u1 Copyright"), Some("5.1".to_owned()));
        assert_eq!(of("ffmpeg version n7.0 Copyright"), Some("7.0".to_owned()));
        assert_eq!(of("ffmpeg version 4.4.2-0ubuntu0.22.04.1"), Some("4.4".to_owned()));
        assert_eq!(of("ffmpeg version N-109500-gabc"), Some("development".to_owned()));
        assert_eq!(of("bash: ffmpeg: not found"), None);
        assert!(Version { major: 4, minor: 4 } < Version::OLDEST);
    }
}
