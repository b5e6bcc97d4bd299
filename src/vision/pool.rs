//! Runs decoders on threads of their own, so that decoding never holds up the async runtime.
//!
//! It sets no deadline: whoever waits drops the future, and the work stops at the next slice.

use std::io;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use tokio::sync::{mpsc, oneshot};

use super::decoder::Decoder;
use super::picture::{KeyPicture, Limits, Still, VisionError};

#[derive(Debug)]
struct Job {
    picture: KeyPicture,
    limits: Limits,
    reply: oneshot::Sender<Result<Still, VisionError>>,
}

/// A fixed number of decoding threads behind one bounded queue.
///
/// Dropping the pool waits for the pictures in work, a few milliseconds each; their callers, and
/// those still queued, get [`VisionError::Closed`] or their still.
#[derive(Debug)]
pub struct DecodePool {
    queue: Option<mpsc::Sender<Job>>,
    workers: Vec<JoinHandle<()>>,
}

impl DecodePool {
    /// Starts `workers` threads; `queue` pictures may wait for them. Fails when the operating
    /// system gives no thread.
    pub fn start(workers: NonZeroUsize, queue: NonZeroUsize) -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel(queue.get());
        let receiver = Arc::new(Mutex::new(receiver));
        let mut pool = Self { queue: Some(sender), workers: Vec::new() };
        for number in 0..workers.get() {
            let receiver = Arc::clone(&receiver);
            let worker = thread::Builder::new()
                .name(format!("decode-{number}"))
                .spawn(move || work(&receiver))?;
            pool.workers.push(worker);
        }
        Ok(pool)
    }

    /// Makes a still of one picture; waits while the queue is full.
    ///
    /// Dropping the future, as a deadline does, takes the picture out of the queue or stops its
    /// decoding at the next slice.
    pub async fn still(&self, picture: KeyPicture, limits: Limits) -> Result<Still, VisionError> {
        let queue = self.queue.as_ref().ok_or(VisionError::Closed)?;
        let (reply, answer) = oneshot::channel();
        let job = Job { picture, limits, reply };
        queue.send(job).await.map_err(|_| VisionError::Closed)?;
        answer.await.map_err(|_| VisionError::Closed)?
    }
}

impl Drop for DecodePool {
    fn drop(&mut self) {
        self.queue = None;
        for worker in self.workers.drain(..) {
            // A worker catches the panics of its decoder, so there is nothing to learn here.
            drop(worker.join());
        }
    }
}

fn work(jobs: &Mutex<mpsc::Receiver<Job>>) {
    let mut decoder = Decoder::new();
    loop {
        // The lock is held while waiting: the next worker waits for the lock instead.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let Some(Job { picture, limits, reply }) = job else { return };
        if reply.is_closed() {
            continue;
        }
        let still = catch_unwind(AssertUnwindSafe(|| {
            decoder.still_unless(&picture, &limits, &|| reply.is_closed())
        }));
        let still = still.unwrap_or_else(|_| {
            decoder = Decoder::new();
            Err(VisionError::Panicked)
        });
        // The caller may have left in the meantime.
        drop(reply.send(still));
    }
}
