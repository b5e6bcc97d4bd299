//! Packs pictures into RTP packets (RFC 6184, RFC 7798, RFC 2435) and writes sender reports.
//! It does not know how packets travel.

use crate::video::{Coder, Picture, PieceSet};

/// The largest RTP packet, in bytes.
const MAX_PACKET: usize = 1400;
const HEADER: usize = 12;

/// Packs the pictures of one session.
#[derive(Debug)]
pub(crate) struct Packetizer {
    payload_type: u8,
    source: u32,
    sequence: u16,
    start: u32,
    packets: u32,
    octets: u32,
    packet: Vec<u8>,
}

impl Packetizer {
    /// A packetizer with random first sequence number, time stamp and source.
    pub(crate) fn new(payload_type: u8) -> Self {
        Self {
            payload_type,
            source: rand::random(),
            sequence: rand::random(),
            start: rand::random(),
            packets: 0,
            octets: 0,
            packet: Vec::with_capacity(MAX_PACKET),
        }
    }

    /// The sequence number of the next packet.
    pub(crate) fn next_sequence(&self) -> u16 {
        self.sequence
    }

    /// The source identifier.
    pub(crate) fn source(&self) -> u32 {
        self.source
    }

    /// The time stamp `ticks` (of 90 kHz, or samples) after the camera's start.
    pub(crate) fn time_stamp(&self, ticks: u64) -> u32 {
        let [.., a, b, c, d] = ticks.to_be_bytes();
        self.start.wrapping_add(u32::from_be_bytes([a, b, c, d]))
    }

    /// Hands every packet of a picture to `send`.
    pub(crate) fn picture(
        &mut self,
        set: &PieceSet,
        picture: &Picture,
        stamp: u32,
        send: &mut dyn FnMut(&[u8]),
    ) {
        match &set.coder {
            Coder::H264(_) => self.units(picture, Burst { stamp, form: Aggregation::H264, send }),
            Coder::H265(_) => self.units(picture, Burst { stamp, form: Aggregation::H265, send }),
            Coder::Mjpeg(parameters) => {
                let size = if picture.huge {
                    (255, 255)
                } else {
                    (eighth(set.layout.width), eighth(set.layout.height))
                };
                let mut restart = parameters.interval.to_be_bytes().to_vec();
                restart.extend([0xff, 0xff]);
                self.jpeg(picture, stamp, (size, &restart, &parameters.tables), send);
            }
        }
    }

    /// Hands the packet of one frame of AAC to `send` (RFC 3640).
    pub(crate) fn sound(&mut self, frame: &[u8], stamp: u32, send: &mut dyn FnMut(&[u8])) {
        let size = u16::try_from(frame.len() << 3).unwrap_or(0).to_be_bytes();
        self.send(stamp, true, &[&[0, 16], &size, frame], send);
    }

    /// A part of a picture that never ends: one more fragment, neither first nor last unless
    /// `first`.
    pub(crate) fn endless(
        &mut self,
        set: &PieceSet,
        stamp: u32,
        offset: usize,
        send: &mut dyn FnMut(&[u8]),
    ) {
        let filler = [0xa5; MAX_PACKET - HEADER - 16];
        let first = offset == 0;
        match &set.coder {
            Coder::H264(_) => {
                self.send(stamp, false, &[&[0x7c, if first { 0x85 } else { 0x05 }], &filler], send);
            }
            Coder::H265(_) => {
                let start = if first { 0x93 } else { 0x13 };
                self.send(stamp, false, &[&[0x62, 0x01, start], &filler], send);
            }
            Coder::Mjpeg(parameters) => {
                let [.., a, b, c] = (offset * filler.len()).to_be_bytes();
                let (width, height) = (eighth(set.layout.width), eighth(set.layout.height));
                let head = [0, a, b, c, 65, 255, width, height, 0, 1, 0xff, 0xff];
                let tables = [&[0, 0, 0, 128][..], &parameters.tables].concat();
                let tables = if first { &tables[..] } else { &[] };
                self.send(stamp, false, &[&head, tables, &filler[tables.len()..]], send);
            }
        }
    }

    /// A compound sender report: SR and SDES. `ntp` and `stamp` name the same moment.
    pub(crate) fn sender_report(&self, ntp: u64, stamp: u32) -> Vec<u8> {
        let mut report = vec![0x80, 200, 0, 6];
        report.extend(self.source.to_be_bytes());
        report.extend(ntp.to_be_bytes());
        report.extend(stamp.to_be_bytes());
        report.extend(self.packets.to_be_bytes());
        report.extend(self.octets.to_be_bytes());
        report.extend([0x81, 202, 0, 4]);
        report.extend(self.source.to_be_bytes());
        report.extend([1, 6]);
        report.extend(b"camsim");
        report.extend([0; 4]);
        report
    }

