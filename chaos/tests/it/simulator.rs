//! Starts the program on addresses of its own and talks to it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

pub(crate) const PORT: u16 = 18554;
pub(crate) const HTTP_PORT: u16 = 18080;

static FLEETS: AtomicU32 = AtomicU32::new(0);

/// A running fleet; dropping it ends the program.
pub(crate) struct Simulator {
    child: Child,
    control: String,
    network: String,
}

impl Simulator {
    #[expect(clippy::disallowed_methods, reason = "the test starts the program under test")]
    pub(crate) fn start(arguments: &[&str]) -> Self {
        // Every fleet has a network of its own, so tests neither meet each other nor other runs.
        let nth = FLEETS.fetch_add(1, Ordering::Relaxed);
        let network = format!("127.{}.{nth}", 100 + std::process::id() % 100);
        let mut child = Command::new(env!("CARGO_BIN_EXE_camsim"))
            .args(["--control", "127.0.0.1:0", "--first", &format!("{network}.1")])
            .args(["--port", &PORT.to_string(), "--size", "320x184", "--main-size", "640x360"])
            .args(["--gop", "500ms"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().rsplit("http://").next().unwrap();
        let control = url.trim_end_matches("/cameras").to_owned();
        Self { child, control, network }
    }

    /// Address of camera `nth`, counted from 1.
    pub(crate) fn address(&self, nth: u32) -> String {
        format!("{}.{nth}", self.network)
    }

    pub(crate) fn url(&self, nth: u32, path: &str) -> String {
        format!("rtsp://{}:{PORT}{path}", self.address(nth))
    }

    pub(crate) fn url_with_password(&self, nth: u32, path: &str) -> String {
        format!("rtsp://admin:camsim@{}:{PORT}{path}", self.address(nth))
    }

    /// What the control API says of camera `nth`.
    pub(crate) fn item(&self, nth: u32) -> Value {
        self.control("GET", &format!("/cameras/cam-{nth:03}"), "").1
    }

    pub(crate) fn count(&self, nth: u32, field: &str) -> u64 {
        self.item(nth)[field].as_u64().unwrap()
    }

    pub(crate) fn fault(&self, nth: u32, fault: &str) {
        let (status, answer) = self.control("PUT", &format!("/cameras/cam-{nth:03}/fault"), fault);
        assert_eq!(status, 200, "{fault}: {answer}");
    }

    pub(crate) fn heal(&self, nth: u32) {
        assert_eq!(self.control("DELETE", &format!("/cameras/cam-{nth:03}/fault"), "").0, 200);
    }

    pub(crate) fn scene(&self, nth: u32, scene: &str) {
        let body = format!("{{\"scene\": \"{scene}\"}}");
        assert_eq!(self.control("PUT", &format!("/cameras/cam-{nth:03}/scene"), &body).0, 200);
    }

    pub(crate) fn control(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let (status, body) = http(&self.control, method, path, body);
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    /// The program's memory.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let path = format!("/proc/{}/statm", self.child.id());
        let text = std::fs::read_to_string(path).unwrap();
        text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
    }

    /// Ends the program politely and waits for it.
    pub(crate) fn terminate(mut self) -> std::process::ExitStatus {
        let pid = i32::try_from(self.child.id()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// One HTTP exchange.
pub(crate) fn http(host: &str, method: &str, path: &str, body: &str) -> (u16, Vec<u8>) {
    let mut stream = connect(host);
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut reader = BufReader::new(stream);
    let (status, headers) = read_head(&mut reader).unwrap();
    let length = headers.iter().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    (status, body)
}

pub(crate) fn connect(host: &str) -> TcpStream {
    let address = host.to_socket_addrs().unwrap().next().unwrap();
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream
}

/// Status and headers (in small letters) of an answer.
pub(crate) fn read_head(reader: &mut BufReader<TcpStream>) -> std::io::Result<(u16, Vec<String>)> {
    let mut lines = Vec::new();
    loop {
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let line = String::from_utf8_lossy(&line).trim().to_lowercase();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    // Noise may begin with an empty line.
    let status = lines.first().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    Ok((status.ok_or(std::io::ErrorKind::InvalidData)?, lines))
}

/// A bare RTSP client.
pub(crate) struct Client {
    pub reader: BufReader<TcpStream>,
    url: String,
    session: Option<String>,
    sequence: u32,
}

impl Client {
    /// Bytes that the kernel holds for this side and that nobody has read.
    pub(crate) fn unread_bytes(&self) -> u64 {
        let socket = self.reader.get_ref();
        let hex = |address: SocketAddr| {
            let SocketAddr::V4(address) = address else { panic!("not IPv4") };
            format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port())
        };
        // Both ends: connections to other places may have the same port here.
        let ends = [hex(socket.local_addr().unwrap()), hex(socket.peer_addr().unwrap())];
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let of = |line: &&str| line.split_whitespace().skip(1).take(2).eq(&ends);
        let line = table.lines().find(of).unwrap();
        let queues = line.split_whitespace().nth(4).unwrap();
        u64::from_str_radix(queues.split_once(':').unwrap().1, 16).unwrap()
    }

    pub(crate) fn connect(simulator: &Simulator, nth: u32) -> Self {
        Self::connect_to(&simulator.address(nth), &simulator.url(nth, "/sub"))
    }

    fn connect_to(address: &str, url: &str) -> Self {
        let reader = BufReader::new(connect(&format!("{address}:{PORT}")));
        Self { reader, url: url.to_owned(), session: None, sequence: 0 }
    }

    pub(crate) fn send(&mut self, method: &str) {
        self.sequence += 1;
        let (target, extra) = if method == "SETUP" {
            let transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
            (format!("{}/trackID=0", self.url), transport.to_owned())
        } else {
            let session = self.session.as_ref();
            let header = session.map(|id| format!("Session: {id}\r\n")).unwrap_or_default();
            (self.url.clone(), header)
        };
        let sequence = self.sequence;
        let text = format!("{method} {target} RTSP/1.0\r\nCSeq: {sequence}\r\n{extra}\r\n");
        self.reader.get_mut().write_all(text.as_bytes()).unwrap();
    }

    /// Reads an answer, over pictures that come before it; its body is read and dropped.
    pub(crate) fn receive(&mut self) -> std::io::Result<u16> {
        while self.reader.fill_buf()?.first() == Some(&b'$') {
            self.packet()?;
        }
        let (status, headers) = read_head(&mut self.reader)?;
        for line in &headers {
            if let Some(length) = line.strip_prefix("content-length: ") {
                let mut body = vec![0; length.parse().unwrap()];
                self.reader.read_exact(&mut body)?;
            }
            if let Some(session) = line.strip_prefix("session: ") {
                let id = session.split(';').next().unwrap();
                self.session = Some(id.to_uppercase());
            }
        }
        Ok(status)
    }

    pub(crate) fn ask(&mut self, method: &str) -> std::io::Result<u16> {
        self.send(method);
        self.receive()
    }

    /// From DESCRIBE to PLAY.
    pub(crate) fn play(&mut self) {
        for method in ["DESCRIBE", "SETUP", "PLAY"] {
            assert_eq!(self.ask(method).unwrap(), 200, "{method}");
        }
    }

    /// The next interleaved packet, with its channel.
    pub(crate) fn packet(&mut self) -> std::io::Result<(u8, Vec<u8>)> {
        let mut head = [0; 4];
        self.reader.read_exact(&mut head)?;
        if head[0] != b'$' {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
        let mut packet = vec![0; usize::from(u16::from_be_bytes([head[2], head[3]]))];
        self.reader.read_exact(&mut packet)?;
        Ok((head[1], packet))
    }

    /// Ends the connection with RST instead of FIN.
    pub(crate) fn reset(self) {
        let socket = socket2::SockRef::from(self.reader.get_ref());
        socket.set_linger(Some(Duration::ZERO)).unwrap();
    }

    pub(crate) fn patience(&self, time: Duration) {
        self.reader.get_ref().set_read_timeout(Some(time)).unwrap();
    }
}

/// Waits until something holds, at most ten seconds.
#[expect(clippy::disallowed_methods, reason = "a test waits in real time")]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(10), "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
