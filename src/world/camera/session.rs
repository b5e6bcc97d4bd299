//! One RTSP session with one video track, and one of sound where that is wanted: opened, read
//! picture by picture, closed in order.
//!
//! `DESCRIBE`, `SETUP`, `PLAY`, pictures, `TEARDOWN`. It keeps itself alive, since cameras end
//! sessions that say nothing for a minute. It decodes nothing and never reconnects.

mod opening;
mod sound;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout, timeout_at};

use self::opening::{Opened, Opening};
use self::sound::Sound;
use super::classify::classify;
use super::connection::{Connection, End, SocketHook};
use super::fault::Fault;
use super::request::{Limits, Source, Timings};
use super::rtp::aac::SoundFrame;
use super::rtp::clocks::{Alignment, Track};
use super::rtp::order::Order;
use super::rtp::{Depacketizer, MediaError, Packet, Tally, Unit, Wanted};
use super::rtsp::client::Client;
use super::rtsp::message::Request;
use super::rtsp::sdp::{SoundFormat, VideoTrack};
use super::udp::{Datagram, DatagramPair};
use crate::model::desired::Transport;
use crate::model::failure::{Failure, Stage};
use crate::model::picture::Codec;

/// Shortest time between two signs of life.
const KEEPALIVE_MIN: Duration = Duration::from_secs(1);
/// Packets that may wait for one that was overtaken, over UDP.
const REORDER_PACKETS: usize = 32;
/// Ticks of the pictures' RTP clock in a second.
const PICTURE_HZ: u32 = 90_000;
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
    /// How sound and pictures belong together from now on; none where the camera does not say.
    Aligned(Option<Alignment>),
}

/// Where the packets of one track come from.
#[derive(Debug)]
enum Media {
    /// Channels of the connection, for RTP and RTCP.
    Interleaved {
        media: u8,
        control: u8,
    },
    Datagrams(DatagramPair),
}

impl Media {
    /// Whether a channel of the connection is one of these, and whether it is the one for RTCP.
    fn channel(&self, number: u8) -> Option<bool> {
        match self {
            Self::Interleaved { media, .. } if *media == number => Some(false),
            Self::Interleaved { control, .. } if *control == number => Some(true),
            Self::Interleaved { .. } | Self::Datagrams(_) => None,
        }
    }
}

/// One packet, by what it is for.
#[derive(Debug)]
struct Arrived {
    track: Track,
    is_control: bool,
    bytes: Bytes,
}

impl Arrived {
    fn new(track: Track, datagram: Datagram) -> Self {
        let (is_control, bytes) = match datagram {
            Datagram::Media(bytes) => (false, bytes),
            Datagram::Control(bytes) => (true, bytes),
        };
        Self { track, is_control, bytes }
    }
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
                    order: Order::new(depth, PICTURE_HZ),
                    ready: VecDeque::new(),
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
        self.sound.as_ref().map(Sound::format)
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
            if let Some(piece) = self.sound.as_mut().and_then(Sound::next_piece) {
                return Ok(piece);
            }
            if let Some(unit) = self.ready.pop_front() {
                self.fruitless = 0;
                return Ok(Piece::Picture(unit));
            }
            if let Some(arrived) = self.next_packet().await? {
                self.take(&arrived)?;
            }
        }
    }

    fn take(&mut self, arrived: &Arrived) -> Result<(), Fault> {
        let packet = Packet::parse(&arrived.bytes).ok();
        // Some cameras send RTCP on the channel of RTP.
        if arrived.is_control || packet.as_ref().is_some_and(Packet::is_rtcp) {
            if let Some(sound) = &mut self.sound {
                sound.report(arrived.track, &arrived.bytes);
            }
            return if arrived.is_control { Ok(()) } else { self.bear(arrived.track) };
        }
        match (arrived.track, &mut self.sound, packet) {
            (Track::Sound, Some(sound), Some(packet)) => sound.take(packet),
            (Track::Picture, _, Some(packet)) => self.show(packet)?,
            (Track::Sound | Track::Picture, _, _) => {}
        }
        self.bear(arrived.track)
    }

    /// Takes a packet of the pictures.
    fn show(&mut self, packet: Packet) -> Result<(), Fault> {
        let pictures = self.depacketizer.tally().pictures;
        self.order.push(packet);
        while let Some((packet, lost)) = self.order.pop() {
            self.depacketizer.push(&packet, lost, &mut self.ready)?;
        }
        if self.depacketizer.tally().pictures > pictures {
            self.fruitless = 0;
        }
        Ok(())
    }

    /// Counts what came on the pictures' way without ending one.
    fn bear(&mut self, track: Track) -> Result<(), Fault> {
        self.fruitless += u32::from(track == Track::Picture);
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
        // Pictures go first: sound that floods takes nothing from them.
        let (track, datagram) = tokio::select! {
            biased;
            data = self.client.next_data() => {
                let data = data?;
                let sound = self.sound.as_ref();
                let ours = self.media.channel(data.channel).map(|control| (Track::Picture, control));
                let of = ours.or_else(|| Some((Track::Sound, sound?.channel(data.channel)?)));
                let bytes = data.payload;
                return Ok(of.map(|(track, is_control)| Arrived { track, is_control, bytes }));
            }
            datagram = next_datagram(&mut self.media) => (Track::Picture, datagram?),
            datagram = next_of(&mut self.sound) => match datagram {
                Some(datagram) => (Track::Sound, datagram),
                None => return Ok(None),
            },
            () = pulse => return Ok(None),
        };
        let arrived = Arrived::new(track, datagram);
        self.datagram_bytes += arrived.bytes.len() as u64;
        if self.datagram_bytes > self.limits.total_bytes {
            return Err(Fault::TooMuch(self.limits.total_bytes));
        }
        Ok(Some(arrived))
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

/// The next datagram of the pictures, where they come so.
async fn next_datagram(media: &mut Media) -> std::io::Result<Datagram> {
    match media {
        Media::Datagrams(pair) => pair.next().await,
        Media::Interleaved { .. } => std::future::pending().await,
    }
}

/// The next datagram of the sound, where there is some; `None` is the last.
async fn next_of(sound: &mut Option<Sound>) -> Option<Datagram> {
    match sound {
        Some(sound) => sound.next_datagram().await,
        None => std::future::pending().await,
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
