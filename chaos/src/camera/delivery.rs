//! How pictures reach one client: interleaved in the RTSP connection or by UDP. Carries out the
//! faults of the stage `stream` that change what is sent. It does not end connections.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::fault::{Fault, Kind};
use super::output::Output;
use super::stream::Frame;
use super::transport::Transport;
use super::voice::Voice;
use super::{Camera, Profile};
use crate::rtsp::rtp::Packetizer;
use crate::sound::Track;

const REPORT_INTERVAL: Duration = Duration::from_secs(5);
/// Pictures that a delay may hold back.
const MAX_DELAYED: usize = 256;

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
    reports: u64,
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
            reports: 0,
        }
    }

    /// Begins with picture `first`.
    pub(crate) fn start(&mut self, first: u64, frames: mpsc::Receiver<Arc<Frame>>) {
        self.first = first;
        self.frames = Some(frames);
        self.next_report = Some(Instant::now() + self.camera.timing.reports_after());
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
        let Transport::Udp { media, reports } = &self.transport else {
            return frames.recv().await;
        };
        let mut unused = [[0; 512]; 2];
        let [first, second] = &mut unused;
        // Receiver reports and errors of closed ports: taken off the sockets and forgotten.
        tokio::select! {
            frame = frames.recv() => frame,
            _ = media.recv(first) => None,
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
            if out.has_room() {
                self.report(now, out);
            }
        }
    }

    /// Says which moment of each track's clock is now.
    fn report(&mut self, now: Instant, out: &mut Output) {
        let timeline = self.camera.stream(self.profile).timeline;
        let (moment, nth) = (timeline.moment(now), self.reports);
        self.reports += 1;
        let reports = self.camera.timing.reports;
        if let Some(ntp) = reports.ntp(Track::Picture, moment, nth) {
            let stamp = self.packetizer.time_stamp(timeline.ticks_at(now));
            let report = self.packetizer.sender_report(ntp, stamp);
            self.transport.send(&report, true, &mut out.bytes);
        }
        if let Some(voice) = &mut self.voice
            && let Some(ntp) = reports.ntp(Track::Sound, moment, nth)
        {
            voice.report(ntp, moment, &mut out.bytes);
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
            voice.send(stream.timeline.moment_of(frame.number), &mut out.bytes);
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
