//! The listener and `/ws` over real sockets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use camserver::http::{ServeError, Settings, serve};
use camserver::model::event::Seq;
use futures::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::fixture::{World, camera_name, event, failing_status, snapshot};

/// Longest wait for anything.
const LIMIT: Duration = Duration::from_secs(20);

/// A server on a port of its own.
pub(crate) struct Server {
    pub(crate) world: World,
    pub(crate) address: SocketAddr,
    running: JoinHandle<Result<(), ServeError>>,
}

impl Server {
    pub(crate) async fn start(world: World) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = serve(listener, world.state.clone(), world.shutdown.clone());
        Self { world, address, running: tokio::spawn(serving) }
    }

    async fn with(events: u64, settings: Settings) -> Self {
        Self::start(World::with(snapshot(30), events, settings)).await
    }

    async fn join(&self, query: &str) -> Client {
        let stream = TcpStream::connect(self.address).await.unwrap();
        self.join_over(stream, query).await.unwrap()
    }

    async fn join_over(&self, stream: TcpStream, query: &str) -> Result<Client, Error> {
        let url = format!("ws://{}/ws{query}", self.address);
        Ok(Client(tokio_tungstenite::client_async(url, stream).await?.0))
    }

    pub(crate) async fn stop(self) {
        self.world.shutdown.cancel();
        timeout(LIMIT, self.running).await.unwrap().unwrap().unwrap();
    }

    fn publish(&self, seqs: std::ops::RangeInclusive<Seq>) {
        for seq in seqs {
            self.world.events.publish(event(seq, Some(camera_name(1))));
        }
    }
}

struct Client(WebSocketStream<TcpStream>);

impl Client {
    async fn message(&mut self) -> Message {
        timeout(LIMIT, self.0.next()).await.expect("in time").expect("open").unwrap()
    }

    /// The next message, without signs of life.
    async fn next(&mut self) -> Value {
        loop {
            let Message::Text(text) = self.message().await else { continue };
            return serde_json::from_str(&text).unwrap();
        }
    }

    /// The next message of one type.
    async fn next_of(&mut self, kind: &str) -> Value {
        let search = async {
            loop {
                let message = self.next().await;
                if message["type"] == kind {
                    return message;
                }
            }
        };
        // Heartbeats keep coming: the search as a whole has a limit.
        timeout(LIMIT, search).await.expect("in time")
    }

    /// Hello and snapshot.
    async fn greeting(&mut self) -> (Value, Value) {
        let hello = self.next().await;
        assert_eq!(hello["type"], "hello");
        let snapshot = self.next().await;
        assert_eq!(snapshot["type"], "snapshot");
        (hello, snapshot)
    }
}

