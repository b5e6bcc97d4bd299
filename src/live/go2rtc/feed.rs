//! The pictures of one stream as its viewers share them, and what is known of their source.
//!
//! A lock around plain data and two bells. Where pictures come from is the business of `reader`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::live::codecs::{codec_in, name_of, plays};
use crate::live::engine::{Media, ViewEnd};
use crate::live::follower::{Follower, Look, Step, follow};
use crate::live::mp4::{Packaged, Start};
use crate::live::ring::Ring;
use crate::model::picture::KeyPicture;
use crate::model::time::Now;
use crate::world::gateway::live::Piece;

/// What one stream's reader and viewers share.
#[derive(Debug, Default)]
pub(super) struct Feed {
    inner: Mutex<Inner>,
    /// Rings for viewers.
    news: watch::Sender<()>,
    /// Rings for the reader.
    demand: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    ring: Ring,
    /// What the next key picture begins.
    start: Option<Start>,
    /// The latest key picture since something came, and when it came.
    key: Option<(KeyPicture, Now)>,
    /// Why nothing comes, and since when.
    trouble: Option<(ViewEnd, Instant)>,
    /// How often the views of all who watched were ended, and why the last time.
    ends: u64,
    end: Option<ViewEnd>,
    /// Viewers whose views have not been ended.
    watching: usize,
}

/// One viewer of a feed; dropping it leaves.
#[derive(Debug)]
pub(super) struct FeedViewer {
    feed: Arc<Feed>,
    news: watch::Receiver<()>,
    follower: Follower,
    codecs: Vec<Arc<str>>,
    /// The ends before it came.
    ends: u64,
}

impl Feed {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more piece for all viewers.
    pub(super) fn push(&self, piece: Piece) {
        let mut inner = self.lock();
        match piece {
            Piece::Start { mime, init } => {
                inner.ring.close();
                inner.start = Some(Start { mime, init, mute: None });
                return;
            }
            // Nobody can begin with it.
            Piece::Fragment { is_key: false, .. } if inner.start.is_some() => return,
            Piece::Fragment { data, is_key } => {
                let start = inner.start.take();
                let mute = data.len();
                inner.ring.push(Packaged { start, key: is_key, fragment: data, mute });
                inner.trouble = None;
            }
        }
        drop(inner);
        self.news.send_replace(());
    }

    /// Keeps a key picture for captures.
    pub(super) fn keep_key(&self, picture: KeyPicture, at: Now) {
        self.lock().key = Some((picture, at));
        self.news.send_replace(());
    }

    /// The latest key picture of the session that goes on; `Err` when nothing comes.
    pub(super) fn latest_key(&self) -> Result<Option<(KeyPicture, Now)>, ViewEnd> {
        let inner = self.lock();
        inner.trouble.as_ref().map_or_else(|| Ok(inner.key.clone()), |(why, _)| Err(why.clone()))
    }

    /// A bell that rings when there is something to be seen.
    pub(super) fn subscribe(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// Nothing comes for now: what comes next does not belong to what came before.
    pub(super) fn fail(&self, why: ViewEnd) {
        self.lock().fail(why);
        self.news.send_replace(());
    }

    /// Ends the views of all who watch now.
    pub(super) fn end(&self, why: ViewEnd) {
        let mut inner = self.lock();
        inner.fail(why.clone());
        inner.ends += 1;
        inner.end = Some(why);
        inner.watching = 0;
        drop(inner);
        self.news.send_replace(());
    }

    /// Whether somebody watches.
    pub(super) fn is_watched(&self) -> bool {
        self.lock().watching > 0
    }

    /// Waits until somebody watches. For one waiter.
    pub(super) async fn watched(&self) {
        while !self.is_watched() {
            self.demand.notified().await;
        }
    }

    /// What there is now for a viewer that came after so many ends.
    fn look(&self, follower: &mut Follower, codecs: &[Arc<str>], ends: u64) -> Look {
        let inner = self.lock();
        if let Some(end) = inner.end.as_ref().filter(|_| inner.ends > ends) {
            return Look::End(end.clone());
        }
        let troubled = inner.trouble.as_ref().map(|(_, since)| *since);
        match follower.step(&inner.ring, troubled).0 {
            Step::Media(Media::Start { mime, init }) => {
                let is_playable = codec_in(&mime).is_some_and(|codec| plays(codecs, codec));
                if !is_playable {
                    let codec = codec_in(&mime).map(name_of);
                    return Look::End(ViewEnd::Codec(codec.unwrap_or(&mime).to_owned()));
                }
                Look::Media(Media::Start { mime, init })
            }
            Step::Media(media) => Look::Media(media),
            Step::Wait(until) => Look::Wait(until),
            Step::Slow => Look::End(ViewEnd::Slow),
            Step::Late => {
                let why = inner.trouble.as_ref().map(|(why, _)| why.clone());
                let silent = || ViewEnd::Camera("no key picture in time".to_owned());
                Look::End(why.unwrap_or_else(silent))
            }
        }
    }
}

impl Inner {
    fn fail(&mut self, why: ViewEnd) {
        self.ring.close();
        self.key = None;
        let since = self.trouble.take().map_or_else(Instant::now, |(_, since)| since);
        self.trouble = Some((why, since));
    }
}

impl FeedViewer {
    /// One more viewer, of a browser that names these codecs.
    pub(super) fn new(feed: Arc<Feed>, codecs: Vec<Arc<str>>) -> Self {
        let news = feed.news.subscribe();
        let mut inner = feed.lock();
        inner.watching += 1;
        let ends = inner.ends;
        drop(inner);
        feed.demand.notify_one();
        // There is no sound in it.
        Self { feed, news, follower: Follower::new(false), codecs, ends }
    }

