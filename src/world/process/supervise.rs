//! The life of one child after its start, up to the look that nothing of it is left.
//!
//! One task for each child, which outlives the owner's [`Child`](super::Child). It blocks nobody,
//! and it never gives up a child that cannot be killed: it waits, without asking again and again.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::cgroup::Group;
use super::child::{Ended, How};
use super::leader::{Leader, ended};
use super::leftovers::{Descent, Leftovers};
use super::pipes::{Pipes, Written, presentable};
use super::procfs;
use super::signal::send;
use super::spawner::{Ownership, Request, Shared};
use crate::model::secret::Redactor;

/// How long a killed process may take to end before it is called undead.
pub(super) const KILL_WAIT: Duration = Duration::from_secs(2);
/// How often what a child left behind is looked for; more than once, since it may fork meanwhile.
const LOOKS_MAX: usize = 8;
/// How long that may take in all.
pub(super) const LEFTOVERS_MAX: Duration = Duration::from_secs(3);
/// How long a program may take to show its environment.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// How long a stream may stay open after its child has ended. Only a process that is not the
/// child's, to which the stream was handed, can keep it open.
const DRAIN: Duration = Duration::from_millis(500);

/// What the task needs.
#[derive(Debug)]
pub(super) struct Supervised {
    pub(super) leader: Leader,
    pub(super) pipes: Pipes,
    pub(super) polite: Signal,
    pub(super) grace: Duration,
    pub(super) redactor: Redactor,
    pub(super) group: Option<Group>,
    pub(super) orders: CancellationToken,
    pub(super) report: Option<oneshot::Sender<Ended>>,
    pub(super) ownership: Ownership,
    pub(super) shared: Arc<Shared>,
    /// Given back when nothing is left.
    pub(super) place: OwnedSemaphorePermit,
    /// The thread that forked it lives as long as somebody may send to it, and the child dies
    /// with the thread.
    pub(super) forker: tokio::sync::mpsc::Sender<Request>,
}

impl Supervised {
    /// Sees the child through to its end.
    pub(super) async fn run(mut self) {
        let closing = CancellationToken::new();
        let pipes = std::mem::take(&mut self.pipes);
        let streams = self.shared.tasks.spawn(pipes.serve(closing.clone(), self.orders.clone()));
        self.until_ended().await;
        self.leader.kill_group();
        // What is longer in dying hangs in the kernel: killed it is, and the observer shows it.
        timeout(LEFTOVERS_MAX, self.end_leftovers()).await.ok();
        let how = self.leader.reap();
        let written = close(streams, &closing).await;
        drop(self.group.take());
        let Self { report, redactor, ownership, place, forker, .. } = self;
        // Before the owner hears of it, who may want to start the next one at once.
        drop((ownership, place, forker));
        tell(report, &redactor, how, written);
    }

    /// Waits until the leader ended by itself or, on order, by the stop protocol.
    async fn until_ended(&mut self) {
        let orders = self.orders.clone();
        tokio::select! {
            () = self.leader.ended() => return,
            () = orders.cancelled() => {}
        }
        self.leader.signal(self.polite);
        // A stopped process hears nothing but SIGKILL until it goes on.
        self.leader.signal(Signal::CONT);
        if timeout(self.grace, self.leader.ended()).await.is_ok() {
            return;
        }
        self.leader.signal(Signal::KILL);
        self.leader.kill_group();
        if timeout(KILL_WAIT, self.leader.ended()).await.is_ok() {
            return;
        }
        let process = self.leader.id();
        tracing::warn!(%process, unit = %self.ownership.mark.unit, "a child hangs in the kernel");
        self.undead().insert(process);
        tell(self.report.take(), &self.redactor, How::Undead, Written::default());
        self.leader.ended().await;
        self.undead().remove(&process);
    }

    /// Ends what the child started and did not end itself, in whatever session.
    async fn end_leftovers(&self) {
        let token = self.ownership.mark.token.clone();
        let descent = Descent { leader: self.leader.id(), token };
        for _ in 0..LOOKS_MAX {
            if let Some(group) = &self.group {
                group.kill();
            }
            let Some(found) = self.look(&descent).await else { return };
            for zombie in &found.zombies {
                self.shared.leaders.reap_adoptee(*zombie);
            }
            if !found.alive.is_empty() {
                self.kill(&descent, &found).await;
            } else if found.is_unclear || self.group.as_ref().is_some_and(Group::is_populated) {
                tokio::time::sleep(LOOK_AGAIN).await;
            } else {
                return;
            }
        }
        tracing::debug!(child = %descent.token, "the observer looks for what is left of a child");
    }

    async fn look(&self, descent: &Descent) -> Option<Leftovers> {
        let (shared, of) = (Arc::clone(&self.shared), descent.clone());
        let look = tokio::task::spawn_blocking(move || {
            let mut census = shared.census.lock().unwrap_or_else(PoisonError::into_inner);
            census.leftovers(&of)
        });
        match look.await {
            Ok(Ok(found)) => Some(found),
            // The observer's next look finds by its mark what was not seen here.
            Ok(Err(error)) => {
                tracing::warn!(%error, "what a child left behind cannot be looked for");
                None
            }
            Err(_) => None,
        }
    }

    /// Kills all, waits for each, and reaps those that became ours.
    async fn kill(&self, descent: &Descent, found: &Leftovers) {
        let mut killed = Vec::with_capacity(found.alive.len());
        for process in &found.alive {
            let is_meant = || match procfs::stat(process.pid) {
                Ok(stat) if descent.has(&stat) => Ok(()),
                Ok(_) | Err(_) => Err(super::SignalError::OtherMark),
            };
            if let Ok(descriptor) = send(*process, Signal::KILL, is_meant) {
                killed.push((*process, descriptor));
            }
        }
        let all = async {
            for (_, descriptor) in &killed {
                ended(std::os::fd::AsFd::as_fd(descriptor)).await;
            }
        };
        timeout(KILL_WAIT, all).await.ok();
        for (process, _) in &killed {
            self.shared.leaders.reap_adoptee(*process);
        }
    }

    fn undead(&self) -> std::sync::MutexGuard<'_, super::spawner::Undead> {
        self.shared.undead.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the owner, if there still is one.
fn tell(report: Option<oneshot::Sender<Ended>>, redactor: &Redactor, how: How, written: Written) {
    let Some(report) = report else { return };
    let Written { stdout, is_too_much, stderr } = written;
    let presentable = presentable(&stderr, redactor);
    let ended = Ended { how, stdout, is_too_much, stderr: presentable, raw_stderr: stderr };
    // The owner may have let go.
    drop(report.send(ended));
}

/// Waits for the ends of the streams, and closes those that somebody holds open.
async fn close(mut streams: JoinHandle<Written>, closing: &CancellationToken) -> Written {
    if let Ok(written) = timeout(DRAIN, &mut streams).await {
        return written.unwrap_or_default();
    }
    closing.cancel();
    streams.await.unwrap_or_default()
}
