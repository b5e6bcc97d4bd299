//! The conversation between a client and a camera, as the relay leads it: what a client asks is
//! put into the camera's words, what the camera answers into the relay's.
//!
//! Neither side's headers are copied; each message is written anew from what was understood. One
//! request at a time is with the camera. It does no I/O and knows no media.

mod success;

use std::collections::VecDeque;

use tokio::time::Instant;

use super::admission;
use super::headers::{self, Method};
use super::hidden::Hidden;
use super::names::Names;
use crate::model::failure::Stage;
use crate::world::camera::fault::Fault;
use crate::world::camera::rtsp::auth::Authenticator;
use crate::world::camera::rtsp::client::USER_AGENT;
use crate::world::camera::rtsp::message::{Request, Response, quote};

/// Most requests without a reply that are remembered.
const UNANSWERED_MAX: usize = 8;

/// How far a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing plays yet.
    Opening,
    /// Media is due.
    Playing,
    /// The client wants no media for now.
    Paused,
    /// The client has ended it, or it has no future.
    Over,
}

/// A request that is with the camera.
#[derive(Debug)]
struct Pending {
    method: Method,
    // As the camera is sent it, without number and credentials.
    request: Request,
    client_number: Option<String>,
    number: u32,
    refusals: u8,
    channels: (u8, u8),
    until: Instant,
}

/// What follows from a client's request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Bytes for the camera.
    Forward(Vec<u8>),
    /// Bytes for the client: the camera is not asked.
    Answer(Vec<u8>),
}

/// What follows from a camera's reply.
#[derive(Debug)]
pub(super) enum Told {
    /// Nothing: it answers no question that is open.
    Nothing,
    /// Bytes for the camera: the same request with credentials.
    Again(Vec<u8>),
    /// Bytes for the client, and what went wrong, if something did.
    Answer(Vec<u8>, Option<(Fault, Stage)>),
}

/// One session's conversation.
pub(super) struct Dialogue {
    names: Names,
    hidden: Hidden,
    auth: Authenticator,
    own_session: String,
    camera_session: Option<String>,
    has_session: bool,
    torn_down: bool,
    phase: Phase,
    stage: Stage,
    played: Option<String>,
    control_channels: Vec<u8>,
    number: u32,
    pending: Option<Pending>,
    unanswered: VecDeque<u32>,
}

impl Dialogue {
    /// Before the first request. `own_session` is what the client will know the session by.
    pub(super) fn new(
        names: Names,
        hidden: Hidden,
        auth: Authenticator,
        own_session: String,
    ) -> Self {
        Self {
            names,
            hidden,
            auth,
            own_session,
            camera_session: None,
            has_session: false,
            torn_down: false,
            phase: Phase::Opening,
            stage: Stage::Options,
            played: None,
            control_channels: Vec::new(),
            number: 0,
            pending: None,
            unanswered: VecDeque::new(),
        }
    }

    /// How far the session is.
    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    /// What the session is at, to say where something went wrong.
    pub(super) fn stage(&self) -> Stage {
        self.stage
    }

    /// Until when the camera has to answer; `None` when nothing is asked.
    pub(super) fn answer_due(&self) -> Option<Instant> {
        self.pending.as_ref().map(|pending| pending.until)
    }

    /// Whether what the camera is asked could as well stay without an answer.
    pub(super) fn may_go_unanswered(&self) -> bool {
        self.phase == Phase::Playing
            && self.pending.as_ref().is_none_or(|pending| pending.method.is_sign_of_life())
    }

    /// Waits only until `until` for an answer that may as well not come.
    pub(super) fn hurry(&mut self, until: Instant) {
        let is_loose = self.may_go_unanswered();
        if let Some(pending) = self.pending.as_mut().filter(|_| is_loose) {
            pending.until = pending.until.min(until);
        }
    }

    /// Waits no longer for the answer to what the camera was asked.
    pub(super) fn forget(&mut self) {
        if let Some(pending) = self.pending.take() {
            if self.unanswered.len() == UNANSWERED_MAX {
                self.unanswered.pop_front();
            }
            self.unanswered.push_back(pending.number);
        }
    }

    /// Whether a client may send RTCP on a channel.
    pub(super) fn is_control_channel(&self, channel: u8) -> bool {
        self.control_channels.contains(&channel)
    }

    /// What TEARDOWN has to name when the camera may hold a session that nobody has ended.
    pub(super) fn to_tear_down(&self) -> Option<&str> {
        let open = self.has_session && self.phase != Phase::Over;
        open.then(|| self.played.as_deref().unwrap_or_else(|| self.names.aggregate()))
    }

    /// Whether the camera has answered TEARDOWN.
    pub(super) fn is_torn_down(&self) -> bool {
        self.torn_down
    }