    /// The next piece. May be dropped at any point and called again.
    pub(super) async fn next(&mut self) -> Result<Media, ViewEnd> {
        let Self { feed, news, follower, codecs, ends } = self;
        follow(news, || feed.look(follower, codecs, *ends)).await
    }
}

impl Drop for FeedViewer {
    fn drop(&mut self) {
        let mut inner = self.feed.lock();
        if inner.ends == self.ends {
            inner.watching = inner.watching.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use tokio::time::timeout;

    use super::*;
    use crate::model::picture::Codec;
    use crate::model::time::Mono;

    fn begin(feed: &Feed, mime: &str) {
        feed.push(Piece::Start { mime: mime.into(), init: Bytes::from_static(b"init") });
    }

    fn picture(feed: &Feed, mark: u8, is_key: bool) {
        feed.push(Piece::Fragment { data: Bytes::from(vec![mark]), is_key });
    }

    const H264: &str = "video/mp4; codecs=\"avc1.640028\"";

    fn viewer(feed: &Arc<Feed>, codecs: &[&str]) -> FeedViewer {
        let codecs = codecs.iter().map(|codec| (*codec).into()).collect();
        FeedViewer::new(Arc::clone(feed), codecs)
    }

    /// What is there for a viewer now: `S` a beginning, then the marks of pictures.
    async fn taken(viewer: &mut FeedViewer) -> Vec<u8> {
        let mut marks = Vec::new();
        while let Ok(next) = timeout(Duration::from_millis(1), viewer.next()).await {
            marks.push(match next.unwrap() {
                Media::Start { .. } => b'S',
                Media::Fragment(data) => data[0],
            });
        }
        marks
    }

    #[tokio::test(start_paused = true)]
    async fn all_get_the_same_pictures_each_from_a_key_picture_on() {
        let feed = Arc::<Feed>::default();
        let mut first = viewer(&feed, &[]);
        begin(&feed, H264);
        for (mark, is_key) in [(0, false), (1, true), (2, false)] {
            picture(&feed, mark, is_key);
        }
        assert_eq!(taken(&mut first).await, [b'S', 1, 2]);
        assert_eq!(taken(&mut viewer(&feed, &[])).await, [b'S', 1, 2]);
        // Another consumer: its pictures need its own beginning.
        feed.fail(ViewEnd::Slow);
        assert!(taken(&mut viewer(&feed, &[])).await.is_empty());
        begin(&feed, H264);
        picture(&feed, 3, false);
        picture(&feed, 4, true);
        assert_eq!(taken(&mut first).await, [b'S', 4]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_is_for_those_who_watched_and_a_codec_for_who_cannot_play_it() {
        let feed = Arc::<Feed>::default();
        let (mut before, mut deaf) = (viewer(&feed, &[]), viewer(&feed, &["hvc1.1"]));
        begin(&feed, H264);
        picture(&feed, 1, true);
        assert_eq!(deaf.next().await, Err(ViewEnd::Codec("H.264".to_owned())));
        assert!(feed.is_watched());
        feed.end(ViewEnd::Removed);
        assert!(!feed.is_watched(), "nobody is left to be served");
        assert_eq!(before.next().await, Err(ViewEnd::Removed));
        let mut after = viewer(&feed, &[]);
        drop((before, deaf));
        assert!(feed.is_watched(), "who came later is still there");
        begin(&feed, H264);
        picture(&feed, 2, true);
        assert_eq!(taken(&mut after).await, [b'S', 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_in_vain_is_told_what_is_known() {
        let feed = Arc::<Feed>::default();
        let mut uninformed = viewer(&feed, &[]);
        let end = ViewEnd::Camera("no key picture in time".to_owned());
        assert_eq!(uninformed.next().await, Err(end));
        feed.fail(ViewEnd::Camera("nobody answers".to_owned()));
        let mut told = viewer(&feed, &[]);
        assert_eq!(told.next().await, Err(ViewEnd::Camera("nobody answers".to_owned())));
    }

    #[test]
    fn captures_have_the_key_picture_of_what_goes_on_and_of_nothing_else() {
        let feed = Feed::default();
        let taken = (
            KeyPicture { codec: Codec::H265, data: Bytes::from_static(b"key") },
            Now { mono: Mono(7), wall: jiff::Timestamp::UNIX_EPOCH },
        );
        assert_eq!(feed.latest_key(), Ok(None));
        let mut bell = feed.subscribe();
        feed.keep_key(taken.0.clone(), taken.1);
        assert!(bell.has_changed().is_ok_and(|rang| rang));
        assert_eq!(feed.latest_key(), Ok(Some(taken)));
        bell.mark_unchanged();
        feed.fail(ViewEnd::Slow);
        assert_eq!(feed.latest_key(), Err(ViewEnd::Slow));
        begin(&feed, H264);
        picture(&feed, 1, true);
        assert_eq!(feed.latest_key(), Ok(None));
    }
}
