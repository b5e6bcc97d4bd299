//! How pictures reach one client: interleaved in the RTSP connection or by UDP. Carries out the
//! faults of the stage `stream` that change what is sent. It does not end connections.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::fault::{Fault, Kind};
use super::output::Output;
use super::stream::Frame;
use super::{Camera, Profile};
use crate::clock;
use crate::rtsp::rtp::Packetizer;
use crate::sound::{FRAME_SAMPLES, RATE, Tone};

const REPORT_INTERVAL: Duration = Duration::from_secs(5);
/// Pictures that a delay may hold back.
const MAX_DELAYED: usize = 256;

/// The way that packets take.
#[derive(Debug)]
pub(crate) enum Transport {
    /// In the RTSP connection, on these two channels.
    Interleaved {
        /// The channel of the pictures.
        pictures: u8,
        /// The channel of the reports.
        reports: u8,
    },
    /// By UDP.
    Udp {
        /// Sends pictures.
        pictures: UdpSocket,
        /// Sends reports.
        reports: UdpSocket,
    },
}

impl Transport {
    /// A pair of sockets of the camera's address, connected to the client's two ports.
    pub(crate) fn udp(local: IpAddr, peer: IpAddr, ports: (u16, u16)) -> std::io::Result<Self> {
        let connect = |socket: std::net::UdpSocket, port| {
            socket.set_nonblocking(true)?;
            socket.connect((peer, port))?;
            UdpSocket::from_std(socket)
        };
        for _ in 0..32 {
            let pictures = std::net::UdpSocket::bind((local, 0))?;
            let port = pictures.local_addr()?.port();
            if port % 2 == 1 {
                continue;
            }
            let Ok(reports) = std::net::UdpSocket::bind((local, port + 1)) else { continue };
            return Ok(Self::Udp {
                pictures: connect(pictures, ports.0)?,
                reports: connect(reports, ports.1)?,
            });
        }
        Err(std::io::ErrorKind::AddrInUse.into())
    }

    /// The camera's ports, with UDP.
    pub(crate) fn server_ports(&self) -> Option<(u16, u16)> {
        let port = |socket: &UdpSocket| socket.local_addr().ok().as_ref().map(SocketAddr::port);
        match self {
            Self::Interleaved { .. } => None,
            Self::Udp { pictures, reports } => port(pictures).zip(port(reports)),
        }
    }

    fn send(&self, packet: &[u8], is_report: bool, out: &mut BytesMut) {
        match self {
            Self::Interleaved { pictures, reports } => {
                let length = u16::try_from(packet.len()).unwrap_or(0).to_be_bytes();
                let channel = if is_report { *reports } else { *pictures };
                out.extend_from_slice(&[b'$', channel, length[0], length[1]]);
                out.extend_from_slice(packet);
            }
            Self::Udp { pictures, reports } => {
                // A datagram that finds no room or no receiver is lost, as on a network.
                let socket = if is_report { reports } else { pictures };
                let _lost = socket.try_send(packet);
            }
        }
    }
}

/// The sound of one session on its way, interleaved.
#[derive(Debug)]
pub(crate) struct Voice {
    /// Its channel.
    pub channel: u8,
    /// Packs it.
    pub packetizer: Packetizer,
    /// What is heard.
    pub tone: Arc<Tone>,
    /// Number of the next frame, once the first picture was sent.
    pub next: Option<u64>,
}

impl Voice {
    /// Sends what is due with a picture, `ticks` of 90 kHz after the camera's start.
    fn send(&mut self, ticks: u64, out: &mut BytesMut) {
        let due = ticks * u64::from(RATE) / 90_000 / u64::from(FRAME_SAMPLES);
        for number in self.next.unwrap_or(due)..=due {
            let stamp = self.packetizer.time_stamp(number * u64::from(FRAME_SAMPLES));
            let way = Transport::Interleaved { pictures: self.channel, reports: 255 };
            let mut send = |packet: &[u8]| way.send(packet, false, out);
            self.packetizer.sound(self.tone.frame(number), stamp, &mut send);
        }
        self.next = Some(due + 1);
    }
}

/// The pictures of one session on their way.
pub(crate) struct Delivery {
    /// The way that packets take.
    pub transport: Transport,
    /// Packs pictures.
    pub packetizer: Packetizer,
    /// The sound beside them.
    pub voice: Option<Voice>,
    camera: Arc<Camera>,
    profile: Profile,
    frames: Option<mpsc::Receiver<Arc<Frame>>>,
    first: u64,
    waits_for_key: bool,
    delayed: VecDeque<(Instant, Arc<Frame>)>,
    endless: usize,
    next_report: Option<Instant>,
}

