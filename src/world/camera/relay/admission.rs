//! Which of a client's requests reach the camera, and in which words.
//!
//! Everything that publishes, records or asks for a second way beside the connection is refused
//! here. It knows nothing of replies.

use super::dialogue::answer;
use super::headers::{self, Method};
use super::names::Names;
use crate::world::camera::rtsp::message::{Request, Response, quote};

/// Longest body of a client's request, in bytes: parameters are a few words.
const BODY_BYTES_MAX: usize = 4096;
/// Longest header value that is passed on, in bytes.
const VALUE_BYTES_MAX: usize = 256;
/// What ONVIF calls sound on its way to the camera. It is left out rather than refused: go2rtc
/// asks again without it, but abandons the connection that it was refused on.
const BACK_CHANNEL: &str = "www.onvif.org/ver20/backchannel";

/// A request that may go to the camera.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wish {
    /// What is asked for.
    pub(super) method: Method,
    /// In the camera's words, without number, session and credentials.
    pub(super) request: Request,
    /// With SETUP: where the client wants media and RTCP.
    pub(super) channels: Option<(u8, u8)>,
}

/// A request in the camera's words, or the answer to one that it will not see.
pub(super) fn admit(request: &Request, names: &Names, has_session: bool) -> Result<Wish, Response> {
    let method = Method::of(&request.method).ok_or_else(|| {
        let mut refusal = answer(405);
        refusal.headers.push("Allow", &headers::all_methods());
        refusal
    })?;
    required(request)?;
    if request.body.len() > BODY_BYTES_MAX {
        return Err(answer(413));
    }
    let mut camera = Request::new(method.as_str(), &camera_uri(method, request, names)?);
    let mut channels = None;
    match method {
        Method::Describe => camera.headers.push("Accept", "application/sdp"),
        Method::Setup if !names.is_described() => return Err(answer(455)),
        Method::Setup => {
            let transport = request.headers.get("transport").unwrap_or_default();
            let wanted = headers::wanted_channels(transport).ok_or_else(|| answer(461))?;
            camera.headers.push("Transport", &headers::transport(wanted));
            channels = Some(wanted);
        }
        Method::Play | Method::Pause if !has_session => return Err(answer(455)),
        Method::GetParameter | Method::SetParameter => {
            camera.body = request.body.clone();
            if !camera.body.is_empty() {
                pass_on(request, &mut camera, "Content-Type");
            }
        }
        Method::Play | Method::Pause | Method::Options | Method::Teardown => {}
    }
    for name in ["Range", "Scale", "Speed"] {
        pass_on(request, &mut camera, name);
    }
    Ok(Wish { method, request: camera, channels })
}

fn camera_uri(method: Method, request: &Request, names: &Names) -> Result<String, Response> {
    let uri = match method {
        Method::Options if request.uri == "*" => Some(names.source().as_str()),
        Method::Options | Method::Describe => {
            names.camera_uri(&request.uri).map(|_| names.source().as_str())
        }
        Method::Setup
        | Method::Play
        | Method::Pause
        | Method::GetParameter
        | Method::SetParameter
        | Method::Teardown => names.camera_uri(&request.uri),
    };
    uri.map(str::to_owned).ok_or_else(|| answer(404))
}

/// Refuses features that a client insists on.
fn required(request: &Request) -> Result<(), Response> {
    let wanted = request.headers.all("require").chain(request.headers.all("proxy-require"));
    for feature in wanted.flat_map(|value| value.split(',')).map(str::trim) {
        if !feature.is_empty() && !feature.eq_ignore_ascii_case(BACK_CHANNEL) {
            let mut refusal = answer(551);
            refusal.headers.push("Unsupported", &quote(feature));
            return Err(refusal);
        }
    }
    Ok(())
}

fn pass_on(from: &Request, to: &mut Request, name: &str) {
    if let Some(value) = from.headers.get(name).filter(|value| value.len() <= VALUE_BYTES_MAX) {
        to.headers.push(name, value);
    }
}
