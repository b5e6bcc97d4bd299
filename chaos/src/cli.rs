//! The command line of `camsim`, and what it starts.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, Subcommand, ValueEnum};
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

use crate::camera::Face;
use crate::control;
use crate::fleet::{Fleet, FleetSettings};
use crate::manifests::{self, ManifestSettings};
use crate::rtsp::auth::Scheme;
use crate::sound::{Sound, SoundTiming};
use crate::video::Codec;
use crate::video::stamp::Stamp;

/// A fleet of simulated IP cameras that speak RTSP on addresses of their own in 127.0.0.0/8.
#[derive(Debug, Parser)]
#[command(name = "camsim", version, args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prints the camera's name and the sending time that stand in a picture.
    Stamp {
        /// The picture.
        file: PathBuf,
    },
}

/// The cameras' codecs.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Codecs {
    H264,
    H265,
    Mjpeg,
    /// H.264, H.265, MJPEG in turn.
    Mixed,
}

#[derive(Debug, clap::Args)]
struct RunArguments {
    /// Number of cameras.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=9_999))]
    cameras: u32,
    /// Address of the first camera; the others follow.
    #[arg(long, default_value = "127.125.0.11")]
    first: Ipv4Addr,
    /// RTSP port of every camera.
    #[arg(long, default_value_t = 10554)]
    port: u16,
    /// HTTP port of every camera, with /snapshot.jpg; 0 for none.
    #[arg(long, default_value_t = 0)]
    http_port: u16,
    /// Address of the control API.
    #[arg(long, default_value = "127.0.0.1:9554")]
    control: SocketAddr,
    /// Directory to write matching manifests to.
    #[arg(long, value_name = "DIR")]
    manifests: Option<PathBuf>,
    /// Connections that a camera serves at once.
    #[arg(long, default_value_t = 2)]
    limit: u64,
    /// What a camera does beyond its limit: a status (401, 403, 453, 500), `refuse`, `reset`, or
    /// `mixed` for all of them in turn.
    #[arg(long, default_value = "453", value_parser = parse_faces)]
    full: Faces,
    /// How pictures are coded.
    #[arg(long, default_value = "h264")]
    codec: Codecs,
    /// Size of /sub.
    #[arg(long, default_value = "640x360", value_parser = parse_size)]
    size: (usize, usize),
    /// Size of /main.
    #[arg(long, default_value = "1920x1080", value_parser = parse_size)]
    main_size: (usize, usize),
    /// Pictures a second.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=60))]
    fps: u32,
    /// Time from one key picture to the next.
    #[arg(long, default_value = "2s", value_parser = parse_duration)]
    gop: Duration,
    /// Luma steps that each sample of the landscapes is off at most: grain as of a sensor by night,
    /// which makes key pictures several times larger.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=60))]
    grain: u8,
    /// Kilobits a second that H.264 and H.265 are padded to with filler data; 0 for none.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=50_000))]
    bitrate: u64,
    /// What cameras do about sound.
    #[arg(long, default_value = "none")]
    sound: Sound,
    #[command(flatten)]
    timing: SoundTiming,
    /// Credentials that cameras ask for.
    #[arg(long, default_value = "none")]
    auth: Scheme,
    /// Name of the user.
    #[arg(long, default_value = "admin")]
    user: String,
    /// Password of the user.
    #[arg(long, default_value = "camsim")]
    password: String,
    /// How long a digest nonce is good before it is stale.
    #[arg(long, default_value = "1h", value_parser = parse_duration)]
    nonce_lifetime: Duration,
    /// A session of which nothing is heard for so long ends.
    #[arg(long, default_value = "60s", value_parser = parse_duration)]
    session_timeout: Duration,
    /// For the manifests: time between two sweeps.
    #[arg(long, default_value = "60s")]
    interval: String,
    /// For the manifests: rest after a sweep.
    #[arg(long, default_value = "1s")]
    cooldown: String,
    /// For the manifests: cameras swept at once.
    #[arg(long, default_value_t = 8)]
    concurrency: u32,
    /// For the manifests: YAML merged into every camera's spec.
    #[arg(long, value_name = "YAML", value_parser = parse_yaml)]
    camera_spec: Option<Value>,
    /// For the manifests: YAML merged into the server's spec.
    #[arg(long, value_name = "YAML", value_parser = parse_yaml)]
    server_spec: Option<Value>,
    /// The ffmpeg that encodes the pictures at the first start.
    #[arg(long, default_value = "ffmpeg")]
    ffmpeg: PathBuf,
}

#[derive(Clone, Debug)]
struct Faces(Vec<Face>);

