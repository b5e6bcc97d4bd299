//! Streams, their sessions with cameras, their consumers; with the ways of the real program:
//! a session lives as long as there are consumers and dials again for ever, a name may stand for
//! another stream, and forgetting a name ends nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::depacketize::{Depacketizer, Picture};
use super::rtsp::{Player, Said, Source};
use super::sdp::Track;

/// Pictures that a consumer may lag behind.
const PICTURES: usize = 256;

static IDS: AtomicU64 = AtomicU64::new(1);

fn next_id() -> u64 {
    IDS.fetch_add(1, Ordering::Relaxed)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All streams by name; several names may stand for one.
#[derive(Debug, Default)]
pub(super) struct Streams(Mutex<BTreeMap<String, Arc<Stream>>>);

impl Streams {
    pub(super) fn get(&self, name: &str) -> Option<Arc<Stream>> {
        lock(&self.0).get(name).map(Arc::clone)
    }

    pub(super) fn list(&self) -> Value {
        let all: Map<String, Value> =
            lock(&self.0).iter().map(|(name, stream)| (name.clone(), stream.show())).collect();
        Value::Object(all)
    }

    /// A new stream in the place of what was there; that goes on, unseen.
    pub(super) fn put(&self, name: &str, sources: &[String]) -> Result<(), Said> {
        if sources.iter().any(|source| Source::parse(source).is_none()) {
            return Err(Said("streams: source not supported".to_owned()));
        }
        lock(&self.0).insert(name.to_owned(), Arc::new(Stream::new(sources)));
        Ok(())
    }

    /// Creates or changes; a source whose path is the name of a stream is that stream, whatever
    /// its host.
    pub(super) fn patch(&self, name: &str, source: &str) -> Result<Arc<Stream>, Said> {
        let mut streams = lock(&self.0);
        let path = source
            .parse::<url::Url>()
            .ok()
            .filter(|url| url.scheme() == "rtsp")
            .map(|url| url.path().trim_start_matches('/').to_owned());
        let meant = path.and_then(|path| streams.get(&path)).or_else(|| streams.get(source));
        if let Some(stream) = meant.map(Arc::clone) {
            streams.insert(name.to_owned(), Arc::clone(&stream));
            return Ok(stream);
        }
        if Source::parse(source).is_none() {
            return Err(Said("streams: source not supported".to_owned()));
        }
        if let Some(stream) = streams.get(name) {
            for producer in &stream.producers {
                source.clone_into(&mut lock(&producer.source));
            }
            return Ok(Arc::clone(stream));
        }
        let stream = Arc::new(Stream::new(&[source.to_owned()]));
        streams.insert(name.to_owned(), Arc::clone(&stream));
        Ok(stream)
    }

    /// Forgets a name, and ends nothing.
    pub(super) fn forget(&self, name: &str) {
        lock(&self.0).remove(name);
    }
}

/// One stream.
#[derive(Debug)]
pub(super) struct Stream {
    producers: Vec<Arc<Producer>>,
    consumers: Mutex<Vec<Arc<Consumer>>>,
    had_consumers: AtomicBool,
    // One comes or goes at a time.
    turn: tokio::sync::Mutex<()>,
}

/// Who receives.
#[derive(Debug)]
pub(super) struct Consumer {
    id: u64,
    agent: String,
    format: &'static str,
    sent: AtomicU64,
}

impl Consumer {
    pub(super) fn new(format: &'static str, agent: &str) -> Arc<Self> {
        let agent = agent.to_owned();
        Arc::new(Self { id: next_id(), agent, format, sent: AtomicU64::new(0) })
    }

    pub(super) fn count(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn show(&self) -> Value {
        let mut shown = json!({
            "id": self.id, "format_name": self.format, "protocol": "ws", "user_agent": self.agent,
            "medias": ["video, sendonly, H264, H265"],
        });
        let sent = self.sent.load(Ordering::Relaxed);
        if sent > 0 {
            shown["bytes_send"] = json!(sent);
        }
        shown
    }
}

/// What a consumer receives.
pub(super) struct Attached {
    pub track: Track,
    pub pictures: broadcast::Receiver<Arc<Picture>>,
}

impl Stream {
    fn new(sources: &[String]) -> Self {
        let producer = |source: &String| Arc::new(Producer::new(source));
        Self {
            producers: sources.iter().map(producer).collect(),
            consumers: Mutex::default(),
            had_consumers: AtomicBool::new(false),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Attaches a consumer that takes these codecs (as MIME names); dials when it is the first.
    pub(super) async fn attach(
        &self,
        consumer: &Arc<Consumer>,
        codecs: &[&str],
    ) -> Result<Attached, Said> {
        let _turn = self.turn.lock().await;
        let outcome = self.match_up(codecs).await;
        match &outcome {
            Ok(_) => {
                self.had_consumers.store(true, Ordering::Relaxed);
                lock(&self.consumers).push(Arc::clone(consumer));
            }
            Err(_) => self.stop_idle(),
        }
        outcome
    }

    async fn match_up(&self, codecs: &[&str]) -> Result<Attached, Said> {
        let mut found = Vec::new();
        for producer in &self.producers {
            let attached = match producer.open().await {
                Ok(attached) => attached,
                Err(said) => return Err(Said(format!("streams: {said}"))),
            };
            if attached.track.codec.mime().is_some_and(|mime| codecs.contains(&mime)) {
                return Ok(attached);
            }
            found.push(format!("video:{}", attached.track.codec.name()));
        }
        if found.is_empty() {
            return Err(Said("streams: unknown error".to_owned()));
        }
        let wished = codecs.join(", ");
        Err(Said(format!("streams: codecs not matched: {} => {wished}", found.join(", "))))
    }

    /// Takes a consumer away; after the last the sessions end.
    pub(super) async fn detach(&self, consumer: &Arc<Consumer>) {
        let _turn = self.turn.lock().await;
        lock(&self.consumers).retain(|known| !Arc::ptr_eq(known, consumer));
        self.stop_idle();
    }

    fn stop_idle(&self) {
        if lock(&self.consumers).is_empty() {
            for producer in &self.producers {
                producer.stop();
            }
        }
    }

    pub(super) fn show(&self) -> Value {
        let producers: Vec<Value> = self.producers.iter().map(|it| it.show()).collect();
        let consumers: Vec<Value> = lock(&self.consumers).iter().map(|it| it.show()).collect();
        // Lists that nothing was ever in are null.
        let list = |list: Vec<Value>, had: bool| if had { json!(list) } else { Value::Null };
        json!({
            "producers": list(producers, !self.producers.is_empty()),
            "consumers": list(consumers, self.had_consumers.load(Ordering::Relaxed)),
        })
    }
}

/// One source of a stream.
#[derive(Debug)]
struct Producer {
    source: Mutex<String>,
    session: Mutex<Option<Session>>,
}

#[derive(Debug)]
struct Session {
    track: Track,
    pictures: broadcast::Sender<Arc<Picture>>,
    stop: CancellationToken,
    shown: Arc<Shown>,
}

/// What the list says of a session.
#[derive(Debug)]
struct Shown {
    id: AtomicU64,
    source: String,
    remote: String,
    received: AtomicU64,
}

impl Producer {
    fn new(source: &str) -> Self {
        Self { source: Mutex::new(source.to_owned()), session: Mutex::default() }
    }

    /// Joins the session, or begins one.
    async fn open(self: &Arc<Self>) -> Result<Attached, Said> {
        if let Some(session) = &*lock(&self.session) {
            let pictures = session.pictures.subscribe();
            return Ok(Attached { track: session.track.clone(), pictures });
        }
        let text = lock(&self.source).clone();
        let source = Source::parse(&text).ok_or_else(|| Said("unsupported".to_owned()))?;
        let player = begin(&source).await?;
        let track = player.track.clone();
        let (sender, receiver) = broadcast::channel(PICTURES);
        let shown = Arc::new(Shown {
            id: AtomicU64::new(next_id()),
            source: text,
            remote: player.remote.clone(),
            received: AtomicU64::new(0),
        });
        let stop = CancellationToken::new();
        let work = work(Arc::clone(self), player, sender.clone(), Arc::clone(&shown), stop.clone());
        // It ends with its session, as the real one's does; the program outlives it anyway.
        drop(tokio::spawn(work));
        *lock(&self.session) =
            Some(Session { track: track.clone(), pictures: sender, stop, shown });
        Ok(Attached { track, pictures: receiver })
    }

    fn stop(&self) {
        if let Some(session) = lock(&self.session).take() {
            session.stop.cancel();
        }
    }

    fn show(&self) -> Value {
        let Some(shown) = lock(&self.session).as_ref().map(|session| Arc::clone(&session.shown))
        else {
            return json!({ "url": masked(&lock(&self.source)) });
        };
        let received = shown.received.load(Ordering::Relaxed);
        let mut value = json!({
            "id": shown.id.load(Ordering::Relaxed), "format_name": "rtsp", "protocol": "rtsp+tcp",
            "remote_addr": shown.remote, "source": masked(&shown.source),
            "url": masked(shown.source.split('#').next().unwrap_or_default()),
            "user_agent": "go2rtc/1.9.14", "medias": ["video, recvonly, H264"],
        });
        if received > 0 {
            value["bytes_recv"] = json!(received);
        }
        value
    }
}

async fn begin(source: &Source) -> Result<Player, Said> {
    let mut player = Player::dial(source).await?;
    player.play().await?;
    Ok(player)
}

/// Reads until it is stopped; dials again for ever when the camera leaves.
async fn work(
    producer: Arc<Producer>,
    mut player: Player,
    pictures: broadcast::Sender<Arc<Picture>>,
    shown: Arc<Shown>,
    stop: CancellationToken,
) {
    let codec = player.track.codec;
    loop {
        let reading = read(&mut player, &pictures, &shown, codec);
        tokio::select! {
            () = stop.cancelled() => return player.tear_down().await,
            said = reading => super::say("warn", &said.0),
        }
        drop(player);
        let dialling = redial(&producer);
        player = tokio::select! {
            () = stop.cancelled() => return,
            player = dialling => player,
        };
        shown.id.store(next_id(), Ordering::Relaxed);
        shown.received.store(0, Ordering::Relaxed);
    }
}

/// At once, then after 1 s five times, 5 s five times, 10 s ten times, then every minute.
async fn redial(producer: &Producer) -> Player {
    let mut retry = 0_u32;
    loop {
        let text = lock(&producer.source).clone();
        if let Some(source) = Source::parse(&text)
            && let Ok(player) = begin(&source).await
        {
            return player;
        }
        let seconds = match retry {
            0..5 => 1,
            5..10 => 5,
            10..20 => 10,
            _ => 60,
        };
        retry = retry.saturating_add(1);
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }
}

/// Hands pictures on until the session breaks. Pictures of another codec than at first are counted
/// and go nowhere: the consumers are severed.
async fn read(
    player: &mut Player,
    pictures: &broadcast::Sender<Arc<Picture>>,
    shown: &Shown,
    codec: super::sdp::Codec,
) -> Said {
    let is_same = player.track.codec == codec;
    let mut depacketizer = Depacketizer::new(codec);
    loop {
        let packet = match player.packet().await {
            Ok(packet) => packet,
            Err(said) => return said,
        };
        shown.received.fetch_add(packet.len() as u64, Ordering::Relaxed);
        if let Some(picture) = depacketizer.push(&packet).filter(|_| is_same) {
            // Nobody may be listening just now.
            drop(pictures.send(Arc::new(picture)));
        }
    }
}

/// User and password become `***`; nothing else does.
fn masked(url: &str) -> String {
    match url.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.split_once('@')?))) {
        Some((scheme, (_, after))) => format!("{scheme}://***@{after}"),
        None => url.to_owned(),
    }
}
