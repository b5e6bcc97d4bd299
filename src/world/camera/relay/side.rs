//! One side of a relayed session: its connection, what has been read of it, and a polite end.

use std::time::Duration;

use tokio::time::timeout;

use super::dialogue::{answer, numbered};
use crate::world::camera::connection::Connection;
use crate::world::camera::fault::Fault;
use crate::world::camera::rtsp::message::{Message, Parser, Request, quote};

/// Bytes of a client that wait for their turn, beyond which it is not read: one request with the
/// longest head and body that are taken.
pub(super) const CLIENT_INPUT_MAX: usize = 96 * 1024;
/// For a client to take the last words.
const FAREWELL: Duration = Duration::from_millis(500);

/// One connection and what has been read of it.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) connection: Connection,
    pub(super) parser: Parser,
}

impl Side {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, parser: Parser::default() }
    }

    /// The first request of a client.
    pub(super) async fn first_request(&mut self) -> Result<Request, Fault> {
        loop {
            match self.parser.next(&mut self.connection.input)? {
                Some(Message::Request(request)) => return Ok(request),
                Some(Message::Response(_) | Message::Data(_)) => {
                    return Err(Fault::Answer("the client does not begin with a request"));
                }
                None => self.connection.fill().await?,
            }
        }
    }

    /// Returns when a client that has to wait has gone away.
    pub(super) async fn gone(&mut self) {
        while self.connection.input.len() < CLIENT_INPUT_MAX {
            if self.connection.fill().await.is_err() {
                return;
            }
        }
        std::future::pending::<()>().await;
    }

    /// Answers a request with a status and ends the connection in order.
    pub(super) async fn refuse(mut self, code: u16, request: Option<&Request>) {
        let number = request.and_then(|request| request.headers.get("cseq")).map(quote);
        self.connection.queue(&numbered(answer(code), number.as_deref()));
        self.farewell().await;
    }

    /// Sends what is queued and ends the connection in order, as far as the other side lets us.
    pub(super) async fn farewell(mut self) {
        if matches!(timeout(FAREWELL, self.connection.flush()).await, Ok(Ok(()))) {
            self.connection.finish(FAREWELL).await;
        }
    }
}
