//! What was seen of the world. Not known is something else than empty.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use super::desired::Device;
use super::gateway::GatewayView;
use super::lease::Lease;
use super::names::SubnetName;
use super::process::{ProcessId, ProcessTable, Unit};
use super::slot::{SlotId, SlotView};
use super::time::Mono;

/// One part of the world as last looked at.
#[derive(Debug, Clone)]
pub enum Seen<T> {
    /// It could be read.
    Fresh {
        /// When reading *began*: what happened later may be missing.
        at: Mono,
        /// What was read.
        value: T,
    },
    /// It could not be read; nothing may be concluded from what is not seen.
    Unreadable {
        /// Since when.
        since: Mono,
        /// Why, for people.
        why: String,
    },
}

impl<T> Seen<T> {
    /// The value, where there is one.
    pub fn fresh(&self) -> Option<&T> {
        match self {
            Self::Fresh { value, .. } => Some(value),
            Self::Unreadable { .. } => None,
        }
    }

    /// The value and when its reading began.
    pub fn fresh_at(&self) -> Option<(Mono, &T)> {
        match self {
            Self::Fresh { at, value } => Some((*at, value)),
            Self::Unreadable { .. } => None,
        }
    }
}

/// State of a TCP socket, as the kernel counts them (`include/net/tcp_states.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TcpState {
    /// Data may flow.
    Established,
    /// Waits for the answer to its SYN.
    SynSent,
    /// Has answered a SYN.
    SynRecv,
    /// Has sent FIN, which is not acknowledged.
    FinWait1,
    /// Has sent FIN, waits for the other's.
    FinWait2,
    /// Both are closed; the kernel only keeps the port back.
    TimeWait,
    /// Gone.
    Close,
    /// The other side has closed.
    CloseWait,
    /// Has answered the other's FIN with its own.
    LastAck,
    /// Waits for connections.
    Listen,
    /// Both sent FIN at once.
    Closing,
    /// A request socket of a listener.
    NewSynRecv,
}

impl TcpState {
    /// The state with the kernel's number.
    pub fn from_kernel(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Established,
            2 => Self::SynSent,
            3 => Self::SynRecv,
            4 => Self::FinWait1,
            5 => Self::FinWait2,
            6 => Self::TimeWait,
            7 => Self::Close,
            8 => Self::CloseWait,
            9 => Self::LastAck,
            10 => Self::Listen,
            11 => Self::Closing,
            12 => Self::NewSynRecv,
            _ => return None,
        })
    }

    /// Whether a socket in this state is a connection: any but `LISTEN` and `TIME_WAIT`.
    pub fn is_connection(self) -> bool {
        !matches!(self, Self::Listen | Self::TimeWait | Self::Close)
    }

    /// The word that `ss` uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Established => "ESTAB",
            Self::SynSent => "SYN-SENT",
            Self::SynRecv | Self::NewSynRecv => "SYN-RECV",
            Self::FinWait1 => "FIN-WAIT-1",
            Self::FinWait2 => "FIN-WAIT-2",
            Self::TimeWait => "TIME-WAIT",
            Self::Close => "UNCONN",
            Self::CloseWait => "CLOSE-WAIT",
            Self::LastAck => "LAST-ACK",
            Self::Listen => "LISTEN",
            Self::Closing => "CLOSING",
        }
    }
}

/// To whom a connection belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionOwner {
    /// To a slot of this run.
    Slot(SlotId),
    /// To this process, but to no slot.
    Stray,
    /// To a child of this server, or to what a child started: opened by itself, not through the
    /// relay.
    Child {
        /// Which.
        process: ProcessId,
        /// What it was started for.
        unit: Unit,
    },
    /// To a process that this server did not start.
    Foreign {
        /// Which.
        pid: u32,
        /// The name of its program.
        command: Arc<str>,
    },
    /// To nobody that can be named: closed by its process and kept by the kernel until the camera
    /// answers, or of a process in another namespace.
    Unattributable,
}