/// Does what the command line says; returns when it is done, or after SIGTERM or SIGINT.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.command {
        Some(Command::Stamp { file }) => {
            let jpeg = std::fs::read(&file).with_context(|| format!("read {}", file.display()))?;
            let stamp =
                Stamp::from_jpeg(&jpeg).with_context(|| format!("read {}", file.display()))?;
            say(&stamp.to_string());
            Ok(())
        }
        None => serve(arguments.run).await,
    }
}

async fn serve(arguments: RunArguments) -> anyhow::Result<()> {
    raise_file_limit();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let settings = arguments.fleet();
    let fleet = tokio::select! {
        started = Fleet::start(settings.clone()) => started?,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    if let Some(manifests) = arguments.manifests() {
        manifests::write(&manifests, &settings)?;
    }
    let control = tokio::net::TcpListener::bind(arguments.control)
        .await
        .with_context(|| format!("listen on {}", arguments.control))?;
    say(&format!(
        "camsim: {} cameras from rtsp://{}:{}/sub on, control at http://{}/cameras",
        settings.cameras,
        settings.first,
        settings.port,
        control.local_addr()?
    ));
    tokio::select! {
        served = async { axum::serve(control, control::router(&fleet)).await } => served?,
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    fleet.stop().await;
    Ok(())
}

impl RunArguments {
    fn fleet(&self) -> FleetSettings {
        FleetSettings {
            cameras: self.cameras,
            first: self.first,
            port: self.port,
            http_port: self.http_port,
            limit: self.limit,
            faces: self.full.0.clone(),
            codecs: match self.codec {
                Codecs::H264 => vec![Codec::H264],
                Codecs::H265 => vec![Codec::H265],
                Codecs::Mjpeg => vec![Codec::Mjpeg],
                Codecs::Mixed => vec![Codec::H264, Codec::H265, Codec::Mjpeg],
            },
            size: self.size,
            main_size: self.main_size,
            fps: self.fps,
            gop: self.gop,
            grain: self.grain,
            bitrate: self.bitrate * 1000,
            sound: self.sound,
            timing: self.timing,
            auth: self.auth,
            username: self.user.clone(),
            password: self.password.clone(),
            nonce_lifetime: self.nonce_lifetime,
            session_timeout: self.session_timeout,
            ffmpeg: self.ffmpeg.clone(),
        }
    }

    fn manifests(&self) -> Option<ManifestSettings> {
        let empty = || Value::Object(serde_json::Map::new());
        Some(ManifestSettings {
            directory: self.manifests.clone()?,
            interval: self.interval.clone(),
            cooldown: self.cooldown.clone(),
            concurrency: self.concurrency,
            camera_spec: self.camera_spec.clone().unwrap_or_else(empty),
            server_spec: self.server_spec.clone().unwrap_or_else(empty),
        })
    }
}

#[expect(clippy::print_stdout, reason = "the program's one line of output")]
fn say(line: &str) {
    println!("{line}");
}

// A thousand cameras with their connections need more than the usual 1024 descriptors.
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // What cannot be raised shows when descriptors run out.
    let _unchanged = setrlimit(Resource::Nofile, limit);
}

fn parse_size(text: &str) -> Result<(usize, usize), String> {
    let parsed = text
        .split_once('x')
        .and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    parsed.ok_or_else(|| format!("\"{text}\" is no size like 640x360"))
}

fn parse_faces(text: &str) -> Result<Faces, String> {
    let all = || {
        let mut faces: Vec<Face> = [401, 403, 453, 500].map(Face::Status).into();
        faces.extend([Face::Refuse, Face::Reset]);
        faces
    };
    match text {
        "refuse" => Ok(Faces(vec![Face::Refuse])),
        "reset" => Ok(Faces(vec![Face::Reset])),
        "mixed" => Ok(Faces(all())),
        _ => match text.parse() {
            Ok(status) if (400..=599).contains(&status) => Ok(Faces(vec![Face::Status(status)])),
            Ok(_) | Err(_) => {
                Err("expected a status from 400 to 599, `refuse`, `reset` or `mixed`".to_owned())
            }
        },
    }
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => 0,
    };
    match number.parse::<u64>().ok().and_then(|number| number.checked_mul(millis)) {
        Some(millis) if millis > 0 => Ok(Duration::from_millis(millis)),
        Some(_) | None => Err(format!("\"{text}\" is no time like 500ms, 2s, 5m or 1h")),
    }
}

fn parse_yaml(text: &str) -> Result<Value, String> {
    let value: Value = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    if value.is_object() { Ok(value) } else { Err("expected a YAML mapping".to_owned()) }
}
