//! The cameras, and the programs that hand their streams out: camserver with one of its engines, or
//! go2rtc alone. They run as processes of their own.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::child::Running;
use crate::http::{ask, get};
use crate::viewers::Place;

/// Cameras that are watched.
pub(crate) const CAMERAS: usize = 30;
/// A program gets this long to be ready.
const START: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(100);
const FIRST: [u8; 4] = [127, 125, 77, 1];
const PORT: u16 = 10854;
/// Longer than any measurement.
const LEASE: &str = "1h";

/// Simulated cameras with one connection each.
pub(crate) struct Cameras {
    program: Running,
    control: SocketAddr,
}

impl Cameras {
    pub(crate) fn start(folder: &Path) -> anyhow::Result<Self> {
        let control = free_address()?;
        let [a, b, c, d] = FIRST;
        let arguments = format!(
            "--cameras {CAMERAS} --first {a}.{b}.{c}.{d} --port {PORT} --control {control} \
             --limit 1 --gop 2s"
        );
        let mut program = Running::start("camsim", &words(&arguments), &folder.join("camsim.log"))?;
        program.first_line().and_then(|_| program.check()).context("camsim")?;
        Ok(Self { program, control })
    }

    fn url(nth: usize) -> String {
        let [a, b, c, d] = FIRST;
        format!("rtsp://{a}.{b}.{c}.{}:{PORT}/sub", usize::from(d) + nth)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.program.child.id()
    }

    /// Forgets what was counted, once nobody is connected any more.
    pub(crate) fn settle(&self) -> anyhow::Result<()> {
        wait("the cameras have no connections", || Ok(self.counts("connections")?.max == 0))?;
        ask(self.control, "POST /reset", "", "").map(drop)
    }

    /// The least and the most that any of them counted.
    pub(crate) fn counts(&self, field: &str) -> anyhow::Result<Span> {
        let text = get(self.control, "/cameras")?;
        let items: Value = serde_json::from_str(&text)?;
        let items = items["items"].as_array().context("no cameras")?;
        let counts = items.iter().filter_map(|item| item[field].as_u64());
        let (min, max) = counts.fold((u64::MAX, 0), |(min, max), n| (min.min(n), max.max(n)));
        Ok(Span { min, max })
    }
}

/// From the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) min: u64,
    pub(crate) max: u64,
}

/// A program that hands streams out.
pub(crate) struct Source {
    pub(crate) program: Running,
    address: SocketAddr,
    is_bare: bool,
}

impl Source {
    /// camserver with an engine, up to where it would open a camera.
    pub(crate) fn camserver(folder: &Path, go2rtc: Option<&Path>) -> anyhow::Result<Self> {
        let name = if go2rtc.is_some() { "go2rtc" } else { "native" };
        let folder = folder.join(name);
        let manifests = folder.join("manifests");
        fs::create_dir_all(&manifests)?;
        fs::write(manifests.join("all.yaml"), documents(name, go2rtc))?;
        let address = free_address()?;
        let arguments = format!(
            "run -f {} --data-dir {} --listen {address}",
            manifests.display(),
            folder.join("data").display()
        );
        let log = folder.join("camserver.log");
        let mut program = Running::start("camserver", &words(&arguments), &log)?;
        wait("camserver is ready", || {
            program.check()?;
            Ok(get(address, "/readyz").is_ok())
        })?;
        Ok(Self { program, address, is_bare: false })
    }

    /// go2rtc alone, with the cameras as its streams.
    pub(crate) fn go2rtc(folder: &Path, binary: &Path) -> anyhow::Result<Self> {
        let folder = folder.join("bare");
        fs::create_dir_all(&folder)?;
        let address = free_address()?;
        let stream = |nth| {
            let source = format!("{}#backchannel=0#media=video#timeout=10", Cameras::url(nth));
            (name(nth), json!(source))
        };
        let streams: serde_json::Map<String, Value> = (0..CAMERAS).map(stream).collect();
        let config = json!({
            "app": {"modules": ["api", "ws", "rtsp", "mp4"]},
            "api": {"listen": address.to_string()},
            "rtsp": {"listen": ""},
            "streams": streams,
        });
        let path = folder.join("go2rtc.yaml");
        fs::write(&path, config.to_string())?;
        let arguments = ["-c".to_owned(), path.display().to_string()];
        let mut program = Running::start_at(binary, &arguments, &folder.join("go2rtc.log"))?;
        wait("go2rtc is ready", || {
            program.check()?;
            Ok(get(address, "/api").is_ok())
        })?;
        Ok(Self { program, address, is_bare: true })
    }

