//! One RTSP session with one video track, and one of sound where that is wanted: opened, read
//! picture by picture, closed in order.
//!
//! `DESCRIBE`, `SETUP`, `PLAY`, pictures, `TEARDOWN`. It keeps itself alive, since cameras end
//! sessions that say nothing for a minute. It decodes nothing and never reconnects.

mod opening;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout, timeout_at};

use self::opening::{Opened, Opening};
use super::classify::classify;
use super::connection::{Connection, End, SocketHook};
use super::fault::Fault;
use super::request::{Limits, Source, Timings};
use super::rtp::aac::{SoundFrame, SoundReader};
use super::rtp::order::Order;
use super::rtp::{Depacketizer, MediaError, Packet, Tally, Unit, Wanted};
use super::rtsp::client::Client;
use super::rtsp::message::Request;
use super::rtsp::sdp::{SoundFormat, SoundTrack, VideoTrack};
use super::udp::DatagramPair;
use crate::model::desired::Transport;
use crate::model::failure::{Failure, Stage};
use crate::model::picture::Codec;

/// Shortest time between two signs of life.
const KEEPALIVE_MIN: Duration = Duration::from_secs(1);
/// Packets that may wait for one that was overtaken, over UDP.
const REORDER_PACKETS: usize = 32;
/// Packets without a picture after which the camera is not believed any more. The largest
/// picture has about 6,000.
const FRUITLESS_PACKETS_MAX: u32 = 20_000;

/// What a session could not do, and how its connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// Why.
    pub failure: Failure,
    /// What the camera knows of the end.
    pub end: End,
    /// Whether the camera had been asked for its sound: not every camera bears that.
    pub asked_for_sound: bool,
}

/// What a session brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// One picture.
    Picture(Unit),
    /// Some sound.
    Sound(SoundFrame),
}

/// Where media comes from.
#[derive(Debug)]
enum Media {
    Interleaved(u8),
    Datagrams(DatagramPair),
}

/// The sound of a session.
#[derive(Debug)]
struct Sound {
    channel: u8,
    order: Order,
    reader: SoundReader,
}

impl Sound {
    fn new((channel, track): (u8, SoundTrack)) -> Self {
        Self { channel, order: Order::new(0), reader: SoundReader::new(track) }
    }
}

/// One packet, by what it is for.
enum Arrived {
    Picture(Bytes),
    Sound(Bytes),
}

/// An open session.
#[derive(Debug)]
pub struct Session {
    client: Client,
    limits: Limits,
    track: VideoTrack,
    media: Media,
    sound: Option<Sound>,
    order: Order,
    depacketizer: Depacketizer,
    ready: VecDeque<Unit>,
    // Of one packet at most.
    heard: VecDeque<SoundFrame>,
    datagram_bytes: u64,
    fruitless: u32,
    pulse: Pulse,
    timings: Timings,
}

/// When to show a sign of life.
#[derive(Debug)]
struct Pulse {
    every: Duration,
    next: Instant,
}

impl Session {
    /// Opens a session up to PLAY, at the latest until `deadline`.
    ///
    /// When that fails, what stood already has been ended in order as far as the camera let us.
    pub async fn open(
        source: &Source,
        limits: Limits,
        wanted: Wanted,
        deadline: Instant,
        hook: &dyn SocketHook,
    ) -> Result<Self, Failed> {
        let url = source.request_url().map_err(|fault| never(&fault))?;
        let begun = Instant::now();
        let until = deadline.min(begun + limits.connect);
        let connection = Connection::connect(source.device, until, limits.total_bytes, hook)
            .await
            .map_err(|fault| never(&fault))?;
        let timings = Timings { connect: begun.elapsed(), ..Timings::default() };
        let client = Client::new(connection, source.login.clone());
        let (aggregate, asked_for_sound) = (None, false);
        let mut opening = Opening { client, limits, deadline, aggregate, timings, asked_for_sound };
        match opening.run(source, &url, wanted).await {
            Ok(Opened { track, media, sound, alive }) => {
                let depth = if source.transport == Transport::Udp { REORDER_PACKETS } else { 0 };
                let every = (alive / 2).max(KEEPALIVE_MIN);
                Ok(Self {
                    client: opening.client,
                    limits,
                    depacketizer: Depacketizer::new(&track, wanted, limits.picture_bytes),
                    track,
                    media,
                    sound: sound.map(Sound::new),
                    order: Order::new(depth),
                    ready: VecDeque::new(),
                    heard: VecDeque::new(),
                    datagram_bytes: 0,
                    fruitless: 0,
                    pulse: Pulse { every, next: Instant::now() + every },
                    timings: opening.timings,
                })
            }
            Err((fault, stage)) => {
                let failure = classify(&fault, stage);
                let asked_for_sound = opening.asked_for_sound;
                let end = end(opening.client, &limits, opening.aggregate, Some(&fault)).await;
                Err(Failed { failure, end, asked_for_sound })
            }
        }
    }

    /// The codec of the track.
    pub fn codec(&self) -> Codec {
        self.track.codec
    }

    /// How the sound is coded, where there is some.
    pub fn sound(&self) -> Option<SoundFormat> {
        self.sound.as_ref().map(|sound| sound.reader.format())
    }

    /// The next picture; waits for it without a limit of its own.
    ///
    /// May be dropped at any point and called again. After an error only [`Session::close`] makes
    /// sense.
    pub async fn next_frame(&mut self) -> Result<Unit, Fault> {
        loop {
            if let Piece::Picture(unit) = self.next().await? {
                return Ok(unit);
            }
        }
    }

