//! One HTTP request at a time, to programs on this host. It keeps no connection.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, bail};

/// An answer takes at most so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// One GET; an error unless the answer is 200.
pub(crate) fn get(server: SocketAddr, path: &str) -> anyhow::Result<String> {
    let (status, body) = ask(server, &format!("GET {path}"), "", "")?;
    if status != 200 {
        bail!("{path}: {status}");
    }
    Ok(body)
}

/// One request (`POST /path`) with a cookie and a body of JSON; the status and the body.
pub(crate) fn ask(
    server: SocketAddr,
    request: &str,
    cookie: &str,
    body: &str,
) -> anyhow::Result<(u16, String)> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = body.len();
    write!(
        stream,
        "{request} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\nCookie: {cookie}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let (_, body) = answer.split_once("\r\n\r\n").context("no answer")?;
    Ok((status.context("no status")?, body.to_owned()))
}