impl Delivery {
    /// A delivery that has not begun.
    pub(crate) fn new(
        camera: Arc<Camera>,
        profile: Profile,
        transport: Transport,
        packetizer: Packetizer,
    ) -> Self {
        Self {
            transport,
            packetizer,
            voice: None,
            camera,
            profile,
            frames: None,
            first: 0,
            waits_for_key: false,
            delayed: VecDeque::new(),
            endless: 0,
            next_report: None,
        }
    }

    /// Begins with picture `first`.
    pub(crate) fn start(&mut self, first: u64, frames: mpsc::Receiver<Arc<Frame>>) {
        self.first = first;
        self.frames = Some(frames);
        self.next_report = Some(Instant::now());
    }

    /// Pauses.
    pub(crate) fn stop(&mut self) {
        self.frames = None;
        self.delayed.clear();
        self.next_report = None;
    }

    /// Waits for the next picture; `None` when something else came that needs no answer.
    pub(crate) async fn next_frame(&mut self) -> Option<Arc<Frame>> {
        let Some(frames) = &mut self.frames else { return std::future::pending().await };
        let Transport::Udp { pictures, reports } = &self.transport else {
            return frames.recv().await;
        };
        let mut unused = [[0; 512]; 2];
        let [first, second] = &mut unused;
        // Receiver reports and errors of closed ports: taken off the sockets and forgotten.
        tokio::select! {
            frame = frames.recv() => frame,
            _ = pictures.recv(first) => None,
            _ = reports.recv(second) => None,
        }
    }

    /// Sends a picture, or what a fault makes of it.
    pub(crate) fn frame(
        &mut self,
        frame: &Arc<Frame>,
        fault: Option<&Fault>,
        now: Instant,
        out: &mut Output,
    ) {
        if frame.number < self.first {
            return;
        }
        match fault.map(|fault| (fault.kind, fault)) {
            Some((Kind::Delay, fault)) => {
                if self.delayed.len() < MAX_DELAYED {
                    self.delayed.push_back((now + fault.time(), Arc::clone(frame)));
                }
            }
            Some((Kind::Garbage, _)) => self.garbage(out),
            Some((Kind::Endless, _)) => self.endless(frame.number, out),
            Some(_) | None => self.send(frame, out),
        }
    }

    /// Sends what has become due: delayed pictures, sender reports.
    pub(crate) fn due(&mut self, now: Instant, out: &mut Output) {
        while let Some((_, frame)) = self.delayed.pop_front_if(|(at, _)| *at <= now) {
            self.send(&frame, out);
        }
        if self.next_report.is_some_and(|at| at <= now) {
            self.next_report = Some(now + REPORT_INTERVAL);
            let ticks = self.camera.stream(self.profile).timeline.ticks_at(now);
            let stamp = self.packetizer.time_stamp(ticks);
            let report = self.packetizer.sender_report(clock::now_millis(), stamp);
            if out.has_room() {
                self.transport.send(&report, true, &mut out.bytes);
            }
        }
    }

    /// When something is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        let delayed = self.delayed.front().map(|(at, _)| *at);
        delayed.into_iter().chain(self.next_report).min()
    }

    fn send(&mut self, frame: &Frame, out: &mut Output) {
        // A slow client loses whole pictures, up to one that it can begin with again.
        if !out.has_room() || (self.waits_for_key && !frame.picture.key) {
            self.waits_for_key = true;
            return;
        }
        self.waits_for_key = false;
        let stream = self.camera.stream(self.profile);
        let stamp = self.packetizer.time_stamp(stream.timeline.ticks(frame.number));
        let transport = &self.transport;
        let mut send = |packet: &[u8]| transport.send(packet, false, &mut out.bytes);
        self.packetizer.picture(&stream.set, &frame.picture, stamp, &mut send);
        if let Some(voice) = &mut self.voice {
            voice.send(stream.timeline.ticks(frame.number), &mut out.bytes);
        }
    }

    fn garbage(&mut self, out: &mut Output) {
        match &self.transport {
            Transport::Interleaved { .. } if out.has_room() => out.garbage(2048),
            Transport::Interleaved { .. } => {}
            Transport::Udp { .. } => {
                let noise: [u8; 32] = rand::random();
                self.transport.send(&noise.repeat(20), false, &mut out.bytes);
            }
        }
    }

    fn endless(&mut self, number: u64, out: &mut Output) {
        if self.endless == 0 {
            self.first = number;
        }
        let stream = self.camera.stream(self.profile);
        let stamp = self.packetizer.time_stamp(stream.timeline.ticks(self.first));
        for _ in 0..8 {
            if !out.has_room() {
                return;
            }
            let transport = &self.transport;
            let mut send = |packet: &[u8]| transport.send(packet, false, &mut out.bytes);
            self.packetizer.endless(&stream.set, stamp, self.endless, &mut send);
            self.endless += 1;
        }
    }
}
