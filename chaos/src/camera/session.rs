//! What a camera answers to RTSP requests: OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN,
//! and those that only keep a session alive. It neither reads nor writes sockets and knows no faults but one.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::time::Instant;

use super::delivery::Delivery;
use super::transport::Transport;
use super::voice::Voice;
use super::{Camera, Profile};
use crate::clock;
use crate::rtsp::auth::Verdict;
use crate::rtsp::message::{Request, Response};
use crate::rtsp::rtp::Packetizer;
use crate::rtsp::sdp;
use crate::sound::Sound;

const METHODS: &str =
    "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, GET_PARAMETER, SET_PARAMETER, TEARDOWN";

/// A session that SETUP began.
pub(crate) struct Session {
    id: String,
    profile: Profile,
    /// True between PLAY and PAUSE.
    pub playing: bool,
    /// The sound was set up too.
    has_sound: bool,
    /// How its pictures reach the client.
    pub delivery: Delivery,
}

/// What an answer depends on besides the request.
pub(crate) struct Exchange<'a> {
    /// The camera.
    pub camera: &'a Arc<Camera>,
    /// Its address and the client's.
    pub ends: (SocketAddr, SocketAddr),
    /// True when DESCRIBE announces 20000x20000 pixels.
    pub huge: bool,
}

impl Exchange<'_> {
    /// Answers a request; `session` is the connection's.
    pub(crate) fn answer(&mut self, session: &mut Option<Session>, request: &Request) -> Response {
        if request.method == "OPTIONS" {
            return Response::new(200).with("Public", METHODS);
        }
        if let Some(denied) = deny(self.camera, request) {
            return denied;
        }
        // RFC 2326 section 12.32: go2rtc asks so for a back channel.
        if let Some(option) = request.header("require") {
            return Response::new(551).with("Unsupported", option);
        }
        match request.method.as_str() {
            "DESCRIBE" => self.describe(request),
            "SETUP" => self.setup(session, request),
            "PLAY" => self.play(session, request),
            "PAUSE" => within(session, request, |session| {
                session.playing = false;
                session.delivery.stop();
                Response::new(200)
            }),
            "GET_PARAMETER" | "SET_PARAMETER" => match session {
                Some(_) => within(session, request, |_| Response::new(200)),
                None => Response::new(200),
            },
            "TEARDOWN" => {
                let answer = within(session, request, |_| Response::new(200));
                if answer.status == 200 {
                    *session = None;
                    self.camera.rtsp.torn_down();
                }
                answer
            }
            _ => Response::new(501).with("Allow", METHODS),
        }
    }

    fn describe(&self, request: &Request) -> Response {
        let Some(profile) = profile(request) else { return Response::new(404) };
        let stream = self.camera.stream(profile);
        let fps = stream.timeline.fps;
        let mut text = sdp::describe(&stream.set, self.camera.address, fps, self.huge);
        if self.camera.sound != Sound::None {
            text += &sdp::describe_sound();
        }
        Response::new(200)
            .with("Content-Base", &format!("{}/", self.base(profile)))
            .with_body("application/sdp", text.into_bytes())
    }

    fn setup(&self, session: &mut Option<Session>, request: &Request) -> Response {
        let Some(profile) = profile(request) else { return Response::new(404) };
        if session.as_ref().is_some_and(|session| session.playing) {
            return Response::new(455);
        }
        if request.path().ends_with(sdp::SOUND) {
            return self.setup_sound(session, request);
        }
        let wishes = request.header("transport").unwrap_or_default();
        let Some((transport, mut text)) = self.transport(wishes) else {
            return Response::new(461);
        };
        let packetizer = Packetizer::new(sdp::payload_type(&self.camera.stream(profile).set));
        text = format!("{text};ssrc={:08X}", packetizer.source());
        let id = format!("{:016X}", rand::random::<u64>());
        let timeout = self.camera.session_timeout.as_secs();
        let answer = Response::new(200)
            .with("Session", &format!("{id};timeout={timeout}"))
            .with("Transport", &text);
        let delivery = Delivery::new(Arc::clone(self.camera), profile, transport, packetizer);
        *session = Some(Session { id, profile, playing: false, has_sound: false, delivery });
        answer
    }

    fn setup_sound(&self, session: &mut Option<Session>, request: &Request) -> Response {
        let mut wishes = request.header("transport").unwrap_or_default();
        let tone = self.camera.tone.clone();
        if tone.is_none() && !matches!(self.camera.sound, Sound::Mute | Sound::Unplayable) {
            return Response::new(461);
        }
        if self.camera.sound == Sound::Mixed {
            wishes = "RTP/AVP/TCP;unicast;interleaved=0-1";
        }
        let Some((transport, text)) = self.transport(wishes) else { return Response::new(461) };
        let timing = self.camera.timing;
        let voice = tone.map(|tone| Voice::new(transport, tone, timing, sdp::AAC));
        within(session, request, |session| {
            session.delivery.voice = voice;
            session.has_sound = true;
            Response::new(200).with("Session", &session.id).with("Transport", &text)
        })
    }

    fn play(&self, session: &mut Option<Session>, request: &Request) -> Response {
        let camera = self.camera;
        within(session, request, |session| {
            if session.has_sound && camera.sound == Sound::Unplayable {
                return Response::new(403);
            }
            let stream = camera.stream(session.profile);
            let first = stream.timeline.number(Instant::now()) + 1;
            if !session.playing {
                session.playing = true;
                session.delivery.start(first, stream.watch());
                camera.director.add(camera);
            }
            let packetizer = &session.delivery.packetizer;
            let info = format!(
                "url={}/{};seq={};rtptime={}",
                self.base(session.profile),
                sdp::PICTURES,
                packetizer.next_sequence(),
                packetizer.time_stamp(stream.timeline.ticks(first)),
            );
            Response::new(200)
                .with("Session", &session.id)
                .with("Range", "npt=0.000-")
                .with("RTP-Info", &info)
        })
    }

    fn base(&self, profile: Profile) -> String {
        let path = match profile {
            Profile::Main => "main",
            Profile::Sub => "sub",
        };
        format!("rtsp://{}/{path}", self.ends.0)
    }

    // The first of the client's wishes that can be met, and the words for it.
    fn transport(&self, wishes: &str) -> Option<(Transport, String)> {
        wishes.split(',').find_map(|wish| {
            let mut fields = wish.trim().split(';');
            let kind = fields.next().unwrap_or_default().to_ascii_uppercase();
            let pair = |name: &str| {
                let value = wish.split(';').find_map(|field| field.trim().strip_prefix(name))?;
                let (first, second) = value.split_once('-').unwrap_or((value, ""));
                let first: u16 = first.parse().ok()?;
                Some((first, second.parse().unwrap_or(first.saturating_add(1))))
            };
            match kind.as_str() {
                "RTP/AVP/TCP" => {
                    let (media, reports) = pair("interleaved=").unwrap_or((0, 1));
                    let text = format!("RTP/AVP/TCP;unicast;interleaved={media}-{reports}");
                    let (media, reports) = (u8::try_from(media).ok()?, u8::try_from(reports).ok()?);
                    Some((Transport::Interleaved { media, reports }, text))
                }
                "RTP/AVP" | "RTP/AVP/UDP" if !wish.contains("multicast") => {
                    let client = pair("client_port=")?;
                    let (local, peer) = (self.ends.0.ip(), self.ends.1.ip());
                    let transport = Transport::udp(local, peer, client).ok()?;
                    let server = transport.server_ports()?;
                    let text = format!(
                        "RTP/AVP;unicast;client_port={}-{};server_port={}-{}",
                        client.0, client.1, server.0, server.1
                    );
                    Some((transport, text))
                }
                _ => None,
            }
        })
    }
}

