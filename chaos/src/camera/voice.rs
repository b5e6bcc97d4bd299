//! The sound of one session on its way: frames by the camera's clock, early or late against the
//! pictures, and with it its sender reports.

use std::sync::Arc;

use bytes::BytesMut;

use super::transport::Transport;
use crate::rtsp::rtp::Packetizer;
use crate::sound::{FRAME_SAMPLES, RATE, SoundTiming, Tone};

/// Every packet of this number is lost where the network is bad.
const LOST: u64 = 9;
/// Every packet of this number is overtaken by the next there.
const OVERTAKEN: u64 = 5;

/// The sound of one session.
#[derive(Debug)]
pub(crate) struct Voice {
    transport: Transport,
    packetizer: Packetizer,
    tone: Arc<Tone>,
    timing: SoundTiming,
    /// Number of the next frame, once the first picture was sent.
    next: Option<u64>,
    // Of a bad network: packets so far, and the one that is about to be overtaken.
    packets: u64,
    held: Option<Vec<u8>>,
}

impl Voice {
    /// Sound that has not begun.
    pub(crate) fn new(
        transport: Transport,
        tone: Arc<Tone>,
        timing: SoundTiming,
        kind: u8,
    ) -> Self {
        let packetizer = Packetizer::new(kind);
        Self { transport, packetizer, tone, timing, next: None, packets: 0, held: None }
    }

    /// Sends what has been recorded whole when a picture is sent, at a moment in microseconds since
    /// 1970.
    pub(crate) fn send(&mut self, moment: u64, out: &mut BytesMut) {
        let moment = moment.saturating_add_signed(-1000 * self.timing.sound_late_ms);
        let due = samples(moment) / u64::from(FRAME_SAMPLES);
        for number in self.next.unwrap_or(due.saturating_sub(1))..due {
            let stamp = self.packetizer.time_stamp(number * u64::from(FRAME_SAMPLES));
            let mut packets = Vec::new();
            let mut take = |packet: &[u8]| packets.push(packet.to_vec());
            self.packetizer.sound(self.tone.frame(number), stamp, &mut take);
            for packet in packets {
                self.carry(packet, out);
            }
        }
        self.next = Some(due);
    }

    fn carry(&mut self, packet: Vec<u8>, out: &mut BytesMut) {
        self.packets += 1;
        if self.timing.sound_shaken && self.packets.is_multiple_of(LOST) {
            return;
        }
        if self.timing.sound_shaken && self.packets.is_multiple_of(OVERTAKEN) {
            self.held = Some(packet);
            return;
        }
        self.transport.send(&packet, false, out);
        if let Some(overtaken) = self.held.take() {
            self.transport.send(&overtaken, false, out);
        }
    }

    /// Sends a report that puts the sample of a moment (in microseconds since 1970) at an NTP time.
    pub(crate) fn report(&mut self, ntp: u64, moment: u64, out: &mut BytesMut) {
        let stamp = self.packetizer.time_stamp(samples(moment));
        self.transport.send(&self.packetizer.sender_report(ntp, stamp), true, out);
    }
}

fn samples(moment: u64) -> u64 {
    u64::try_from(u128::from(moment) * u128::from(RATE) / 1_000_000).unwrap_or(0)
}
