//! Runs decoders on threads of their own, so that decoding never holds up the async runtime.
//!
//! It sets no deadline: whoever waits drops the future, and the work stops at the next slice.

use std::io;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use tokio::sync::{mpsc, oneshot};

use super::KeyPicture;
use super::decoder::Decoder;
use super::picture::{Limits, Still, VisionError};

/// What a worker does with a picture: [`Decoder::still_unless`].
type Decode =
    fn(&mut Decoder, &KeyPicture, &Limits, &dyn Fn() -> bool) -> Result<Still, VisionError>;

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
        Self::start_with(workers, queue, Decoder::still_unless)
    }

    fn start_with(workers: NonZeroUsize, queue: NonZeroUsize, decode: Decode) -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel(queue.get());
        let receiver = Arc::new(Mutex::new(receiver));
        let mut pool = Self { queue: Some(sender), workers: Vec::new() };
        for number in 0..workers.get() {
            let receiver = Arc::clone(&receiver);
            let worker = thread::Builder::new()
                .name(format!("decode-{number}"))
                .spawn(move || work(&receiver, decode))?;
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

fn work(jobs: &Mutex<mpsc::Receiver<Job>>, decode: Decode) {
    let mut decoder = Decoder::new();
    loop {
        // The lock is held while waiting: the next worker waits for the lock instead.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let Some(Job { picture, limits, reply }) = job else { return };
        if reply.is_closed() {
            continue;
        }
        let still = catch_unwind(AssertUnwindSafe(|| {
            decode(&mut decoder, &picture, &limits, &|| reply.is_closed())
        }));
        let still = still.unwrap_or_else(|_| {
            decoder = Decoder::new();
            Err(VisionError::Panicked)
        });
        // The caller may have left in the meantime.
        drop(reply.send(still));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::vision::Codec;

    const ONE: NonZeroUsize = NonZeroUsize::MIN;

    fn picture(data: &'static [u8]) -> KeyPicture {
        KeyPicture { codec: Codec::Jpeg, data: Bytes::from_static(data) }
    }

    fn fragile(
        _: &mut Decoder,
        picture: &KeyPicture,
        _: &Limits,
        _: &dyn Fn() -> bool,
    ) -> Result<Still, VisionError> {
        assert!(picture.data != "bad", "a decoder bug");
        Err(VisionError::NoPicture)
    }

    #[tokio::test]
    async fn a_panicking_decoder_costs_one_picture_and_not_the_pool() {
        let pool = DecodePool::start_with(ONE, ONE, fragile).unwrap();
        for _ in 0..3 {
            let bad = pool.still(picture(b"bad"), Limits::default()).await;
            assert_eq!(bad, Err(VisionError::Panicked));
            let good = pool.still(picture(b"good"), Limits::default()).await;
            assert_eq!(good, Err(VisionError::NoPicture));
        }
    }

    static GIVEN_UP: AtomicU32 = AtomicU32::new(0);

    /// Decodes until nobody waits any more, then counts.
    fn patient(
        _: &mut Decoder,
        picture: &KeyPicture,
        _: &Limits,
        abandoned: &dyn Fn() -> bool,
    ) -> Result<Still, VisionError> {
        if picture.data == "quick" {
            return Err(VisionError::NoPicture);
        }
        while !abandoned() {
            thread::yield_now();
        }
        GIVEN_UP.fetch_add(1, Ordering::SeqCst);
        Err(VisionError::Abandoned)
    }

    #[tokio::test]
    async fn work_stops_when_its_deadline_passes() {
        let pool = DecodePool::start_with(ONE, ONE, patient).unwrap();
        let endless = pool.still(picture(b"endless"), Limits::default());
        assert!(tokio::time::timeout(Duration::from_millis(20), endless).await.is_err());
        let quick = pool.still(picture(b"quick"), Limits::default()).await;
        assert_eq!(quick, Err(VisionError::NoPicture));
        assert_eq!(GIVEN_UP.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn many_pictures_share_few_workers() {
        let pool = DecodePool::start(NonZeroUsize::new(2).unwrap(), ONE).unwrap();
        let stills = (0..20).map(|_| pool.still(picture(b"no JPEG"), Limits::default()));
        for still in futures::future::join_all(stills).await {
            assert_eq!(still, Err(VisionError::NoPicture));
        }
    }
}