    /// The next picture, or the sound before it, as [`Session::next_frame`].
    pub async fn next(&mut self) -> Result<Piece, Fault> {
        loop {
            if let Some(frame) = self.heard.pop_front() {
                return Ok(Piece::Sound(frame));
            }
            if let Some(unit) = self.ready.pop_front() {
                self.fruitless = 0;
                return Ok(Piece::Picture(unit));
            }
            match self.next_packet().await? {
                Some(Arrived::Picture(bytes)) => self.take(&bytes)?,
                Some(Arrived::Sound(bytes)) => self.hear(&bytes),
                None => {}
            }
        }
    }

    fn hear(&mut self, bytes: &Bytes) {
        let Some(sound) = &mut self.sound else { return };
        if let Ok(packet) = Packet::parse(bytes)
            && !packet.is_rtcp()
        {
            sound.order.push(packet);
        }
        while let Some((packet, lost)) = sound.order.pop() {
            sound.reader.push(&packet, lost, |frame| self.heard.push_back(frame));
        }
    }

    fn take(&mut self, bytes: &Bytes) -> Result<(), Fault> {
        let pictures = self.depacketizer.tally().pictures;
        if let Ok(packet) = Packet::parse(bytes)
            && !packet.is_rtcp()
        {
            self.order.push(packet);
        }
        while let Some((packet, lost)) = self.order.pop() {
            self.depacketizer.push(&packet, lost, &mut self.ready)?;
        }
        self.fruitless += 1;
        if self.depacketizer.tally().pictures > pictures {
            self.fruitless = 0;
        }
        if self.fruitless > FRUITLESS_PACKETS_MAX {
            return Err(MediaError::Malformed("packets without a picture").into());
        }
        Ok(())
    }

    /// The next RTP packet, or `None` when only something else happened.
    async fn next_packet(&mut self) -> Result<Option<Arrived>, Fault> {
        if Instant::now() >= self.pulse.next {
            // The request is queued whole before the first await, so that being dropped there
            // loses nothing.
            self.pulse.next = Instant::now() + self.pulse.every;
            let request = Request::new(self.client.sign_of_life(), &self.track.aggregate);
            self.client.send(&request).await?;
        }
        let pulse = tokio::time::sleep_until(self.pulse.next);
        match &mut self.media {
            Media::Interleaved(channel) => tokio::select! {
                biased;
                data = self.client.next_data() => {
                    let data = data?;
                    let sound = self.sound.as_ref().map(|sound| sound.channel);
                    Ok(match data.channel {
                        other if other == *channel => Some(Arrived::Picture(data.payload)),
                        other if Some(other) == sound => Some(Arrived::Sound(data.payload)),
                        _ => None,
                    })
                }
                () = pulse => Ok(None),
            },
            Media::Datagrams(pair) => tokio::select! {
                biased;
                data = self.client.next_data() => data.map(|_| None),
                packet = pair.next() => {
                    let packet = packet?;
                    self.datagram_bytes += packet.len() as u64;
                    if self.datagram_bytes > self.limits.total_bytes {
                        return Err(Fault::TooMuch(self.limits.total_bytes));
                    }
                    Ok(Some(Arrived::Picture(packet)))
                }
                () = pulse => Ok(None),
            },
        }
    }

    /// What came of the packets so far.
    pub fn tally(&self) -> Tally {
        self.depacketizer.tally()
    }

    /// Bytes received so far, on all sockets.
    pub fn received(&self) -> u64 {
        self.client.connection().received() + self.datagram_bytes
    }

    /// How long opening took, step by step.
    pub fn timings(&self) -> Timings {
        self.timings
    }

    /// Ends the session: TEARDOWN, its reply, FIN in both directions, each with its own bound.
    /// `after` is the fault that led here, if one did.
    pub async fn close(self, after: Option<&Fault>) -> End {
        end(self.client, &self.limits, Some(self.track.aggregate), after).await
    }
}

fn never(fault: &Fault) -> Failed {
    let (failure, end) = (classify(fault, Stage::Connect), End::NeverConnected);
    Failed { failure, end, asked_for_sound: false }
}

/// Ends a connection the way that its state allows: TEARDOWN where the camera may hold a session
/// named `aggregate`, its reply, FIN in both directions. `after` is the fault that led here.
pub(super) async fn end(
    mut client: Client,
    limits: &Limits,
    aggregate: Option<String>,
    after: Option<&Fault>,
) -> End {
    if after.is_some_and(Fault::is_cut_by_camera) {
        return End::Acknowledged;
    }
    client.wind_down();
    let mut acknowledged = false;
    if let Some(aggregate) = aggregate {
        let request = Request::new("TEARDOWN", &aggregate);
        if client.is_broken() {
            // No reply can be found in what comes, but the camera may still read.
            drop(timeout(limits.teardown, client.send(&request)).await);
        } else {
            let until = Instant::now() + limits.teardown;
            let answer = timeout_at(until, client.exchange(&request, until)).await;
            acknowledged = matches!(answer, Ok(Ok(_)));
        }
    }
    match client.into_connection().finish(limits.close).await {
        End::Acknowledged | End::NeverConnected => End::Acknowledged,
        End::Unacknowledged if acknowledged => End::Acknowledged,
        End::Unacknowledged => End::Unacknowledged,
    }
}