impl ConnectionOwner {
    /// Whether it counts as ours.
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::Slot(_) | Self::Stray | Self::Child { .. })
    }
}

/// One connection of this host to a declared device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// The device.
    pub device: Device,
    /// This side.
    pub local: SocketAddr,
    /// State of the socket.
    pub state: TcpState,
    /// The socket's inode; 0 when its process has closed it.
    pub inode: u32,
    /// Whose it is.
    pub owner: ConnectionOwner,
    /// When it was first seen.
    pub since: Mono,
}

/// What the store holds, and what of it is past its time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreView {
    /// Stored frames.
    pub frames: u64,
    /// Bytes of their files, thumbnails included.
    pub frame_bytes: u64,
    /// Time of the oldest frame without an event.
    pub oldest_no_event_frame: Option<jiff::Timestamp>,
    /// Time of the oldest frame.
    pub oldest_frame: Option<jiff::Timestamp>,
    /// Time of the oldest event.
    pub oldest_event: Option<jiff::Timestamp>,
    /// Time of the oldest sweep record.
    pub oldest_sweep: Option<jiff::Timestamp>,
    /// Time of the oldest applied set.
    pub oldest_config: Option<jiff::Timestamp>,
    /// When the oldest recorded lease of a live view was to end.
    pub oldest_lease: Option<jiff::Timestamp>,
    /// Bytes free on the file system of the data directory.
    pub disk_free_bytes: u64,
    /// Size of that file system.
    pub disk_total_bytes: u64,
}

/// This host and this process.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HostView {
    /// Resident memory of this process, bytes.
    pub resident_bytes: u64,
    /// Memory in use on this host, percent.
    pub memory_percent: f64,
    /// Open file descriptors of this process.
    pub open_files: u64,
    /// The most that it may have.
    pub open_files_max: u64,
    /// Threads of this process.
    pub threads: u64,
    /// CPU time of this process since its start, seconds.
    pub cpu_seconds: f64,
    /// Processor time of this host spent on anything, all processors together, seconds since the
    /// boot.
    pub host_cpu_busy_seconds: f64,
    /// Processor time of this host in all, seconds since the boot.
    pub host_cpu_total_seconds: f64,
    /// Bytes that this host read back from its swap since the boot.
    pub swap_in_bytes: u64,
}

/// A program that children are started from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolState {
    /// It is there and new enough.
    Usable {
        /// Its version.
        version: Arc<str>,
    },
    /// It is there, but does not understand what it would be asked.
    TooOld {
        /// Its version.
        version: Arc<str>,
        /// The oldest that does.
        oldest: Arc<str>,
    },
    /// It is not there or does not run.
    Unusable {
        /// Why, for people.
        why: Arc<str>,
    },
}

/// What this host offers for children.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facilities {
    /// ffmpeg; `None` before the first look.
    pub ffmpeg: Option<ToolState>,
    /// Control groups; `None` before the first look.
    pub cgroups: Option<CgroupState>,
}

/// Whether children are kept in control groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CgroupState {
    /// They are.
    Delegated,
    /// They are not.
    Unavailable {
        /// Why, a fragment of a sentence.
        why: Arc<str>,
    },
}

/// Everything that was seen.
#[derive(Debug, Clone)]
pub struct Observed {
    /// Connections to declared devices.
    pub connections: Seen<Arc<Vec<Connection>>>,
    /// Processes that concern this server.
    pub processes: Seen<Arc<ProcessTable>>,
    /// What this host offers for children.
    pub facilities: Facilities,
    /// What the slot keeper believes.
    pub slots: Arc<SlotView>,
    /// The store.
    pub store: Seen<StoreView>,
    /// This host.
    pub host: Seen<HostView>,
    /// Live views that are allowed at the moment.
    pub leases: Arc<Vec<Lease>>,
    /// Gateways that this server starts, by their subnet.
    pub gateways: Arc<BTreeMap<SubnetName, GatewayView>>,
}
