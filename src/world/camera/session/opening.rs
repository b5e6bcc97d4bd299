//! The requests that open a session: `DESCRIBE`, `SETUP`, `PLAY`.

use std::time::Duration;

use tokio::time::Instant;
use url::Url;

use super::Media;
use crate::model::desired::Transport;
use crate::model::failure::Stage;
use crate::world::camera::fault::Fault;
use crate::world::camera::request::{Limits, Source, Timings};
use crate::world::camera::rtsp::client::Client;
use crate::world::camera::rtsp::message::{Request, Response, quote};
use crate::world::camera::rtsp::sdp::{VideoTrack, choose_video};
use crate::world::camera::udp::DatagramPair;

/// How long a session lives without a sign of the client where the camera does not say.
const SESSION_TIMEOUT: Duration = Duration::from_mins(1);
/// Longest session name that is taken.
const SESSION_ID_MAX: usize = 256;

/// A session on its way to PLAY.
pub(super) struct Opening {
    pub(super) client: Client,
    pub(super) limits: Limits,
    pub(super) deadline: Instant,
    // What TEARDOWN has to name, once the camera may hold a session.
    pub(super) aggregate: Option<String>,
    pub(super) timings: Timings,
}

impl Opening {
    /// Opens the session; hands back the track, its media and how long it lives unattended.
    pub(super) async fn run(
        &mut self,
        source: &Source,
        url: &Url,
    ) -> Result<(VideoTrack, Media, Duration), (Fault, Stage)> {
        let begun = Instant::now();
        let track = self.describe(url).await.map_err(|fault| (fault, Stage::Describe))?;
        self.timings.describe = begun.elapsed();
        let begun = Instant::now();
        let (media, alive) =
            self.setup(source, &track).await.map_err(|fault| (fault, Stage::Setup))?;
        self.timings.setup = begun.elapsed();
        let begun = Instant::now();
        let play = Request::new("PLAY", &track.aggregate).with("Range", "npt=0.000-");
        self.ask(&play).await.map_err(|fault| (fault, Stage::Play))?;
        self.timings.play = begun.elapsed();
        Ok((track, media, alive))
    }

    async fn ask(&mut self, request: &Request) -> Result<Response, Fault> {
        let response = self.ask_any(request).await?;
        if (200..300).contains(&response.code) { Ok(response) } else { Err(refusal(&response)) }
    }

    async fn ask_any(&mut self, request: &Request) -> Result<Response, Fault> {
        let until = self.deadline.min(Instant::now() + self.limits.reply);
        self.client.exchange(request, until).await
    }

    async fn describe(&mut self, url: &Url) -> Result<VideoTrack, Fault> {
        let mut url = url.clone();
        let request =
            |url: &Url| Request::new("DESCRIBE", url.as_str()).with("Accept", "application/sdp");
        let mut response = self.ask_any(&request(&url)).await?;
        if (300..400).contains(&response.code) {
            url = redirected(&url, &response)?;
            response = self.ask_any(&request(&url)).await?;
        }
        if !(200..300).contains(&response.code) {
            return Err(refusal(&response));
        }
        let base = ["content-base", "content-location"]
            .iter()
            .find_map(|name| response.headers.get(name))
            .and_then(|text| url.join(text.trim()).ok())
            .unwrap_or(url);
        Ok(choose_video(&String::from_utf8_lossy(&response.body), &base)?)
    }

    async fn setup(
        &mut self,
        source: &Source,
        track: &VideoTrack,
    ) -> Result<(Media, Duration), Fault> {
        let mut datagrams = None;
        let transport = match source.transport {
            Transport::Tcp => "RTP/AVP/TCP;unicast;interleaved=0-1".to_owned(),
            Transport::Udp => {
                let local = self.client.connection().local().ip();
                let pair = DatagramPair::open(local, source.device.ip()).await?;
                let (first, second) = pair.ports()?;
                datagrams = Some(pair);
                format!("RTP/AVP;unicast;client_port={first}-{second}")
            }
        };
        let request = Request::new("SETUP", &track.control).with("Transport", &transport);
        let response = self.ask(&request).await?;
        self.aggregate = Some(track.aggregate.clone());
        let (session, alive) = session_of(&response)?;
        if let Some(session) = session {
            self.client.set_session(session);
        }
        let transport = response.headers.get("transport").unwrap_or_default();
        let media = match datagrams {
            None if is_interleaved(transport) => {
                Media::Interleaved(pair_of(transport, "interleaved").map_or(0, |(rtp, _)| rtp))
            }
            None => return Err(Fault::Answer("the camera insists on another transport")),
            Some(pair) => {
                if let Some(ports) = pair_of(transport, "server_port") {
                    pair.open_way(ports).await;
                }
                Media::Datagrams(pair)
            }
        };
        Ok((media, alive))
    }
}

/// The URL to send: without user name and password.
pub(super) fn request_url(source: &Source) -> Result<Url, Fault> {
    if source.url.scheme() != "rtsp" {
        return Err(Fault::Scheme(source.url.scheme().to_owned()));
    }
    let mut url = source.url.expose().clone();
    // Both fail only for URLs without a host, which have neither.
    let _without_user = url.set_username("");
    let _without_password = url.set_password(None);
    Ok(url)
}

