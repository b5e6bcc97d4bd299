//! What a connection does with one request: an answer, or what a fault or a full camera makes of it.
//! It does not read or write the socket.

use tokio::time::Instant;

use super::{Connection, Protocol, State, Step};
use crate::camera::fault::{Fault, Kind, Stage};
use crate::camera::{Face, session, snapshot};
use crate::clock;
use crate::rtsp::message::{Request, Response};
use crate::rtsp::sdp;
use crate::sound::Sound;

impl Connection {
    pub(super) fn request(&mut self, request: &Request) -> Step {
        let fault = self.fault.filter(|fault| self.strikes(fault, request));
        let sequence = request.header("cseq");
        if request.path().ends_with(sdp::SOUND) {
            match self.camera.sound {
                Sound::Cut => return Step::Close,
                Sound::Forbidden => {
                    self.reply(&self.challenge(Response::new(401)), sequence);
                    return Step::Go;
                }
                Sound::None
                | Sound::Aac
                | Sound::Refused
                | Sound::Mute
                | Sound::Unplayable
                | Sound::Mixed => {}
            }
        }
        let Some(fault) = fault else {
            self.answer(request);
            return Step::Go;
        };
        match fault.kind {
            Kind::Reset => return Step::Reset,
            Kind::Close | Kind::Refuse => return Step::Close,
            Kind::Hang => {
                self.state = State::Stalled { until: None, request: Some(request.clone()) };
            }
            Kind::Delay => {
                let until = Some(Instant::now() + fault.time());
                self.state = State::Stalled { until, request: Some(request.clone()) };
            }
            Kind::Garbage => self.output.garbage(2048),
            Kind::Endless => {
                self.state = State::Deaf;
                self.output.flood(self.protocol.word(), sequence, fault.endless());
            }
            Kind::Error => {
                let mut answer = Response::new(fault.status());
                if fault.status() == 401 {
                    answer = self.challenge(answer);
                }
                self.reply(&answer, sequence);
                if fault.stage == Stage::Accept {
                    self.state = State::Closing { deadline: None };
                }
            }
            Kind::Crawl => {
                self.answer(request);
                self.output.crawl(fault.time(), Instant::now(), false);
            }
            Kind::HugeSps | Kind::IdrLate | Kind::IdrNever | Kind::IdrCorrupt => {
                self.answer(request);
            }
        }
        Step::Go
    }

    fn strikes(&self, fault: &Fault, request: &Request) -> bool {
        let stage = match (self.protocol, request.method.as_str()) {
            (Protocol::Http, _) => Some(Stage::Http),
            (Protocol::Rtsp, "OPTIONS") => Some(Stage::Options),
            (Protocol::Rtsp, "DESCRIBE") => Some(Stage::Describe),
            (Protocol::Rtsp, "SETUP") => Some(Stage::Setup),
            (Protocol::Rtsp, "PLAY") => Some(Stage::Play),
            (Protocol::Rtsp, "TEARDOWN") => Some(Stage::Teardown),
            (Protocol::Rtsp, _) => None,
        };
        let at_once = fault.stage == Stage::Accept && fault.kind == Kind::Error;
        at_once || stage == Some(fault.stage)
    }

    pub(super) fn answer(&mut self, request: &Request) {
        if self.excess && request.method != "OPTIONS" {
            self.turn_away(request);
            return;
        }
        let response = match self.protocol {
            Protocol::Rtsp => {
                let huge = self.fault.is_some_and(|fault| {
                    fault.stage == Stage::Describe && fault.kind == Kind::HugeSps
                });
                let mut exchange =
                    session::Exchange { camera: &self.camera, ends: self.ends, huge };
                exchange.answer(&mut self.session, request)
            }
            Protocol::Http => snapshot::answer(&self.camera, request),
        };
        self.reply(&response, request.header("cseq"));
    }

    fn turn_away(&mut self, request: &Request) {
        let Face::Status(status) = self.camera.face else {
            self.state = State::Closing { deadline: None };
            return;
        };
        let mut answer = Response::new(status);
        // A client answers a first 401 with credentials; only the second is final.
        let mut last = true;
        if status == 401 {
            answer = self.challenge(answer);
            last = request.header("authorization").is_some();
        }
        self.reply(&answer, request.header("cseq"));
        if last {
            self.state = State::Closing { deadline: None };
        }
    }

    fn challenge(&self, answer: Response) -> Response {
        let challenge = self.camera.authenticator.challenge(false, clock::now_millis());
        answer.with("WWW-Authenticate", &challenge)
    }

    pub(super) fn reply(&mut self, response: &Response, sequence: Option<&str>) {
        match self.protocol {
            Protocol::Rtsp => response.write_rtsp(sequence, &mut self.output.bytes),
            Protocol::Http => response.write_http(&mut self.output.bytes),
        }
    }
}
