//! Watches what this host offers for children: ffmpeg, control groups.
//!
//! A look starts a process and may take seconds, so it has a task of its own; the loop reads the
//! newest answer. It judges nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::chain::Chain;
use crate::model::observed::{CgroupState, Facilities, ToolState};
use crate::model::process::Unit;
use crate::model::snapshot::Snapshot;
use crate::world::ffmpeg::Version;
use crate::world::process::{
    Capability, ChildSpec, How, Limits, ProcessError, Spawner, StdoutSink,
};

/// Between looks at a program that is there.
const EVERY: Duration = Duration::from_mins(10);
/// Between looks at one that is not: somebody may be installing it.
const EVERY_MISSING: Duration = Duration::from_secs(30);
/// For `ffmpeg -version` to answer.
const ANSWER: Duration = Duration::from_secs(10);
/// Most bytes of its answer; a build with everything in it says about 3 KB.
const ANSWER_BYTES: usize = 64 * 1024;

/// The task that looks.
#[derive(Debug)]
pub struct FacilityWatch {
    spawner: Spawner,
    found: watch::Sender<Facilities>,
}

impl FacilityWatch {
    /// A watch that has not looked yet, and where its answers appear.
    pub fn new(spawner: Spawner) -> (Self, watch::Receiver<Facilities>) {
        let cgroups = match spawner.capability() {
            Capability::Delegated { .. } => CgroupState::Delegated,
            Capability::None { why } => CgroupState::Unavailable { why: why.as_str().into() },
        };
        let found = Facilities { ffmpeg: None, cgroups: Some(cgroups) };
        let (found, answers) = watch::channel(found);
        (Self { spawner, found }, answers)
    }

    /// Looks until `stop`, and at once when the manifests name another program.
    pub async fn run(self, mut snapshots: watch::Receiver<Arc<Snapshot>>, stop: CancellationToken) {
        loop {
            let program = program(&snapshots);
            let look = tokio::select! {
                () = stop.cancelled() => return,
                state = self.look(&program) => state,
            };
            let every = match look {
                ToolState::Usable { .. } => EVERY,
                ToolState::TooOld { .. } | ToolState::Unusable { .. } => EVERY_MISSING,
            };
            self.found.send_modify(|found| found.ffmpeg = Some(look));
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(every) => {}
                () = renamed(&mut snapshots, &program) => {}
            }
        }
    }

    async fn look(&self, program: &Path) -> ToolState {
        let spec = ChildSpec {
            args: vec!["-version".into()],
            stdout: StdoutSink::Piped { max: ANSWER_BYTES },
            limits: Limits { cpu_seconds: Some(ANSWER.as_secs()), ..Limits::default() },
            ..ChildSpec::new(program, Unit::Probe)
        };
        let unusable = |why: String| ToolState::Unusable { why: why.into() };
        let child = match self.spawner.spawn(spec).await {
            Ok(child) => child,
            Err(error) => return unusable(Chain(&error).to_string()),
        };
        match timeout(ANSWER, child.output()).await {
            Err(_) => unusable(format!("{} -version does not end", program.display())),
            Ok(Err(error @ ProcessError::ProgramMissing { .. })) => unusable(error.to_string()),
            Ok(Err(error)) => unusable(Chain(&error).to_string()),
            Ok(Ok(output)) => {
                let banner = String::from_utf8_lossy(&output.stdout);
                match Version::parse(&banner).filter(|_| output.how == How::Exited(0)) {
                    None => unusable(format!("{} is not ffmpeg", program.display())),
                    Some(version) if version < Version::OLDEST => ToolState::TooOld {
                        version: version.to_string().into(),
                        oldest: Version::OLDEST.to_string().into(),
                    },
                    Some(version) => ToolState::Usable { version: version.to_string().into() },
                }
            }
        }
    }
}

fn program(snapshots: &watch::Receiver<Arc<Snapshot>>) -> PathBuf {
    snapshots.borrow().desired.server.processes.ffmpeg.clone()
}

/// Waits until the manifests name another program.
async fn renamed(snapshots: &mut watch::Receiver<Arc<Snapshot>>, program: &Path) {
    let other = snapshots.wait_for(|now| now.desired.server.processes.ffmpeg != program);
    if other.await.is_err() {
        // The loop has ended; `stop` follows.
        std::future::pending::<()>().await;
    }
}