    fn units(&mut self, picture: &Picture, mut burst: Burst<'_>) {
        let room = MAX_PACKET - HEADER;
        let form = burst.form;
        let last = picture.units.len().saturating_sub(1);
        let mut waiting: Vec<&[u8]> = Vec::new();
        let mut waiting_bytes = form.header().len();
        for (nth, unit) in picture.units().enumerate() {
            if waiting_bytes + 2 + unit.len() > room {
                self.flush(&mut waiting, false, &mut burst);
                waiting_bytes = form.header().len();
            }
            if unit.len() > room {
                self.fragments(unit, nth == last, &mut burst);
                continue;
            }
            waiting_bytes += 2 + unit.len();
            waiting.push(unit);
        }
        self.flush(&mut waiting, true, &mut burst);
    }

    fn flush(&mut self, waiting: &mut Vec<&[u8]>, marker: bool, burst: &mut Burst<'_>) {
        match waiting[..] {
            [] => {}
            [single] => self.send(burst.stamp, marker, &[single], burst.send),
            _ => {
                let mut payload = burst.form.header().to_vec();
                for unit in waiting.iter() {
                    payload.extend(u16::try_from(unit.len()).unwrap_or(0).to_be_bytes());
                    payload.extend_from_slice(unit);
                }
                self.send(burst.stamp, marker, &[&payload], burst.send);
            }
        }
        waiting.clear();
    }

    fn fragments(&mut self, unit: &[u8], last_unit: bool, burst: &mut Burst<'_>) {
        let (head, kind) = match burst.form {
            Aggregation::H264 => (vec![(unit[0] & 0xe0) | 0x1c], unit[0] & 0x1f),
            Aggregation::H265 => (vec![(unit[0] & 0x81) | 0x62, unit[1]], (unit[0] >> 1) & 0x3f),
        };
        let body = &unit[head.len()..];
        let chunks = body.chunks(MAX_PACKET - HEADER - 3);
        let count = chunks.len();
        for (nth, chunk) in chunks.enumerate() {
            let end = nth + 1 == count;
            let flags = u8::from(nth == 0) << 7 | u8::from(end) << 6;
            let parts = [&head, &[flags | kind][..], chunk];
            self.send(burst.stamp, end && last_unit, &parts, burst.send);
        }
    }

    fn jpeg(
        &mut self,
        picture: &Picture,
        stamp: u32,
        ((width, height), restart, tables): ((u8, u8), &[u8], &[u8]),
        send: &mut dyn FnMut(&[u8]),
    ) {
        let data = &picture.data[..];
        let mut offset = 0;
        while offset < data.len() {
            let [.., a, b, c] = offset.to_be_bytes();
            let head = [0, a, b, c, 65, 255, width, height];
            let quantisation =
                if offset == 0 { [&[0, 0, 0, 128], tables].concat() } else { Vec::new() };
            let room = MAX_PACKET - HEADER - head.len() - restart.len() - quantisation.len();
            let end = data.len().min(offset + room);
            let parts = [&head, restart, &quantisation, &data[offset..end]];
            self.send(stamp, end == data.len(), &parts, send);
            offset = end;
        }
    }

    fn send(&mut self, stamp: u32, marker: bool, parts: &[&[u8]], send: &mut dyn FnMut(&[u8])) {
        self.packet.clear();
        self.packet.extend([0x80, u8::from(marker) << 7 | self.payload_type]);
        self.packet.extend(self.sequence.to_be_bytes());
        self.packet.extend(stamp.to_be_bytes());
        self.packet.extend(self.source.to_be_bytes());
        for part in parts {
            self.packet.extend_from_slice(part);
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.packets = self.packets.wrapping_add(1);
        let octets = u32::try_from(self.packet.len() - HEADER).unwrap_or(0);
        self.octets = self.octets.wrapping_add(octets);
        send(&self.packet);
    }
}

// The packets of one picture: their time stamp, how small units share a packet, where they go.
struct Burst<'a> {
    stamp: u32,
    form: Aggregation,
    send: &'a mut dyn FnMut(&[u8]),
}

#[derive(Clone, Copy)]
enum Aggregation {
    H264,
    H265,
}

impl Aggregation {
    fn header(self) -> &'static [u8] {
        match self {
            Self::H264 => &[0x78],
            Self::H265 => &[48 << 1, 1],
        }
    }
}

fn eighth(pixels: usize) -> u8 {
    u8::try_from(pixels / 8).unwrap_or(u8::MAX)
}
