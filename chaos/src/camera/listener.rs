//! Takes a camera's connections, and gives those beyond its limit the face of its make.
//! What happens on a connection is the business of `connection`.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::accounting::{Entry, Ledger};
use super::connection::{self, Protocol};
use super::fault::{Fault, Kind, Stage};
use super::{Camera, Face};

const BACKLOG: i32 = 256;
/// How long a new connection beyond the limit waits for an older one's end to be seen.
const SETTLE: Duration = Duration::from_millis(5);

/// Opens a listening socket.
pub(crate) fn bind(address: Ipv4Addr, port: u16) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None)?;
    // A camera that closes its port for a while must be able to open it again at once.
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from(SocketAddrV4::new(address, port)).into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Serves one port of a camera until it is dropped, and with it every connection.
pub(crate) async fn serve(camera: Arc<Camera>, listener: TcpListener, protocol: Protocol) {
    let port = listener.local_addr().map_or(0, |address| address.port());
    let ledger = match protocol {
        Protocol::Rtsp => Arc::clone(&camera.rtsp),
        Protocol::Http => Arc::clone(&camera.http),
    };
    let refuses_when_full = protocol == Protocol::Rtsp && camera.face == Face::Refuse;
    let limit = (protocol == Protocol::Rtsp).then_some(camera.limit);
    let mut faults = camera.faults();
    let mut connections = JoinSet::new();
    let mut open = Some(listener);
    loop {
        let refused = refuses(*faults.borrow_and_update());
        let full = refuses_when_full && ledger.counts().now >= camera.limit;
        if (refused || full)
            && let Some(listener) = open.take()
        {
            turn_away(&listener, &ledger, limit);
        }
        let Some(listener) = &open else {
            tokio::select! {
                changed = faults.changed() => if changed.is_err() { return },
                () = ledger.below(camera.limit), if full && !refused => {}
                // The port could not be opened again; try until it can.
                () = tokio::time::sleep(Duration::from_millis(100)), if !full && !refused => {}
                Some(_) = connections.join_next() => {}
            }
            open = reopen(&camera, port, *faults.borrow(), refuses_when_full, &ledger);
            continue;
        };
        tokio::select! {
            changed = faults.changed() => if changed.is_err() { return },
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    settle(&ledger, limit).await;
                    let entry = ledger.accept(limit);
                    admit(&camera, stream, entry, protocol, &mut connections);
                }
                // Out of file descriptors: they come back when connections end.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

// Ends that have reached this host, but not yet the tasks that look for them, are seen before a new
// connection is judged.
async fn settle(ledger: &Ledger, limit: Option<u64>) {
    if let Some(limit) = limit {
        let _still_full = tokio::time::timeout(SETTLE, ledger.below(limit)).await;
    }
}

fn refuses(fault: Option<Fault>) -> bool {
    fault.is_some_and(|fault| fault.stage == Stage::Accept && fault.kind == Kind::Refuse)
}

fn reopen(
    camera: &Camera,
    port: u16,
    fault: Option<Fault>,
    refuses_when_full: bool,
    ledger: &Ledger,
) -> Option<TcpListener> {
    let full = refuses_when_full && ledger.counts().now >= camera.limit;
    if refuses(fault) || full {
        return None;
    }
    bind(camera.address, port).ok()
}

// Connections that the kernel completed before the port was closed were made, so they count.
fn turn_away(listener: &TcpListener, ledger: &Arc<Ledger>, limit: Option<u64>) {
    let accept = || SockRef::from(listener).accept();
    while let Ok((socket, _)) = accept() {
        let entry = ledger.accept(limit);
        end_with_reset(&socket);
        drop(entry);
        drop(socket);
    }
}

fn end_with_reset(socket: &Socket) {
    // A socket that is already gone needs no reset.
    let _gone = socket.set_linger(Some(Duration::ZERO));
}

fn admit(
    camera: &Arc<Camera>,
    stream: TcpStream,
    entry: Entry,
    protocol: Protocol,
    connections: &mut JoinSet<()>,
) {
    let faulty = camera.fault().filter(|fault| fault.stage == Stage::Accept);
    let reset = match faulty.map(|fault| fault.kind) {
        Some(Kind::Reset) => true,
        Some(Kind::Close) => {
            drop(entry);
            drop(stream);
            return;
        }
        Some(_) | None => entry.excess && camera.face == Face::Reset,
    };
    if reset {
        let _gone = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        drop(entry);
        drop(stream);
        return;
    }
    let _unchanged = stream.set_nodelay(true);
    connections.spawn(connection::serve(Arc::clone(camera), stream, entry, protocol));
}
