//! The requests that open a session: `DESCRIBE`, `SETUP`, `PLAY`.

use std::io;
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
use crate::world::camera::udp::{DatagramPair, PICTURE_ROOM, SOUND_ROOM};

/// For the reply to the wish for sound, which is worth less patience than the picture.
const SOUND_REPLY: Duration = Duration::from_secs(3);

/// A session that plays.
pub(super) struct Opened {
    pub(super) track: VideoTrack,
    pub(super) media: Media,
    /// The sound and how it comes, where there is some.
    pub(super) sound: Option<(Media, SoundTrack)>,
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
        let sound = match &track.sound {
            Some(sound) if wanted == Wanted::Everything => {
                self.sound(source, sound, &media).await.map_err(|fault| (fault, Stage::Setup))?
            }
            Some(_) | None => None,
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
        source: &Source,
        track: &SoundTrack,
        video: &Media,
    ) -> Result<Option<(Media, SoundTrack)>, Fault> {
        let (wish, pair) = match video {
            Media::Interleaved { media, .. } => {
                (interleaved(if *media < 250 { media + 2 } else { 0 }), None)
            }
            Media::Datagrams(_) => match self.open_pair(source, SOUND_ROOM).await {
                Ok((wish, pair)) => (wish, Some(pair)),
                // Without sockets to spare there is no sound.
                Err(_) => return Ok(None),
            },
        };
        self.asked_for_sound = true;
        let request = Request::new("SETUP", &track.control).with("Transport", &wish);
        let until = self.deadline.min(Instant::now() + SOUND_REPLY);
        let response = match self.client.exchange(&request, until).await {
            Ok(response) if (200..300).contains(&response.code) => response,
            // The account has no right to the sound: it had one to the picture just before.
            Ok(_) | Err(Fault::Unauthorized | Fault::Challenge(_)) => return Ok(None),
            Err(fault) => return Err(fault),
        };
        let Ok(media) = agreed(&response, &wish, pair).await else { return Ok(None) };
        let is_apart = match &media {
            Media::Interleaved { media, .. } => video.channel(*media).is_none(),
            Media::Datagrams(_) => true,
        };
        if is_apart {
            Ok(Some((media, track.clone())))
        } else {
            // It is granted all the same, and would come between the pictures.
            Err(Fault::Answer("the camera's sound and pictures would share a channel"))
        }
    }

    /// Sockets for one track, and the wish for it.
    async fn open_pair(&self, source: &Source, room: usize) -> io::Result<(String, DatagramPair)> {
        let local = self.client.connection().local().ip();
        let pair = DatagramPair::open(local, source.device.ip(), room).await?;
        let (first, second) = pair.ports()?;
        Ok((format!("RTP/AVP;unicast;client_port={first}-{second}"), pair))
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
        let (wish, pair) = match source.transport {
            Transport::Tcp => (interleaved(0), None),
            Transport::Udp => {
                let (wish, pair) = self.open_pair(source, PICTURE_ROOM).await?;
                (wish, Some(pair))
            }
        };
        let request = Request::new("SETUP", &track.control).with("Transport", &wish);
        let response = self.ask(&request).await?;
        self.aggregate = Some(track.aggregate.clone());
        let (session, alive) = session_of(&response)?;
        if let Some(session) = session {
            self.client.set_session(session);
        }
        Ok((agreed(&response, &wish, pair).await?, alive))
    }
}

/// The wish for two channels of the connection.
fn interleaved(first: u8) -> String {
    format!("RTP/AVP/TCP;unicast;interleaved={first}-{}", first.saturating_add(1))
}

/// How the media of a track comes, after the wish for it was granted.
async fn agreed(
    response: &Response,
    wish: &str,
    pair: Option<DatagramPair>,
) -> Result<Media, Fault> {
    let transport = response.headers.get("transport").unwrap_or_default();
    let channels = |text| pair_of(text, "interleaved");
    match pair {
        None if is_interleaved(transport) => {
            let (media, control) = channels(transport).or(channels(wish)).unwrap_or((0, 1));
            Ok(Media::Interleaved { media, control })
        }
        None => Err(Fault::Answer("the camera insists on another transport")),
        Some(pair) => {
            if let Some(ports) = pair_of(transport, "server_port") {
                pair.open_way(ports).await;
            }
            Ok(Media::Datagrams(pair))
        }
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