fn seqs(snapshot: &Value) -> Vec<Seq> {
    let events = snapshot["events"].as_array().unwrap();
    events.iter().map(|event| event["seq"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_new_browser_gets_hello_the_state_and_the_newest_events() {
    let server = Server::with(400, Settings::default()).await;
    let (hello, snapshot) = server.join("").await.greeting().await;
    assert_eq!(hello["seq"], 400);
    assert_eq!(hello["instance"], "run-1");
    assert_eq!(hello["serverTime"], "2026-01-05T22:00:00.000Z");
    assert_eq!(snapshot["cameras"].as_array().unwrap().len(), 30);
    assert_eq!(snapshot["subnets"][0]["name"], "north");
    assert_eq!(snapshot["status"]["cameras"]["total"], 30);
    assert_eq!(snapshot["suggest"], Value::Null);
    assert_eq!(seqs(&snapshot), (301..=400).collect::<Vec<_>>());
    server.stop().await;
}

#[tokio::test]
async fn a_browser_resumes_without_a_gap_from_memory_and_from_the_store() {
    let server = Server::with(400, Settings::default()).await;
    for since in [390, 250, 199, 3, 0] {
        let (_, snapshot) = server.join(&format!("?since={since}")).await.greeting().await;
        assert_eq!(seqs(&snapshot), (since + 1..=400).collect::<Vec<_>>(), "since {since}");
    }
    // A number from another life of the data directory.
    let (_, snapshot) = server.join("?since=99999").await.greeting().await;
    assert_eq!(seqs(&snapshot).len(), 100);
    server.stop().await;
}

#[tokio::test]
async fn only_what_changed_is_pushed() {
    let server = Server::with(10, Settings::default()).await;
    let mut client = server.join("").await;
    client.greeting().await;
    server.world.change(|s| {
        s.cameras.insert(camera_name(7), Arc::new(failing_status(7)));
        s.cameras.remove(&camera_name(9));
    });
    let changed = client.next_of("camera").await;
    assert_eq!(changed["camera"]["name"], "cam-007");
    assert_eq!(changed["camera"]["state"]["reason"], "Timeout");
    let next = client.next().await;
    assert_eq!((&next["type"], &next["name"]), (&"cameraRemoved".into(), &"cam-009".into()));
    server.world.change(|s| s.subnets.clear());
    assert_eq!(client.next_of("subnetRemoved").await["name"], "north");
    let status = client.next_of("status").await;
    assert_eq!(status["status"]["cameras"]["total"], 29);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_come_without_a_gap_while_they_rain() {
    let server = Server::with(4000, Settings::default()).await;
    let mut client = server.join("?since=4000").await;
    let mut late = server.join("?since=4000").await;
    let mut seen = client.greeting().await.0["seq"].as_u64().unwrap();
    for first in (4_001..=9_000).step_by(100) {
        server.publish(first..=first + 99);
        // Some way behind, but not so far that it would be sent away.
        while first + 99 - seen > 500 {
            let event = client.next_of("event").await;
            assert_eq!(event["event"]["seq"], seen + 1, "a gap");
            seen += 1;
        }
    }
    while seen < 9_000 {
        let event = client.next_of("event").await;
        assert_eq!(event["event"]["seq"], seen + 1, "a gap");
        seen += 1;
    }
    assert_eq!(late.greeting().await.0["seq"], 4_000);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_browser_is_sent_away_and_delays_nobody() {
    let settings = Settings { push_queue: 256, ..Settings::default() };
    let server = Server::with(40_000, settings).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(server.address).await.unwrap();
    let mut slow = server.join_over(stream, "").await.unwrap();
    slow.greeting().await;
    let mut quick = server.join("?since=40000").await;
    quick.greeting().await;
    // More than the kernel's buffers hold; the quick one keeps pace, the slow one does not read.
    for first in (40_001..70_000).step_by(100) {
        server.publish(first..=first + 99);
        while quick.next_of("event").await["event"]["seq"] != first + 99 {}
    }
    let mut last = Value::Null;
    let farewell = async {
        loop {
            match slow.message().await {
                Message::Text(text) => last = serde_json::from_str(&text).unwrap(),
                Message::Close(close) => return close.unwrap(),
                Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    };
    let close = timeout(LIMIT, farewell).await.unwrap();
    assert_eq!(last, serde_json::json!({"type": "resync", "reason": "slow"}));
    assert_eq!(close.code, CloseCode::from(4008));
    server.stop().await;
}

#[tokio::test]
async fn too_many_browsers_are_refused_until_one_leaves() {
    let settings = Settings { push_clients_max: 1, ..Settings::default() };
    let server = Server::with(10, settings).await;
    let mut first = server.join("").await;
    first.greeting().await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    match server.join_over(stream, "").await {
        Err(Error::Http(response)) => assert_eq!(response.status(), 503),
        other => panic!("{:?}", other.err()),
    }
    first.0.close(None).await.unwrap();
    drop(first);
    let again = async {
        loop {
            let stream = TcpStream::connect(server.address).await.unwrap();
            if let Ok(client) = server.join_over(stream, "").await {
                return client;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LIMIT, again).await.unwrap().greeting().await;
    server.stop().await;
}

#[tokio::test]
async fn a_browser_that_sends_much_is_cut_off() {
    let server = Server::with(10, Settings::default()).await;
    let mut client = server.join("").await;
    client.greeting().await;
    client.0.send(Message::text("x".repeat(2000))).await.unwrap();
    let ended = async { while let Some(Ok(_)) = client.0.next().await {} };
    timeout(LIMIT, ended).await.unwrap();
    let mut chatty = server.join("").await;
    chatty.greeting().await;
    for _ in 0..100 {
        // Fails once the server has cut it off.
        if chatty.0.send(Message::text("hi")).await.is_err() {
            break;
        }
    }
    let ended = async { while let Some(Ok(_)) = chatty.0.next().await {} };
    timeout(LIMIT, ended).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn the_end_of_the_server_is_announced() {
    let server = Server::with(10, Settings::default()).await;
    let mut client = server.join("").await;
    client.greeting().await;
    let idle = TcpStream::connect(server.address).await.unwrap();
    server.world.shutdown.cancel();
    let close = loop {
        if let Message::Close(close) = client.message().await {
            break close.unwrap();
        }
    };
    assert_eq!(close.code, CloseCode::Away);
    drop(client);
    server.stop().await;
    drop(idle);
}

#[tokio::test]
async fn a_request_that_never_ends_is_cut_off() {
    let settings = Settings { header_timeout: Duration::from_millis(200), ..Settings::default() };
    let server = Server::with(10, settings).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ").await.unwrap();
    let mut rest = Vec::new();
    timeout(LIMIT, stream.read_to_end(&mut rest)).await.unwrap().unwrap();
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").await.unwrap();
    timeout(LIMIT, idle.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&rest).contains("\r\nok\n") || rest.ends_with(b"ok\n"));
    server.stop().await;
}

#[tokio::test]
async fn more_connections_than_the_bound_wait_for_their_turn() {
    let settings = Settings { connections_max: 2, ..Settings::default() };
    let server = Server::with(10, settings).await;
    let ask = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
    let first = TcpStream::connect(server.address).await.unwrap();
    let second = TcpStream::connect(server.address).await.unwrap();
    let mut third = TcpStream::connect(server.address).await.unwrap();
    third.write_all(ask).await.unwrap();
    let mut byte = [0_u8; 1];
    let early = timeout(Duration::from_millis(300), third.read(&mut byte)).await;
    assert!(early.is_err(), "the third connection was served beside the two before it");
    drop((first, second));
    let mut answer = String::new();
    timeout(LIMIT, third.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    server.stop().await;
}
