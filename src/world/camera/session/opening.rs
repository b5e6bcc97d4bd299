//! The requests that open a session: `DESCRIBE`, `SETUP`, `PLAY`.

use std::time::Duration;

use tokio::time::Instant;
use url::Url;

use super::Media;
use crate::model::desired::Transport;
use crate::model::failure::Stage;
use crate::world::camera::fault::Fault;
use crate::world::camera::request::{Limits, Source, Timings};
use crate::world::camera::rtp::Wanted;
use crate::world::camera::rtsp::client::Client;
use crate::world::camera::rtsp::message::{Request, Response, quote};
use crate::world::camera::rtsp::sdp::{SoundTrack, VideoTrack, choose_video};
use crate::world::camera::rtsp::setup::{is_interleaved, pair_of, session_of};
use crate::world::camera::udp::DatagramPair;

/// For the reply to the wish for sound, which is worth less patience than the picture.
const SOUND_REPLY: Duration = Duration::from_secs(3);

/// A session that plays.
pub(super) struct Opened {
    pub(super) track: VideoTrack,
    pub(super) media: Media,
    /// The channel of the sound, where there is some.
    pub(super) sound: Option<(u8, SoundTrack)>,
    /// How long it lives unattended.
    pub(super) alive: Duration,
}

/// A session on its way to PLAY.
pub(super) struct Opening {
    pub(super) client: Client,
    pub(super) limits: Limits,
    pub(super) deadline: Instant,
    // What TEARDOWN has to name, once the camera may hold a session.
    pub(super) aggregate: Option<String>,
    pub(super) timings: Timings,
    // The camera was asked for its sound: without that, it may do what it does not now.
    pub(super) asked_for_sound: bool,
}

impl Opening {
    /// Opens the session.
    pub(super) async fn run(
        &mut self,
        source: &Source,
        url: &Url,
        wanted: Wanted,
    ) -> Result<Opened, (Fault, Stage)> {
        let begun = Instant::now();
        let track = self.describe(url).await.map_err(|fault| (fault, Stage::Describe))?;
        self.timings.describe = begun.elapsed();
        let begun = Instant::now();
        let (media, alive) =
            self.setup(source, &track).await.map_err(|fault| (fault, Stage::Setup))?;
        let sound = match (&track.sound, &media) {
            (Some(sound), Media::Interleaved(video)) if wanted == Wanted::Everything => {
                self.sound(sound, *video).await.map_err(|fault| (fault, Stage::Setup))?
            }
            (_, Media::Interleaved(_) | Media::Datagrams(_)) => None,
        };
        self.timings.setup = begun.elapsed();
        let begun = Instant::now();
        let play = Request::new("PLAY", &track.aggregate).with("Range", "npt=0.000-");
        self.ask(&play).await.map_err(|fault| (fault, Stage::Play))?;
        self.timings.play = begun.elapsed();
        Ok(Opened { track, media, sound, alive })
    }

    /// Asks for the sound; a camera that refuses has none.
    async fn sound(
        &mut self,
        track: &SoundTrack,
        video: u8,
    ) -> Result<Option<(u8, SoundTrack)>, Fault> {
        self.asked_for_sound = true;
        let first = if video < 250 { video + 2 } else { 0 };
        let transport = format!("RTP/AVP/TCP;unicast;interleaved={first}-{}", first + 1);
        let request = Request::new("SETUP", &track.control).with("Transport", &transport);
        let until = self.deadline.min(Instant::now() + SOUND_REPLY);
        let response = self.client.exchange(&request, until).await?;
        let transport = response.headers.get("transport").unwrap_or_default();
        if !(200..300).contains(&response.code) || !is_interleaved(transport) {
            return Ok(None);
        }
        let channel = pair_of(transport, "interleaved").map_or(first, |(rtp, _)| rtp);
        Ok((channel != video).then(|| (channel, track.clone())))
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

#[cfg(test)]
mod tests {
    use super::*;

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