    /// Whether TEARDOWN is with the camera.
    pub(super) fn is_tearing_down(&self) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.method == Method::Teardown)
    }

    /// What somebody who goes on in its place has to know: credentials, the last request's number
    /// and the session's name.
    pub(super) fn hand_over(self) -> (Authenticator, u32, Option<String>) {
        (self.auth, self.number, self.camera_session)
    }

    /// Takes a client's request. The camera has to answer until `until`.
    pub(super) fn ask(&mut self, request: &Request, until: Instant) -> Asked {
        let client_number = request.headers.get("cseq").map(quote);
        let wish = match admission::admit(request, &self.names, self.has_session) {
            Ok(wish) => wish,
            Err(refusal) => return Asked::Answer(numbered(refusal, client_number.as_deref())),
        };
        if wish.method == Method::Teardown && !self.has_session {
            self.phase = Phase::Over;
            return Asked::Answer(numbered(answer(200), client_number.as_deref()));
        }
        self.stage = self.stage_of(wish.method);
        self.pending = Some(Pending {
            method: wish.method,
            request: wish.request,
            client_number,
            number: 0,
            refusals: 0,
            channels: wish.channels.unwrap_or_default(),
            until,
        });
        Asked::Forward(self.write())
    }

    fn stage_of(&self, method: Method) -> Stage {
        match (method, self.phase) {
            (Method::Teardown, _) => Stage::Teardown,
            (_, Phase::Playing | Phase::Paused) => Stage::Stream,
            (Method::Options | Method::GetParameter | Method::SetParameter, _) => Stage::Options,
            (Method::Describe, _) => Stage::Describe,
            (Method::Setup, _) => Stage::Setup,
            (Method::Play | Method::Pause, _) => Stage::Play,
        }
    }

    /// The pending request as the camera is sent it next.
    fn write(&mut self) -> Vec<u8> {
        self.number += 1;
        let Some(pending) = &mut self.pending else { return Vec::new() };
        pending.number = self.number;
        let mut request = pending.request.clone();
        request.headers.push("CSeq", &self.number.to_string());
        request.headers.push("User-Agent", USER_AGENT);
        if let Some(session) = &self.camera_session {
            request.headers.push("Session", session);
        }
        if let Some(text) = self.auth.authorization(&request.method, &request.uri) {
            request.headers.push("Authorization", &text);
        }
        request.encode()
    }

    /// Takes a camera's reply.
    pub(super) fn told(&mut self, response: &Response) -> Told {
        if response.code < 200 || self.is_late(response) {
            return Told::Nothing;
        }
        let Some(mut pending) = self.pending.take() else { return Told::Nothing };
        if response.code == 401 {
            match self.challenged(&pending, response) {
                Ok(()) => {
                    pending.refusals += 1;
                    self.pending = Some(pending);
                    return Told::Again(self.write());
                }
                Err(fault) => return self.failed(&pending, 401, fault),
            }
        }
        if pending.method == Method::Teardown {
            self.phase = Phase::Over;
            self.torn_down = true;
        }
        match response.code {
            200..300 => match self.granted(&pending, response) {
                Ok(answer) => Told::Answer(self.finish(&pending, answer), None),
                Err((fault, code)) => self.failed(&pending, code, fault),
            },
            300..400 => self.failed(&pending, 502, Fault::Redirect),
            code => {
                let fault = Fault::Status { code, reason: headers::reason(code).to_owned() };
                let stage = self.stage;
                let bytes = self.finish(&pending, answer(code));
                let opens = self.phase == Phase::Opening && pending.method != Method::Teardown;
                Told::Answer(bytes, opens.then_some((fault, stage)))
            }
        }
    }

    /// Whether a reply is one to a request that nobody waits for any more.
    fn is_late(&mut self, response: &Response) -> bool {
        let number: Option<u32> =
            response.headers.get("cseq").and_then(|text| text.trim().parse().ok());
        let pending = self.pending.as_ref().map(|pending| pending.number);
        let late = number
            .filter(|_| number != pending)
            .and_then(|number| self.unanswered.iter().position(|sent| *sent == number));
        late.and_then(|index| self.unanswered.remove(index)).is_some()
    }

    /// Takes a challenge over, unless the camera has seen the answer to one and refused it.
    fn challenged(&mut self, pending: &Pending, response: &Response) -> Result<(), Fault> {
        let stale = self.auth.challenged(&response.headers).map_err(Fault::Challenge)?;
        // A nonce that was merely out of date is no refusal, but it excuses only one.
        if pending.refusals > 1 || (pending.refusals == 1 && !stale) {
            return Err(Fault::Unauthorized);
        }
        Ok(())
    }

    /// The session has no future; a sign of life that fails is none of its business.
    fn failed(&mut self, pending: &Pending, code: u16, fault: Fault) -> Told {
        let bytes = self.finish(pending, answer(code));
        if self.phase == Phase::Playing && pending.method.is_sign_of_life() {
            return Told::Answer(bytes, None);
        }
        Told::Answer(bytes, Some((fault, self.stage)))
    }

    /// An answer with what every one has.
    fn finish(&self, pending: &Pending, mut answer: Response) -> Vec<u8> {
        if self.has_session && answer.headers.get("session").is_none() {
            answer.headers.push("Session", &self.own_session);
        }
        numbered(answer, pending.client_number.as_deref())
    }

    /// Answers what is with the camera in its place; nothing when nothing is.
    pub(super) fn answer_instead(&mut self, code: u16) -> Option<Vec<u8>> {
        let pending = self.pending.take()?;
        Some(self.finish(&pending, answer(code)))
    }
}

/// An answer of the relay's own.
pub(super) fn answer(code: u16) -> Response {
    Response::new(code, headers::reason(code))
}

/// An answer with the number of the request that it is for.
pub(super) fn numbered(mut answer: Response, number: Option<&str>) -> Vec<u8> {
    if let Some(number) = number {
        answer.headers.push("CSeq", number);
    }
    answer.encode()
}

#[cfg(test)]
mod tests;
