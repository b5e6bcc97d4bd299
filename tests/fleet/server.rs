//! The real program as a child: starting, asking, ending, and what it leaves behind.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::children::marked;
use crate::clock::until;
use crate::http::{Answer, PASSWORD, ask};

/// Longest wait for a start; the machine may be busy.
const START: Duration = Duration::from_secs(30);
/// The promise for the end after SIGTERM.
pub(crate) const END: Duration = Duration::from_secs(10);
/// Lines of the log that a failed test shows.
const TAIL: usize = 60;

/// Where a server works, over all its runs.
pub(crate) struct Place {
    pub(crate) manifests: PathBuf,
    pub(crate) data: PathBuf,
    /// Where its servers listen.
    host: Ipv4Addr,
    directory: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::at(Ipv4Addr::LOCALHOST)
    }

    /// With an address of its own: servers of other tests may offer WebRTC at the same ports.
    pub(crate) fn with_address() -> Self {
        static ADDRESSES: AtomicU8 = AtomicU8::new(1);
        let nth = ADDRESSES.fetch_add(1, Ordering::Relaxed);
        let [.., high, low] = std::process::id().to_be_bytes();
        Self::at(Ipv4Addr::new(127, 150 + high % 50, low, nth))
    }

    /// With servers that listen there.
    pub(crate) fn at(host: Ipv4Addr) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (manifests, data) = (directory.path().join("manifests"), directory.path().join("data"));
        fs::create_dir_all(&manifests).unwrap();
        Self { manifests, data, host, directory }
    }

    /// A shell script to be run in the place of ffmpeg.
    pub(crate) fn program(&self, script: &str) -> String {
        let path = self.directory.path().join("ffmpeg");
        fs::write(&path, format!("#!/bin/sh\n{script}")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// What the marks of this place's children say.
    pub(crate) fn installation(&self) -> String {
        fs::read_to_string(self.data.join("installation")).unwrap().trim().to_owned()
    }

    /// Starts a server here and waits until it answers.
    pub(crate) fn start(&self) -> Server {
        self.start_logging("info")
    }

    /// Starts a server that logs so much.
    pub(crate) fn start_logging(&self, level: &str) -> Server {
        let server = self.spawn_logging(level);
        until(START, "the server answers", || server.answers().then_some(()));
        server
    }

    /// Starts a server that may end at once.
    pub(crate) fn spawn(&self) -> Server {
        self.spawn_logging("info")
    }

    fn spawn_logging(&self, level: &str) -> Server {
        let free = TcpListener::bind((self.host, 0)).unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let mut child = command()
            .arg("run")
            .arg("-f")
            .arg(&self.manifests)
            .arg("--data-dir")
            .arg(&self.data)
            .args(["--listen", &address.to_string()])
            .args(["--log", level])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = BufReader::new(child.stderr.take().unwrap());
        let reader = std::thread::spawn({
            let log = Arc::clone(&log);
            move || {
                for line in lines.lines().map_while(Result::ok) {
                    log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                }
            }
        });
        Server { address, child, log, reader: Some(reader) }
    }
}

/// What a failed test left: the marks of this place are no one else's.
impl Drop for Place {
    fn drop(&mut self) {
        let Ok(installation) = fs::read_to_string(self.data.join("installation")) else { return };
        for child in marked(installation.trim()) {
            if let Some(pid) = i32::try_from(child.pid).ok().and_then(Pid::from_raw) {
                // It may have ended by itself.
                kill_process(pid, Signal::KILL).ok();
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "runs the program under test")]
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_camserver"));
    command.env_remove("CAMSERVER_LOG").env_remove("CAMSERVER_URL").env("NO_COLOR", "1");
    command
}

/// A running server; dropping it kills the program and looks through its log.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Server {
    fn answers(&self) -> bool {
        ask(self.address, "GET", "/healthz", "").is_ok_and(|answer| answer.status == 200)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        ask(self.address, "GET", path, "").unwrap()
    }

    /// An answer of the API.
    pub(crate) fn api(&self, path: &str) -> Value {
        let answer = self.get(&format!("/api/v1{path}"));
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    pub(crate) fn items(&self, path: &str) -> Vec<Value> {
        self.api(path)["items"].as_array().unwrap().clone()
    }

    /// One of the program's own commands against this server.
    pub(crate) fn cli(&self, arguments: &[&str]) -> Output {
        let url = format!("http://{}", self.address);
        command().args(arguments).env("CAMSERVER_URL", url).output().unwrap()
    }

    /// The value of a line of `/metrics` that begins so.
    pub(crate) fn metric(&self, series: &str) -> Option<f64> {
        let text = self.get("/metrics").text();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
        line.trim().parse().ok()
    }

    /// Sweeps, newest first, the one that is going on included.
    pub(crate) fn sweeps(&self) -> Vec<Value> {
        self.items("/sweeps?limit=500")
    }

    /// Waits for the end of a sweep that began with or after number `first`.
    pub(crate) fn sweep_done(&self, first: i64, limit: Duration) -> Value {
        until(limit, &format!("a sweep from {first} on has ended"), || {
            let done =
                |sweep: &Value| sweep["id"].as_i64() >= Some(first) && sweep["state"] == "done";
            self.sweeps().into_iter().rfind(done)
        })
    }

    pub(crate) fn last_sweep_id(&self) -> i64 {
        self.sweeps().first().and_then(|sweep| sweep["id"].as_i64()).unwrap_or(0)
    }

    /// Kibibytes that the program holds in memory.
    pub(crate) fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    /// Live views in force.
    pub(crate) fn views(&self) -> Vec<Value> {
        let mut leases = self.items("/leases?limit=500");
        leases.retain(|lease| !lease["quality"].is_null());
        leases
    }

    /// SIGKILL; the program has no time for anything.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; the program must end in time and without an error.
    pub(crate) fn stop(mut self) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).unwrap();
        let status = until(END, "the server has ended after SIGTERM", || self.ended());
        assert_eq!(status.code(), Some(0), "{}", self.log());
    }

    /// Waits for an end that nobody asked for.
    pub(crate) fn wait(mut self) -> (ExitStatus, String) {
        let status = until(START, "the server has ended by itself", || self.ended());
        self.read_to_end();
        (status, self.log())
    }

    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    fn read_to_end(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
        self.read_to_end();
        let log = self.log();
        if std::thread::panicking() {
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("{}", lines[lines.len().saturating_sub(TAIL)..].join("\n"));
        } else {
            assert!(!log.contains("panicked"), "{log}");
            assert!(!log.contains(PASSWORD), "the log shows the password");
        }
    }
}

/// One condition of an object.
pub(crate) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}

/// Whether a condition of an object is `True`.
pub(crate) fn holds(object: &Value, kind: &str) -> bool {
    condition(object, kind).is_some_and(|condition| condition["status"] == "True")
}

/// A time of the API.
pub(crate) fn time(value: &Value) -> jiff::Timestamp {
    value.as_str().unwrap().parse().unwrap()
}