fn refusal(response: &Response) -> Fault {
    if (300..400).contains(&response.code) {
        return Fault::Redirect;
    }
    Fault::Status { code: response.code, reason: quote(&response.reason) }
}

/// Where a redirection within the same device leads.
fn redirected(url: &Url, response: &Response) -> Result<Url, Fault> {
    let target = response.headers.get("location").and_then(|text| url.join(text.trim()).ok());
    let same = |target: &Url| {
        target.scheme() == "rtsp"
            && target.host() == url.host()
            && target.port().unwrap_or(554) == url.port().unwrap_or(554)
    };
    target.filter(same).ok_or(Fault::Redirect)
}

/// Name and life of the session that a reply to SETUP opens. Some cameras give it no name, since
/// they know it by its connection.
fn session_of(response: &Response) -> Result<(Option<String>, Duration), Fault> {
    let header = response.headers.get("session").unwrap_or_default();
    let mut parts = header.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty()).map(str::to_owned);
    if name.as_ref().is_some_and(|name| name.len() > SESSION_ID_MAX) {
        return Err(Fault::Answer("the camera gives the session a name that is too long"));
    }
    let timeout = parts
        .filter_map(|part| part.split_once('='))
        .find(|(key, _)| key.trim().eq_ignore_ascii_case("timeout"))
        .and_then(|(_, seconds)| seconds.trim().parse().ok())
        .filter(|seconds| (1..=86_400).contains(seconds))
        .map_or(SESSION_TIMEOUT, Duration::from_secs);
    Ok((name, timeout))
}

/// Whether a `Transport` header of a reply agrees to media within the connection.
fn is_interleaved(transport: &str) -> bool {
    let transport = transport.to_ascii_lowercase();
    transport.is_empty() || transport.contains("/tcp") || transport.contains("interleaved=")
}

/// The two numbers of `name=1-2` in a `Transport` header; the second may be missing.
fn pair_of<T: std::str::FromStr + Copy>(transport: &str, name: &str) -> Option<(T, T)> {
    transport.split(';').find_map(|part| {
        let (key, value) = part.trim().split_once('=')?;
        if !key.eq_ignore_ascii_case(name) {
            return None;
        }
        let (first, second) = value.split_once('-').unwrap_or((value, value));
        Some((first.trim().parse().ok()?, second.trim().parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup(header: &str) -> Response {
        let mut response = Response::new(200, "OK");
        response.headers.push("Session", header);
        response
    }

    #[test]
    fn sessions_are_named_and_timed_in_many_ways() {
        let read = |header: &str| session_of(&setup(header)).unwrap();
        let seconds = Duration::from_secs;
        assert_eq!(read("12345678;timeout=30"), (Some("12345678".into()), seconds(30)));
        assert_eq!(read(" a$b ; x=y; Timeout = 5 "), (Some("a$b".into()), seconds(5)));
        assert_eq!(read("a;timeout=0"), (Some("a".into()), seconds(60)));
        assert_eq!(read("a;timeout=x"), (Some("a".into()), seconds(60)));
        assert_eq!(read(""), (None, seconds(60)));
        assert!(session_of(&setup(&"a".repeat(SESSION_ID_MAX + 1))).is_err());
    }

    #[test]
    fn transports_are_read_as_cameras_write_them() {
        let channel = |text| pair_of::<u8>(text, "interleaved");
        assert_eq!(channel("RTP/AVP/TCP;unicast;interleaved=2-3;ssrc=1"), Some((2, 3)));
        assert_eq!(channel("RTP/AVP/TCP; Interleaved=4"), Some((4, 4)));
        assert_eq!(channel("RTP/AVP/TCP;interleaved=300-301"), None);
        let ports = "RTP/AVP;unicast;client_port=1-2;server_port=50000-50001";
        assert_eq!(pair_of::<u16>(ports, "server_port"), Some((50000, 50001)));
        assert!(is_interleaved("") && is_interleaved("RTP/AVP;interleaved=0-1"));
        assert!(is_interleaved("rtp/avp/tcp") && !is_interleaved(ports));
    }

    #[test]
    fn redirections_stay_with_the_device() {
        let url: Url = "rtsp://10.0.0.1/a?b".parse().unwrap();
        let to = |target: &str| {
            let mut response = Response::new(302, "Found");
            response.headers.push("Location", target);
            redirected(&url, &response).map(String::from).ok()
        };
        assert_eq!(to("rtsp://10.0.0.1:554/c").as_deref(), Some("rtsp://10.0.0.1:554/c"));
        assert_eq!(to("c").as_deref(), Some("rtsp://10.0.0.1/c"));
        for target in ["rtsp://10.0.0.2/a", "rtsp://10.0.0.1:8554/a", "http://10.0.0.1/a"] {
            assert_eq!(to(target), None, "{target}");
        }
    }
}