/// The answer to missing or wrong credentials; `None` when they are right.
pub(crate) fn deny(camera: &Camera, request: &Request) -> Option<Response> {
    let now = clock::now_millis();
    let stale = match camera.authenticator.check(request, now) {
        Verdict::Passed => return None,
        Verdict::Denied => false,
        Verdict::Stale => true,
    };
    let challenge = camera.authenticator.challenge(stale, now);
    Some(Response::new(401).with("WWW-Authenticate", &challenge))
}

fn profile(request: &Request) -> Option<Profile> {
    let path = request.path();
    let track = [sdp::PICTURES, sdp::SOUND].iter().find_map(|track| path.strip_suffix(track));
    let path = track.unwrap_or(path);
    match path.trim_end_matches('/') {
        "/main" => Some(Profile::Main),
        "/sub" => Some(Profile::Sub),
        _ => None,
    }
}

// Does something within the session that the request names.
fn within(
    session: &mut Option<Session>,
    request: &Request,
    act: impl FnOnce(&mut Session) -> Response,
) -> Response {
    let named = request.header("session").and_then(|value| value.split(';').next());
    match session {
        None => Response::new(if named.is_some() { 454 } else { 455 }),
        Some(session) if named.is_some_and(|named| named.trim() != session.id) => {
            Response::new(454)
        }
        Some(session) => act(session),
    }
}
