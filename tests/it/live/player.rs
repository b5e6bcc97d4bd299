//! A wall with an engine under the test's hand, and players over real sockets.

use std::sync::Arc;

use camserver::live::{Granted, LeaseKey};
use camserver::model::desired::Desired;
use futures::StreamExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{LIMIT, request};
use crate::fixture::World;
use crate::http::Server;

pub(super) struct Player(pub(super) WebSocketStream<TcpStream>);

impl Player {
    pub(super) async fn open(server: &Server, key: &LeaseKey, user: &str) -> Result<Self, Error> {
        Self::open_with(server, key, &[("cookie", &format!("camserver_client={user}"))]).await
    }

    pub(super) async fn open_with(
        server: &Server,
        key: &LeaseKey,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, Error> {
        Self::open_at(server, key, "", headers).await
    }

    pub(super) async fn open_at(
        server: &Server,
        key: &LeaseKey,
        query: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, Error> {
        let stream = TcpStream::connect(server.address).await.unwrap();
        let url = format!("ws://{}/live/{}/ws{query}", server.address, key.expose());
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        Ok(Self(tokio_tungstenite::client_async(request, stream).await?.0))
    }

    pub(super) async fn next(&mut self) -> Message {
        timeout(LIMIT, self.0.next()).await.expect("in time").expect("open").unwrap()
    }

    /// The text message and the initialisation segment.
    pub(super) async fn start(&mut self, codec: &str) {
        let Message::Text(text) = self.next().await else { panic!("no text first") };
        let said: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mime = format!("video/mp4; codecs=\"{codec}\"");
        assert_eq!(said, serde_json::json!({"type": "mse", "value": mime}));
        let Message::Binary(init) = self.next().await else { panic!("no segment") };
        assert_eq!(&init[4..8], b"ftyp");
    }

    /// Plays until the server closes: bytes of media, the code and the reason.
    pub(super) async fn play_out(&mut self) -> (usize, u16, String) {
        // Pings keep coming: the whole of it has a limit.
        timeout(LIMIT, self.until_closed()).await.expect("an end")
    }

    async fn until_closed(&mut self) -> (usize, u16, String) {
        let mut bytes = 0;
        loop {
            match self.next().await {
                Message::Binary(media) => bytes += media.len(),
                Message::Close(Some(frame)) => {
                    return (bytes, frame.code.into(), frame.reason.to_string());
                }
                Message::Text(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
                Message::Close(None) => panic!("closed without a code"),
            }
        }
    }
}

pub(super) struct Wall {
    pub(super) server: Server,
}

impl Wall {
    pub(super) async fn new() -> Self {
        Self { server: Server::start(World::new(6)).await }
    }

    pub(super) fn world(&self) -> &World {
        &self.server.world
    }

    pub(super) fn ask(&self, user: &str) -> Granted {
        self.world().live.request(request(user, true)).unwrap()
    }

    /// A player that has its first fragment.
    pub(super) async fn playing(&self, user: &str) -> (Player, Granted) {
        let granted = self.ask(user);
        let mut player = Player::open(&self.server, &granted.key, user).await.unwrap();
        player.start("avc1.640028").await;
        assert!(matches!(player.next().await, Message::Binary(_)));
        (player, granted)
    }

    pub(super) fn redeclare(&self, change: impl FnOnce(&mut Desired)) {
        self.world().change(|state| {
            let mut desired = (*state.desired).clone();
            change(&mut desired);
            state.desired = Arc::new(desired);
        });
    }

    pub(super) async fn nobody_watches(&self) {
        let gone = async {
            while !self.world().engine.viewers().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        timeout(LIMIT, gone).await.expect("the engine is let go");
    }
}
