//! The sound of a session: its packets in order, its frames, and how they belong to the pictures.
//!
//! Whatever goes wrong with it ends here: it is never worth the pictures.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{Media, Piece, REORDER_PACKETS};
use crate::world::camera::rtp::Packet;
use crate::world::camera::rtp::aac::SoundReader;
use crate::world::camera::rtp::clocks::{Clocks, Track};
use crate::world::camera::rtp::order::Order;
use crate::world::camera::rtp::report::SenderReport;
use crate::world::camera::rtsp::sdp::{SoundFormat, SoundTrack};
use crate::world::camera::udp::Datagram;

/// What a session has of the sound.
#[derive(Debug)]
pub(super) struct Sound {
    // None once its sockets are of no use any more.
    media: Option<Media>,
    order: Order,
    reader: SoundReader,
    clocks: Clocks,
    // Of one packet at most.
    ready: VecDeque<Piece>,
}

impl Sound {
    pub(super) fn new((media, track): (Media, SoundTrack)) -> Self {
        let depth = match media {
            Media::Interleaved { .. } => 0,
            Media::Datagrams(_) => REORDER_PACKETS,
        };
        Self {
            media: Some(media),
            order: Order::new(depth, track.clock),
            clocks: Clocks::new(track.format.rate),
            reader: SoundReader::new(track),
            ready: VecDeque::new(),
        }
    }

    pub(super) fn format(&self) -> SoundFormat {
        self.reader.format()
    }

    /// Whether a channel of the connection is the sound's, and whether it is for RTCP.
    pub(super) fn channel(&self, number: u8) -> Option<bool> {
        self.media.as_ref().and_then(|media| media.channel(number))
    }

    /// The next datagram, where sound comes so.
    pub(super) async fn next_datagram(&mut self) -> Option<Datagram> {
        let Some(Media::Datagrams(pair)) = &mut self.media else {
            return std::future::pending().await;
        };
        let datagram = pair.next().await.ok();
        if datagram.is_none() {
            self.media = None;
        }
        datagram
    }

    /// Takes an RTP packet of the sound.
    pub(super) fn take(&mut self, packet: Packet) {
        self.order.push(packet);
        while let Some((packet, lost)) = self.order.pop() {
            self.reader.push(&packet, lost, |frame| self.ready.push_back(Piece::Sound(frame)));
        }
    }

    /// Takes RTCP of either track.
    pub(super) fn report(&mut self, track: Track, bytes: &Bytes) {
        let Some(mut report) = SenderReport::find(bytes) else { return };
        if track == Track::Sound {
            report.timestamp = self.reader.sample(report.timestamp);
        }
        self.ready.push_back(Piece::Aligned(self.clocks.push(track, report)));
    }

    /// The next frame that is whole, or what a report before it made known.
    pub(super) fn next_piece(&mut self) -> Option<Piece> {
        self.ready.pop_front()
    }
}
