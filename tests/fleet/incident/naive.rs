//! The control: ffmpeg started by the async runtime, its output awaited under a timeout. When the
//! time is over the future is dropped, and the process is not.

use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::network::{Network, OCTETS};
use super::table::Row;
use super::{CONCURRENCY, TIMEOUT};
use crate::children::stat;
use crate::clock::until;
use crate::http::PASSWORD;

/// Every process that was started, with its start time: nothing else has both. Dropping it kills
/// those that are left.
#[derive(Clone, Default)]
struct Started(Arc<Mutex<Vec<(u32, u64)>>>);

impl Started {
    fn running(&self) -> Vec<u32> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let runs = |(pid, start): &&(u32, u64)| {
            stat(*pid).is_some_and(|(state, since)| since == *start && state != 'Z')
        };
        all.iter().filter(runs).map(|(pid, _)| *pid).collect()
    }
}

struct KillAll(Started);

impl Drop for KillAll {
    fn drop(&mut self) {
        for pid in self.0.running() {
            let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { continue };
            // It may end by itself meanwhile; then its number is still ours until it is reaped.
            if kill_process(pid, Signal::KILL).is_ok() {
                waitpid(Some(pid), WaitOptions::empty()).ok();
            }
        }
    }
}

/// Sweeps the network the way that failed.
pub(super) fn run(network: &Network, sweeps: usize) -> Row {
    let guard = KillAll(Started::default());
    let started = &guard.0;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (mut pictures, mut most) = (0, 0);
    for _ in 0..sweeps {
        pictures += runtime.block_on(sweep(network, started));
        most = most.max(started.running().len());
    }
    let row = Row {
        sweeps,
        pictures,
        processes_most: most,
        processes_left: started.running().len(),
        connections_most: network.connections_most(),
        connections_left: network.connections(),
        reachable: network.reachable(),
    };
    drop(runtime);
    let left = started.clone();
    drop(guard);
    until(Duration::from_secs(5), "the control is cleared away", || {
        left.running().is_empty().then_some(())
    });
    row
}

async fn sweep(network: &Network, started: &Started) -> usize {
    let places = Arc::new(Semaphore::new(CONCURRENCY));
    let mut captures = JoinSet::new();
    for octet in OCTETS {
        let url = format!("rtsp://admin:{PASSWORD}@{}/sub", network.address(octet));
        let (places, started) = (Arc::clone(&places), started.clone());
        captures.spawn(async move {
            let _place = places.acquire_owned().await.unwrap();
            let picture = tokio::time::timeout(TIMEOUT, capture(url, started)).await;
            picture.is_ok_and(|picture| !picture.is_empty())
        });
    }
    captures.join_all().await.into_iter().filter(|is_good| *is_good).count()
}

#[expect(clippy::disallowed_methods, reason = "the way that must not be gone")]
async fn capture(url: String, started: Started) -> Vec<u8> {
    let child = tokio::process::Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error", "-rtsp_transport", "tcp", "-i", &url])
        .args(["-frames:v", "1", "-f", "image2pipe", "-"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id().unwrap();
    if let Some((_, start)) = stat(pid) {
        started.0.lock().unwrap_or_else(PoisonError::into_inner).push((pid, start));
    }
    child.wait_with_output().await.unwrap().stdout
}
