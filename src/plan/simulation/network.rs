//! What is true: the sockets of this host's kernel, and what each camera believes.
//!
//! The two differ. A camera learns of an end later than the kernel, but within the quarantine
//! (`FORGETS_MAX`); a camera that believes in a session for longer than that is beyond what any
//! server can know, and is not modelled.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::model::desired::Device;
use crate::model::names::CameraName;
use crate::model::observed::{Connection, ConnectionOwner, TcpState};
use crate::model::process::{ProcessId, Unit};
use crate::model::slot::{Slot, SlotId, SlotState};
use crate::model::time::Mono;

/// Latest moment after the kernel's end at which a camera gives up a session, milliseconds.
pub(super) const FORGETS_MAX: u64 = 9_000;

/// How a camera misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// No answer to a SYN.
    Silent,
    /// Answers a SYN with RST.
    Refuses,
    /// Accepts and ends the connection a little later.
    Resets,
    /// Accepts and says nothing.
    Hangs,
    /// Delivers, but does not answer the TEARDOWN.
    NoGoodbye,
}

pub(super) const FAULTS: [Fault; 5] =
    [Fault::Silent, Fault::Refuses, Fault::Resets, Fault::Hangs, Fault::NoGoodbye];

/// Whose a socket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// Of a run of the server, while that run lives.
    Run(u32),
    /// Of a child that connects by itself.
    Child(ProcessId),
    /// Of another program.
    Foreign,
}

/// One connection.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each side's view of one socket, independent")]
pub(super) struct Socket {
    pub(super) device: Device,
    pub(super) local: SocketAddr,
    pub(super) owner: Owner,
    /// The slot that its run gave it; for ends that are noticed one by one.
    pub(super) slot: Option<SlotId>,
    /// For which camera a child opened it.
    pub(super) camera: Option<CameraName>,
    /// Nobody answers for the child that opened it.
    loose: bool,
    /// The process has it open.
    pub(super) open: bool,
    /// The kernel has it.
    pub(super) in_kernel: bool,
    /// The camera counts it.
    pub(super) counted: bool,
    since: Mono,
}

/// All sockets, and the cameras' side of them.
#[derive(Debug, Default)]
pub(super) struct Network {
    sockets: BTreeMap<u64, Socket>,
    pub(super) faults: BTreeMap<Device, Fault>,
    last: u64,
}

impl Network {
    /// A new socket in the kernel; the camera does not count it yet.
    pub(super) fn open(&mut self, device: Device, owner: Owner, now: Mono) -> (u64, SocketAddr) {
        self.last += 1;
        let port = u16::try_from(20_000 + self.last % 40_000).unwrap();
        let local = SocketAddr::from(([10, 0, 9, 9], port));
        let socket = Socket {
            device,
            local,
            owner,
            slot: None,
            camera: None,
            loose: false,
            open: true,
            in_kernel: true,
            counted: false,
            since: now,
        };
        self.sockets.insert(self.last, socket);
        (self.last, local)
    }

    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut Socket> {
        self.sockets.get_mut(&id)
    }

    /// Nobody answers for this child any more.
    pub(super) fn let_go(&mut self, process: ProcessId) {
        for socket in self.sockets.values_mut().filter(|s| s.owner == Owner::Child(process)) {
            socket.loose = true;
        }
    }

    /// No server runs. What a child that nobody answered for closes meanwhile, no server can know
    /// of: such a socket is taken to be gone from its camera at once.
    pub(super) fn forget_loose(&mut self) {
        for socket in self.sockets.values_mut().filter(|s| s.loose && !s.open) {
            socket.counted = false;
        }
    }

    /// Forgets sockets that neither side has.
    pub(super) fn collect(&mut self) {
        self.sockets.retain(|_, socket| socket.in_kernel || socket.counted);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Socket)> {
        self.sockets.iter().map(|(id, socket)| (*id, socket))
    }

    /// How many connections the camera counts: of ours, of others.
    pub(super) fn counted(&self, device: Device) -> (u16, u16) {
        let here = self.sockets.values().filter(|s| s.device == device && s.counted);
        here.fold((0, 0), |(ours, others), socket| match socket.owner {
            Owner::Run(_) | Owner::Child(_) => (ours + 1, others),
            Owner::Foreign => (ours, others + 1),
        })
    }

    /// Connections of other programs that were there at `known` and still are.
    pub(super) fn foreign_since(&self, device: Device, known: Mono) -> u16 {
        let here = self.sockets.values().filter(|s| s.device == device && s.in_kernel);
        let foreign = here.filter(|s| s.owner == Owner::Foreign && s.since <= known);
        u16::try_from(foreign.count()).unwrap()
    }

    /// What the socket table shows to this run.
    pub(super) fn table<'a>(
        &self,
        run: u32,
        slots: impl Iterator<Item = &'a Slot>,
        watched: impl Fn(&Device) -> bool,
    ) -> Vec<Connection> {
        let known: BTreeMap<(Device, SocketAddr), SlotId> = slots
            .filter(|slot| !matches!(slot.state, SlotState::Quarantined { .. }))
            .filter_map(|slot| Some(((slot.device, slot.local?), slot.id)))
            .collect();
        let shown = self.sockets.values().filter(|s| s.in_kernel && watched(&s.device));
        shown
            .map(|socket| {
                let owner = match (known.get(&(socket.device, socket.local)), socket.owner) {
                    (Some(id), _) => ConnectionOwner::Slot(*id),
                    (None, Owner::Foreign) => {
                        ConnectionOwner::Foreign { pid: 77, command: Arc::from("vlc") }
                    }
                    (None, Owner::Run(of)) if of == run && socket.open => ConnectionOwner::Stray,
                    (None, Owner::Child(process)) if socket.open && socket.camera.is_some() => {
                        let camera = socket.camera.clone().unwrap();
                        ConnectionOwner::Child { process, unit: Unit::Capture(camera) }
                    }
                    (None, Owner::Run(_) | Owner::Child(_)) => ConnectionOwner::Unattributable,
                };
                Connection {
                    device: socket.device,
                    local: socket.local,
                    state: if socket.open { TcpState::Established } else { TcpState::FinWait1 },
                    inode: u32::from(socket.open),
                    owner,
                    since: socket.since,
                }
            })
            .collect()
    }
}
