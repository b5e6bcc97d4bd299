//! What a client is told when the camera says yes, and what the dialogue learns from it.

use bytes::Bytes;

use super::{Dialogue, Pending, Phase, answer};
use crate::model::failure::Stage;
use crate::world::camera::fault::Fault;
use crate::world::camera::relay::description;
use crate::world::camera::relay::headers::{self, Method};
use crate::world::camera::rtsp::message::Response;
use crate::world::camera::rtsp::setup::session_of;

/// Longest header value that is passed on as it is.
const VALUE_BYTES_MAX: usize = 256;

impl Dialogue {
    /// Reads a success; on failure the code is what the client is told.
    pub(super) fn granted(
        &mut self,
        pending: &Pending,
        response: &Response,
    ) -> Result<Response, (Fault, u16)> {
        let mut answer = answer(200);
        let value = |name: &str| response.headers.get(name);
        match pending.method {
            Method::Options => {
                if let Some(methods) = value("public") {
                    answer.headers.push("Public", &headers::public(methods));
                }
            }
            Method::Describe => self.described(response, &mut answer).map_err(|f| (f, 502))?,
            Method::Setup => self.set_up(pending, response, &mut answer)?,
            Method::Play => {
                self.phase = Phase::Playing;
                self.played = Some(pending.request.uri.clone());
                self.stage = Stage::Stream;
                if let Some(info) = value("rtp-info").map(|text| self.names.rtp_info(text))
                    && !info.is_empty()
                {
                    answer.headers.push("RTP-Info", &info);
                }
            }
            Method::Pause => self.phase = Phase::Paused,
            Method::GetParameter | Method::SetParameter | Method::Teardown => {}
        }
        for name in ["Range", "Scale", "Speed"] {
            let fits = |text: &&str| text.len() <= VALUE_BYTES_MAX && self.hidden.lets_pass(text);
            if let Some(text) = value(name).filter(fits) {
                answer.headers.push(name, text);
            }
        }
        Ok(answer)
    }

    fn described(&mut self, response: &Response, answer: &mut Response) -> Result<(), Fault> {
        let source = self.names.source();
        let base = ["content-base", "content-location"]
            .iter()
            .find_map(|name| response.headers.get(name))
            .and_then(|text| source.join(text.trim()).ok())
            .unwrap_or_else(|| source.clone());
        let text = String::from_utf8_lossy(&response.body);
        let own = self.names.own();
        let described = description::rewrite(&text, &base, own, &self.hidden)?;
        answer.headers.push("Content-Type", "application/sdp");
        answer.headers.push("Content-Base", &format!("{own}/"));
        answer.body = Bytes::from(described.text.clone());
        self.names.describe(described);
        Ok(())
    }

    fn set_up(
        &mut self,
        pending: &Pending,
        response: &Response,
        answer: &mut Response,
    ) -> Result<(), (Fault, u16)> {
        self.has_session = true;
        let (session, alive) = session_of(response).map_err(|fault| (fault, 502))?;
        self.camera_session = session.or(self.camera_session.take());
        let transport = response.headers.get("transport").unwrap_or_default();
        let Some(channels) = headers::agreed_channels(transport, pending.channels) else {
            return Err((Fault::Answer("the camera insists on another transport"), 461));
        };
        if !self.control_channels.contains(&channels.1) {
            self.control_channels.push(channels.1);
        }
        let ssrc = headers::ssrc(transport).map(|ssrc| format!(";ssrc={ssrc}"));
        let agreed = headers::transport(channels) + &ssrc.unwrap_or_default();
        answer.headers.push("Transport", &agreed);
        let session = format!("{};timeout={}", self.own_session, alive.as_secs());
        answer.headers.push("Session", &session);
        Ok(())
    }
}