    /// A place for one more viewer.
    pub(crate) fn place(&self, nth: usize) -> anyhow::Result<Place> {
        let (server, camera) = (self.address, name(nth % CAMERAS));
        let cookie = format!("camserver_client=viewer-{nth}");
        if self.is_bare {
            let path = format!("/api/ws?src={camera}");
            let hello = json!({"type": "mse", "value": "avc1.640029"});
            return Ok(Place { server, path, cookie, hello: Some(hello.to_string()) });
        }
        let wish = json!({"camera": camera, "quality": "sub"}).to_string();
        let mut path = None;
        // No view is granted before the first look at connections.
        wait("a view is granted", || {
            let (status, body) = ask(server, "POST /api/v1/modal/lease", &cookie, &wish)?;
            ensure!(matches!(status, 201 | 503), "{body}");
            let body: Value = serde_json::from_str(&body)?;
            path = body["ws"].as_str().map(str::to_owned);
            Ok(path.is_some())
        })?;
        Ok(Place { server, path: path.unwrap_or_default(), cookie, hello: None })
    }
}

fn name(nth: usize) -> String {
    format!("cam-{:03}", nth + 1)
}

/// The manifests: no sweeps, room for all viewers.
fn documents(engine: &str, go2rtc: Option<&Path>) -> String {
    let mut server = json!({
        "live": {"engine": engine},
        "admission": {
            "totalUnits": 200, "leaseTtl": LEASE, "grace": LEASE,
            "overload": {"cpuPercent": 100, "memoryPercent": 100},
        },
    });
    if let Some(binary) = go2rtc {
        server["gateway"] = json!({"binary": binary});
    }
    let [a, b, ..] = FIRST;
    let subnet = json!({"cidr": format!("{a}.{b}.0.0/16"), "sweep": {"suspend": true}});
    let family = json!({"maxConnections": 1});
    let mut all = vec![
        object("Server", "here", &server),
        object("Subnet", "sim", &subnet),
        object("CameraFamily", "sim", &family),
    ];
    all.extend((0..CAMERAS).map(|nth| {
        let url = Cameras::url(nth);
        let address = url.trim_start_matches("rtsp://").split(':').next();
        let spec = json!({
            "subnet": "sim", "family": "sim", "address": address, "port": PORT,
            "streams": {"sub": "/sub"},
        });
        object("Camera", &name(nth), &spec)
    }));
    all.concat()
}

/// One document; JSON is YAML.
fn object(kind: &str, name: &str, spec: &Value) -> String {
    let metadata = json!({"name": name});
    let document = json!({
        "apiVersion": "camserver.dev/v1", "kind": kind, "metadata": metadata, "spec": spec,
    });
    format!("---\n{document}\n")
}

/// go2rtc, where it is on this host: named by `GO2RTC` or on the `PATH`.
pub(crate) fn find_go2rtc() -> Option<PathBuf> {
    let named = std::env::var_os("GO2RTC").map(PathBuf::from);
    let on_path = || {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).map(|folder| folder.join("go2rtc")).find(|file| file.is_file())
    };
    named.or_else(on_path)
}

fn words(text: &str) -> Vec<String> {
    text.split_ascii_whitespace().map(str::to_owned).collect()
}

fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Waits for a condition.
#[expect(clippy::disallowed_methods, reason = "real time is what a measurement is about")]
pub(crate) fn wait(
    what: &str,
    mut is_so: impl FnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    while !is_so()? {
        ensure!(begun.elapsed() < START, "not in time: {what}");
        sleep(POLL);
    }
    Ok(())
}
