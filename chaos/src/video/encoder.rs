//! Runs ffmpeg once for each group of drawings and keeps what it made on disk, so that the next
//! start costs nothing. It hands back byte streams and understands nothing of them.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::Codec;
use super::image::Image;

/// Part of every cached file's name; raise it whenever drawings or encoder settings change.
const EDITION: u32 = 2;

/// Why the real encoder gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The cache directory cannot be used.
    #[error("use the cache directory {}", path.display())]
    Cache {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// ffmpeg could not be run.
    #[error("run ffmpeg")]
    Run(#[source] io::Error),
    /// ffmpeg ended with an error.
    #[error("ffmpeg could not encode {job}: {text}")]
    Failed {
        /// What was to be encoded.
        job: String,
        /// What ffmpeg wrote.
        text: String,
    },
}

/// What is to be encoded.
pub(crate) struct Job<'a> {
    /// How.
    pub codec: Codec,
    /// What the drawings are called in the cache.
    pub name: &'a str,
    /// The size of the pictures that the drawings are parts of.
    pub picture: (usize, usize),
    /// Width and height of each drawing.
    pub size: (usize, usize),
    /// Pictures a second, for the timing fields of the parameter sets.
    pub fps: u32,
    /// How rough the drawings are: others than the smooth ones.
    pub grain: u8,
    /// True when each drawing must stand alone, false for a sequence with references.
    pub each_alone: bool,
}

/// An encoder with its cache.
pub(crate) struct Encoder {
    ffmpeg: PathBuf,
    cache: PathBuf,
}

impl Encoder {
    /// An encoder that keeps its results in a directory of this user's own under the system's
    /// temporary directory.
    pub(crate) fn new(ffmpeg: PathBuf) -> Result<Self, EncodeError> {
        let user = rustix::process::getuid().as_raw();
        let path = std::env::temp_dir().join(format!("camsim-pieces-{user}"));
        let prepare = || {
            use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
            // Somebody else's directory could hold anything.
            let found = fs::symlink_metadata(&path)?;
            if found.is_dir() && found.uid() == user {
                Ok(())
            } else {
                Err(io::Error::other("it belongs to another user"))
            }
        };
        prepare().map_err(|source| EncodeError::Cache { path: path.clone(), source })?;
        Ok(Self { ffmpeg, cache: path })
    }

    /// The byte stream of the drawings, from the cache or from ffmpeg.
    pub(crate) fn encode(
        &self,
        job: &Job<'_>,
        drawings: impl Iterator<Item = Image>,
    ) -> Result<Vec<u8>, EncodeError> {
        let file = self.cache.join(format!(
            "{EDITION}-{:?}-{}x{}-{}fps-{}-{}x{}-g{}.bin",
            job.codec,
            job.picture.0,
            job.picture.1,
            job.fps,
            job.name,
            job.size.0,
            job.size.1,
            job.grain
        ));
        if let Ok(known) = fs::read(&file) {
            return Ok(known);
        }
        let failed = |source| EncodeError::Cache { path: self.cache.clone(), source };
        let made = tempfile::NamedTempFile::new_in(&self.cache).map_err(failed)?;
        self.run(job, drawings, made.path())?;
        let stream = fs::read(made.path()).map_err(failed)?;
        made.persist(&file).map_err(|error| failed(error.error))?;
        Ok(stream)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the simulator's encoder is a child that it feeds and awaits here"
    )]
    fn run(
        &self,
        job: &Job<'_>,
        drawings: impl Iterator<Item = Image>,
        to: &Path,
    ) -> Result<(), EncodeError> {
        let mut child = std::process::Command::new(&self.ffmpeg)
            .args(["-v", "error", "-nostdin", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p"])
            .args(["-video_size", &format!("{}x{}", job.size.0, job.size.1)])
            .args(["-framerate", &job.fps.to_string(), "-i", "pipe:0"])
            .args(codec_arguments(job))
            .arg(to)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(EncodeError::Run)?;
        let mut fed = Ok(());
        if let Some(mut input) = child.stdin.take() {
            for image in drawings {
                fed = input
                    .write_all(&image.luma)
                    .and_then(|()| input.write_all(&image.chroma[0]))
                    .and_then(|()| input.write_all(&image.chroma[1]));
                if fed.is_err() {
                    break;
                }
            }
        }
        let output = child.wait_with_output().map_err(EncodeError::Run)?;
        if output.status.success() && fed.is_ok() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(EncodeError::Failed { job: format!("{:?} {}", job.codec, job.name), text })
    }
}

// Everything that a slice header or a parameter set says must be the same in every run, whatever
// the size; every tool that reaches across slices is off.
fn codec_arguments(job: &Job<'_>) -> Vec<String> {
    const X264: &str = "keyint=250:min-keyint=250:scenecut=0:bframes=0:ref=1:weightp=0:\
        no-deblock=1:aq-mode=0:cabac=1:8x8dct=1:threads=1:sliced-threads=0:rc-lookahead=0:\
        sync-lookahead=0:mbtree=0:psy=0";
    const X265: &str = "keyint=250:min-keyint=250:scenecut=0:bframes=0:ref=1:no-weightp=1:\
        no-deblock=1:no-sao=1:ctu=16:min-cu-size=16:max-tu-size=16:no-wpp=1:pools=1:\
        frame-threads=1:aq-mode=0:no-cutree=1:no-temporal-mvp=1:no-signhide=1:no-info=1:\
        log-level=error:rc-lookahead=0:no-open-gop=1:no-strong-intra-smoothing=1:\
        tu-intra-depth=2:qp=28:repeat-headers=1:no-amp=1:no-rect=1:psy-rd=0";
    let mut arguments: Vec<&str> = match job.codec {
        Codec::H264 => {
            let settings = ["-c:v", "libx264", "-preset", "veryfast", "-profile:v", "high"];
            let rest = ["-qp", "25", "-x264-params", X264, "-f", "h264"];
            settings.into_iter().chain(rest).collect()
        }
        Codec::H265 => {
            let settings = ["-c:v", "libx265", "-preset", "superfast"];
            let rest = ["-x265-params", X265, "-f", "hevc"];
            settings.into_iter().chain(rest).collect()
        }
        Codec::Mjpeg => vec!["-c:v", "mjpeg", "-f", "mjpeg"],
    };
    if job.each_alone {
        arguments.splice(0..0, ["-forced-idr", "1", "-force_key_frames", "expr:1"]);
    }
    arguments.into_iter().map(str::to_owned).collect()
}
