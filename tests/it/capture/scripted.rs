//! A camera that follows a script, to misbehave at any step of a session.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// What the camera does instead of answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bad {
    /// Nothing, until the client ends the connection.
    Hang,
    /// RST.
    Reset,
    /// FIN.
    Close,
    /// Bytes that are no message.
    Garbage,
    /// Headers without end.
    Endless,
    /// Headers without end, a byte at a time.
    Crawl,
    /// A body of a gigabyte, announced.
    Huge,
    /// A status code, without a challenge.
    Status(u16),
    /// A redirection.
    To(&'static str),
}

/// What comes after PLAY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    /// A key picture and more pictures.
    Good,
    /// Only pictures that are none to begin with.
    NoKey,
    /// The first fragment of a key picture, again and again with new numbers.
    Endless,
    /// Half a key picture, then something bad.
    Half(Bad),
    /// Nothing.
    None,
    /// Nothing until the client has shown twice that it is there, then a key picture.
    AfterSigns,
}

/// What the camera saw.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Methods of the requests, in order.
    pub(super) requests: Vec<String>,
    /// Whether the connection ended with RST.
    pub(super) reset: bool,
    /// Bytes that it could send.
    pub(super) sent: usize,
}

/// A camera for one connection.
pub(super) struct Camera {
    pub(super) device: SocketAddr,
    pub(super) seen: JoinHandle<Seen>,
}

pub(super) const SPS: &[u8] = &[0x67, 0x42, 0, 0x1e, 0x95];
pub(super) const PPS: &[u8] = &[0x68, 0xce];
pub(super) const IDR: &[u8] = &[0x65, 0x88, 1, 2, 3];
const DELTA: &[u8] = &[0x41, 0x9a, 9];
const SDP: &str = "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:t\r\n";

impl Camera {
    /// Misbehaves at one method (or at none), then sends `media`.
    pub(super) async fn start(at: &'static str, bad: Bad, media: Media) -> Self {
        let listener = TcpListener::bind("127.44.1.1:0").await.unwrap();
        let device = listener.local_addr().unwrap();
        let seen = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut conversation = Conversation { stream, seen: Seen::default(), nonce: 0 };
            // The script ends with the connection, in whatever way the client ends it.
            let outcome = timeout(Duration::from_secs(20), conversation.run(at, bad, media)).await;
            let error = outcome.expect("the client never ended the connection").err();
            // An RST after a FIN shows itself as a broken pipe.
            let resets = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
            conversation.seen.reset = error.is_some_and(|error| resets.contains(&error.kind()));
            conversation.seen
        });
        Self { device, seen }
    }
}

struct Conversation {
    stream: TcpStream,
    seen: Seen,
    nonce: u32,
}

impl Conversation {
    async fn run(&mut self, at: &str, bad: Bad, media: Media) -> std::io::Result<()> {
        while let Some(request) = self.request().await? {
            let method = request.split(' ').next().unwrap().to_owned();
            self.seen.requests.push(method.clone());
            if at == "stale" && method == "DESCRIBE" && self.nonce < 2 {
                self.challenge(&request).await?;
                continue;
            }
            if method == at && !request.contains("/moved") {
                self.misbehave(bad).await?;
                continue;
            }
            self.answer(&method, &request).await?;
            let signs = ["OPTIONS", "GET_PARAMETER"].map(str::to_owned);
            if method == "PLAY" && media != Media::AfterSigns {
                self.play(media).await?;
            } else if self.seen.requests.ends_with(&signs) {
                assert!(request.contains("Session: 7\r\n"), "{request}");
                self.play(Media::Good).await?;
            }
        }
        Ok(())
    }

