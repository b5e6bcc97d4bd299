//! Streams of one go2rtc: list, put, remove.
//!
//! One task owns every call to `/api/streams`, one at a time: go2rtc lists and deletes without its
//! lock, and a list beside a change can end its process ("concurrent map read and map write").
//! A call that has begun is finished, or timed out, even when whoever asked has left.
//!
//! A status proves nothing: DELETE answers 400 and has removed, PATCH answers 200 and has made an
//! alias. Each change is believed only when the list shows it.

use std::sync::Arc;

use reqwest::{Method, StatusCode};
use tokio::sync::{mpsc, oneshot};

use super::endpoint::Endpoint;
use super::error::GatewayError;
use super::source::GatewaySource;
use super::wire;
use crate::model::gateway::{StreamName, StreamView};

/// Largest list of streams that is read; a stream with its SDP takes a few kilobytes.
const LIST_BYTES_MAX: usize = 16 << 20;
/// Largest other answer.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Calls that may wait.
const QUEUE: usize = 64;

type Reply<T> = oneshot::Sender<Result<T, GatewayError>>;

#[derive(Debug)]
enum Call {
    List(Reply<Vec<StreamView>>),
    Put(StreamName, GatewaySource, Reply<StreamView>),
    Remove(StreamName, Reply<()>),
}

/// The API of one go2rtc; clones share its one task.
#[derive(Debug, Clone)]
pub struct GatewayApi {
    endpoint: Endpoint,
    calls: mpsc::Sender<Call>,
}

/// The task of a [`GatewayApi`], to be run by its owner.
#[derive(Debug)]
pub struct ApiTask {
    endpoint: Endpoint,
    calls: mpsc::Receiver<Call>,
}

impl GatewayApi {
    /// A client, and the task that works for it.
    pub fn new(endpoint: Endpoint) -> (Self, ApiTask) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let task = ApiTask { endpoint: endpoint.clone(), calls: receiver };
        (Self { endpoint, calls: sender }, task)
    }

    /// Where it is.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Its version: the cheapest sign of life, which takes no lock in go2rtc and waits for no
    /// other call.
    pub async fn version(&self) -> Result<Arc<str>, GatewayError> {
        let (status, body) = self.endpoint.ask(Method::GET, "api", &[], ANSWER_BYTES_MAX).await?;
        match status {
            StatusCode::OK => wire::version(&body),
            status => Err(GatewayError::Status(status.as_u16())),
        }
    }

    /// What it says that it has.
    pub async fn streams(&self) -> Result<Vec<StreamView>, GatewayError> {
        self.call(Call::List).await
    }

    /// Registers a stream, or gives an idle one a new source; reads it back.
    ///
    /// Refuses a source whose path is the name of any stream there, and a new source for a stream
    /// in use: that would take effect at some later dial.
    pub async fn put_stream(
        &self,
        name: StreamName,
        source: GatewaySource,
    ) -> Result<StreamView, GatewayError> {
        self.call(|reply| Call::Put(name, source, reply)).await
    }

    /// Forgets a stream; reads back that it is gone.
    ///
    /// Refuses while it has consumers or a session: go2rtc would forget the name and go on,
    /// unseen. The caller ends its consumers first and asks again.
    pub async fn remove_stream(&self, name: StreamName) -> Result<(), GatewayError> {
        self.call(|reply| Call::Remove(name, reply)).await
    }

    async fn call<T>(&self, call: impl FnOnce(Reply<T>) -> Call) -> Result<T, GatewayError> {
        let (reply, answer) = oneshot::channel();
        self.calls.try_send(call(reply)).map_err(|_| GatewayError::Closed)?;
        answer.await.unwrap_or(Err(GatewayError::Closed))
    }
}

impl ApiTask {
    /// Works until every client is gone.
    pub async fn run(mut self) {
        while let Some(call) = self.calls.recv().await {
            // Whoever asked may have left, before or meanwhile.
            match call {
                Call::List(reply) if !reply.is_closed() => drop(reply.send(self.list().await)),
                Call::Put(name, source, reply) if !reply.is_closed() => {
                    drop(reply.send(self.put(&name, &source).await));
                }
                Call::Remove(name, reply) if !reply.is_closed() => {
                    drop(reply.send(self.remove(&name).await));
                }
                Call::List(_) | Call::Put(..) | Call::Remove(..) => {}
            }
        }
    }

    async fn list(&self) -> Result<Vec<StreamView>, GatewayError> {
        let (status, body) =
            self.endpoint.ask(Method::GET, "api/streams", &[], LIST_BYTES_MAX).await?;
        match status {
            StatusCode::OK => wire::streams(&body),
            status => Err(GatewayError::Status(status.as_u16())),
        }
    }

    async fn find(&self, name: &StreamName) -> Result<Option<StreamView>, GatewayError> {
        let streams = self.list().await?;
        Ok(streams.into_iter().find(|stream| &*stream.name == name.as_str()))
    }

    async fn put(
        &self,
        name: &StreamName,
        source: &GatewaySource,
    ) -> Result<StreamView, GatewayError> {
        let streams = self.list().await?;
        if streams.iter().any(|stream| source.aliases(&stream.name)) {
            return Err(GatewayError::Alias);
        }
        if let Some(stream) = streams.into_iter().find(|stream| &*stream.name == name.as_str()) {
            if is_as_asked(&stream, source) {
                return Ok(stream);
            }
            if stream.is_active() || !stream.consumers.is_empty() {
                return Err(GatewayError::InUse(stream.consumers.len()));
            }
        }
        let query = [("name", name.as_str()), ("src", source.expose())];
        let asked = self.endpoint.ask(Method::PATCH, "api/streams", &query, ANSWER_BYTES_MAX).await;
        match (asked, self.find(name).await?) {
            (_, Some(stream)) if is_as_asked(&stream, source) => Ok(stream),
            (_, Some(_)) => Err(GatewayError::NotAsAsked),
            (Ok((status, _)), None) => Err(GatewayError::Status(status.as_u16())),
            (Err(error), None) => Err(error),
        }
    }

    async fn remove(&self, name: &StreamName) -> Result<(), GatewayError> {
        let Some(stream) = self.find(name).await? else { return Ok(()) };
        if stream.is_active() || !stream.consumers.is_empty() {
            return Err(GatewayError::InUse(stream.consumers.len()));
        }
        let query = [("src", name.as_str())];
        let asked =
            self.endpoint.ask(Method::DELETE, "api/streams", &query, ANSWER_BYTES_MAX).await;
        match (asked, self.find(name).await?) {
            (_, None) => Ok(()),
            (Ok(_), Some(_)) => Err(GatewayError::StillThere),
            (Err(error), Some(_)) => Err(error),
        }
    }
}

/// Whether a stream has the one source that it was given.
fn is_as_asked(stream: &StreamView, source: &GatewaySource) -> bool {
    match stream.producers.as_slice() {
        [producer] => producer.url.as_deref().is_some_and(|url| source.matches(url)),
        _ => false,
    }
}
