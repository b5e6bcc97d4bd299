//! One viewer's way through a ring: what it gets next, and when it has waited or lagged too long.
//!
//! It tells no viewer that its view is over; whoever holds the stream does.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::engine::{Media, ViewEnd};
use super::ring::{Next, Place, Ring};

/// How long a viewer waits for a camera that does not deliver.
const PATIENCE: Duration = Duration::from_secs(20);
/// A viewer that still loses pictures so long after it had them all does not keep up.
const BEHIND_MAX: Duration = Duration::from_secs(10);

/// One viewer's place, and how it has fared.
#[derive(Debug)]
pub(super) struct Follower {
    place: Place,
    /// When it last got something.
    served: Instant,
    /// When it last had all there was.
    abreast: Instant,
}

/// What a viewer does next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It is sent this.
    Media(Media),
    /// It has all there is: it waits for more, until then.
    Wait(Instant),
    /// It has waited in vain.
    Late,
    /// It does not keep up.
    Slow,
}

/// What a look at a stream brought one viewer.
pub(super) enum Look {
    /// It is sent this.
    Media(Media),
    /// Its view is over.
    End(ViewEnd),
    /// Nothing yet: it looks again when there is news, and at the latest then.
    Wait(Instant),
}

/// Looks until there is a piece for a viewer, or its view is over. May be dropped at any point and
/// called again.
pub(super) async fn follow(
    news: &mut watch::Receiver<()>,
    mut look: impl FnMut() -> Look,
) -> Result<Media, ViewEnd> {
    loop {
        // Before the look, so that what comes after it is not missed.
        news.mark_unchanged();
        match look() {
            Look::Media(media) => return Ok(media),
            Look::End(end) => return Err(end),
            // In time or not, there is something to be seen.
            Look::Wait(until) => drop(timeout_at(until, news.changed()).await),
        }
    }
}

impl Follower {
    /// Of a viewer that has nothing yet; `mute` when it is not to be sent the sound.
    pub(super) fn new(mute: bool) -> Self {
        let now = Instant::now();
        Self { place: Place::new(mute), served: now, abreast: now }
    }

    /// The next step, and whether pictures were lost to it. `troubled` is since when the camera
    /// fails: a viewer that was served before waits its whole time from then on.
    pub(super) fn step(&mut self, ring: &Ring, troubled: Option<Instant>) -> (Step, bool) {
        let now = Instant::now();
        let overtaken = ring.is_overtaken(&self.place);
        let (next, lost) = ring.take(&mut self.place);
        if (lost || overtaken) && now.duration_since(self.abreast) > BEHIND_MAX {
            return (Step::Slow, lost);
        }
        let media = match next {
            Next::Start(mime, init) => Media::Start { mime, init },
            Next::Fragment(fragment) => Media::Fragment(fragment),
            Next::Nothing => {
                self.abreast = now;
                let since = troubled.map_or(self.served, |since| self.served.max(since));
                let is_over = now >= since + PATIENCE;
                return (if is_over { Step::Late } else { Step::Wait(since + PATIENCE) }, lost);
            }
        };
        if ring.is_at_end(&self.place) {
            self.abreast = now;
        }
        self.served = now;
        (Step::Media(media), lost)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::time::advance;

    use super::*;
    use crate::live::mp4::{Packaged, Start};

    const SECOND: Duration = Duration::from_secs(1);

    fn ring() -> Ring {
        let mut ring = Ring::default();
        let start = Start { mime: "video/mp4".into(), init: Bytes::new(), mute: None };
        ring.push(Packaged { start: Some(start), ..picture(true) });
        ring
    }

    fn picture(key: bool) -> Packaged {
        Packaged { start: None, key, fragment: Bytes::from_static(b"picture"), mute: 7 }
    }

    #[tokio::test(start_paused = true)]
    async fn it_waits_its_time_from_what_it_got_last_and_from_when_the_camera_failed() {
        let mut ring = ring();
        let mut follower = Follower::new(false);
        for _ in 0..2 {
            assert!(matches!(follower.step(&ring, None).0, Step::Media(_)));
        }
        let begun = Instant::now();
        assert_eq!(follower.step(&ring, None).0, Step::Wait(begun + PATIENCE));
        advance(19 * SECOND).await;
        let troubled = Some(begun + 10 * SECOND);
        assert_eq!(follower.step(&ring, None).0, Step::Wait(begun + PATIENCE));
        advance(SECOND).await;
        assert_eq!(follower.step(&ring, None).0, Step::Late);
        let until = begun + 10 * SECOND + PATIENCE;
        assert_eq!(follower.step(&ring, troubled).0, Step::Wait(until));
        ring.push(picture(false));
        assert!(matches!(follower.step(&ring, None).0, Step::Media(_)));
        let until = Instant::now() + PATIENCE;
        assert_eq!(follower.step(&ring, troubled).0, Step::Wait(until));
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_slow_when_it_loses_pictures_for_too_long() {
        let mut ring = ring();
        let mut follower = Follower::new(false);
        assert!(matches!(follower.step(&ring, None).0, Step::Media(_)));
        let mut lost = 0;
        // One piece a second is taken of the four pictures that come in it.
        for second in 0..=10 {
            for _ in 0..2 {
                ring.push(picture(true));
                ring.push(picture(false));
            }
            let (step, fell) = follower.step(&ring, None);
            assert!(matches!(step, Step::Media(_)), "{second}: {step:?}");
            lost += u32::from(fell);
            advance(SECOND).await;
        }
        assert!(lost > 5, "{lost}");
        ring.push(picture(true));
        assert_eq!(follower.step(&ring, None).0, Step::Slow);
    }
}