    async fn request(&mut self) -> std::io::Result<Option<String>> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if self.stream.read(&mut byte).await? == 0 {
                return Ok(None);
            }
            bytes.push(byte[0]);
        }
        Ok(Some(String::from_utf8(bytes).unwrap()))
    }

    async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.seen.sent += bytes.len();
        Ok(())
    }

    async fn answer(&mut self, method: &str, request: &str) -> std::io::Result<()> {
        let number = request.lines().find_map(|line| line.strip_prefix("CSeq: ")).unwrap();
        let (headers, body) = match method {
            "DESCRIBE" => ("Content-Type: application/sdp\r\n", SDP),
            "SETUP" => ("Session: 7;timeout=2\r\nTransport: RTP/AVP/TCP;interleaved=2-3\r\n", ""),
            "OPTIONS" => ("Public: DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER\r\n", ""),
            _ => ("", ""),
        };
        let length = body.len();
        let head = format!("RTSP/1.0 200 OK\r\nCSeq: {number}\r\n{headers}");
        self.send(format!("{head}Content-Length: {length}\r\n\r\n{body}").as_bytes()).await
    }

    /// Challenges twice: the second time the nonce is said to be merely out of date.
    async fn challenge(&mut self, request: &str) -> std::io::Result<()> {
        assert_eq!(request.contains("Authorization"), self.nonce > 0);
        self.nonce += 1;
        let (nonce, stale) = (self.nonce, self.nonce == 2);
        let text = format!("Digest realm=\"r\", nonce=\"n{nonce}\", stale={stale}");
        self.send(format!("RTSP/1.0 401 No\r\nWWW-Authenticate: {text}\r\n\r\n").as_bytes()).await
    }

    async fn misbehave(&mut self, bad: Bad) -> std::io::Result<()> {
        match bad {
            Bad::Hang => self.wait_for_end().await,
            Bad::Reset => {
                SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))?;
                // The socket is dropped with the end of the script.
                Err(std::io::Error::other("reset by the camera"))
            }
            Bad::Close => {
                self.stream.shutdown().await?;
                self.take_requests().await
            }
            Bad::Garbage => {
                self.send(&[0xde, 0xad, 0xbe, 0xef].repeat(100)).await?;
                self.take_requests().await
            }
            Bad::Endless => {
                self.send(b"RTSP/1.0 200 OK\r\n").await?;
                loop {
                    self.send(b"X-Header: abcdefghijklmnopqrstuvwxyz\r\n").await?;
                }
            }
            Bad::Crawl => {
                self.send(b"RTSP/1.0 200 OK\r\nX: ").await?;
                loop {
                    self.send(b"a").await?;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            Bad::Huge => {
                self.send(b"RTSP/1.0 200 OK\r\nContent-Length: 1073741824\r\n\r\n").await?;
                loop {
                    self.send(&[b'a'; 1024]).await?;
                }
            }
            Bad::Status(code) => {
                self.send(format!("RTSP/1.0 {code} Some Words\r\n\r\n").as_bytes()).await
            }
            Bad::To(location) => {
                self.send(format!("RTSP/1.0 302 Moved\r\nLocation: {location}\r\n\r\n").as_bytes())
                    .await
            }
        }
    }

    /// Reads requests without answering any.
    async fn take_requests(&mut self) -> std::io::Result<()> {
        while let Some(request) = self.request().await? {
            self.seen.requests.push(request.split(' ').next().unwrap().to_owned());
        }
        Ok(())
    }

    /// Says nothing until the client resets; a FIN alone is not answered.
    async fn wait_for_end(&mut self) -> std::io::Result<()> {
        self.take_requests().await?;
        loop {
            tokio::time::sleep(Duration::from_millis(5)).await;
            if let Some(error) = self.stream.take_error()? {
                return Err(error);
            }
        }
    }

    async fn play(&mut self, media: Media) -> std::io::Result<()> {
        let mut number = 100;
        match media {
            Media::None | Media::AfterSigns => {}
            Media::Good => {
                for (timestamp, marker, nal) in
                    [(1, true, DELTA), (2, false, SPS), (2, false, PPS), (2, true, IDR)]
                {
                    self.packet(&mut number, timestamp, marker, nal).await?;
                }
            }
            Media::NoKey => {
                for timestamp in 0..20 {
                    self.packet(&mut number, timestamp, true, DELTA).await?;
                }
            }
            Media::Endless => {
                let mut fragment = vec![0x7c, 0x85, 0x88];
                fragment.resize(1400, 1);
                loop {
                    self.packet(&mut number, 1, false, &fragment).await?;
                    fragment[1] = 0x05;
                }
            }
            Media::Half(bad) => {
                self.packet(&mut number, 1, false, &[0x7c, 0x85, 0x88, 1, 2]).await?;
                self.misbehave(bad).await?;
            }
        }
        Ok(())
    }

    async fn packet(
        &mut self,
        number: &mut u16,
        timestamp: u8,
        marker: bool,
        payload: &[u8],
    ) -> std::io::Result<()> {
        let length = u16::try_from(12 + payload.len()).unwrap().to_be_bytes();
        let sequence = number.to_be_bytes();
        *number = number.wrapping_add(1);
        let mut bytes = vec![b'$', 2, length[0], length[1], 0x80, u8::from(marker) << 7 | 0x60];
        bytes.extend_from_slice(&[sequence[0], sequence[1], 0, 0, 0, timestamp, 0, 0, 0, 1]);
        bytes.extend_from_slice(payload);
        self.send(&bytes).await
    }
}
