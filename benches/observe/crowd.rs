//! Many processes and many connections, for as long as this program lives.
//!
//! The processes are no descendants of this one and wait for the end of a pipe that it holds: they
//! end when it does, even when it is killed.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, ensure};
use camserver::model::slot::{Slot, SlotId, SlotState};
use camserver::model::time::Mono;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The shell ends at once, so that whoever adopts orphans has them; all of them keep its output.
const SCRIPT: &str = "exec 3<&0; n=0; \
    while [ $n -lt $0 ]; do cat <&3 & n=$((n + 1)); done; echo started";
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 126, 2, 1);
/// Descriptors for everything but the connections.
const OTHER_FILES: u64 = 64;

/// Processes that do nothing and are nobody's business.
pub(crate) struct Processes {
    hold: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Processes {
    #[expect(clippy::disallowed_methods, reason = "a measurement starts what it measures")]
    pub(crate) fn start(count: usize) -> anyhow::Result<Self> {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, &count.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start a shell")?;
        let hold = shell.stdin.take();
        let output = shell.stdout.take().context("the shell's output was taken")?;
        let mut started = Self { hold, output: BufReader::new(output) };
        let mut line = String::new();
        started.output.read_line(&mut line).context("read the shell's output")?;
        let ended = shell.wait().context("wait for the shell")?;
        ensure!(ended.success() && line == "started\n", "the processes could not be started");
        Ok(started)
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        drop(self.hold.take());
        // Its end means that the last of them is gone.
        drop(self.output.read_to_end(&mut Vec::new()));
    }
}

/// Connections to one device: a slot for each, and one more of another program.
pub(crate) struct Connections {
    pub(crate) device: SocketAddr,
    pub(crate) slots: Vec<Slot>,
    other: Child,
    _both_sides: Vec<(TcpStream, TcpStream)>,
    _other_side: TcpStream,
}

impl Connections {
    pub(crate) fn open(count: usize) -> anyhow::Result<Self> {
        allow_files(2 * u64::try_from(count)? + OTHER_FILES)?;
        let listener = TcpListener::bind((ADDRESS, 0)).context("listen")?;
        let device = listener.local_addr().context("read the device's address")?;
        let connect = || -> anyhow::Result<_> {
            let client = TcpStream::connect(device).context("connect")?;
            Ok((client, listener.accept().context("accept")?.0))
        };
        let both_sides = (0..count).map(|_| connect()).collect::<anyhow::Result<Vec<_>>>()?;
        let slots = (1..).zip(&both_sides).map(|(id, (client, _))| slot(id, device, client));
        let slots = slots.collect();
        let (client, other_side) = connect()?;
        let other = reader(client)?;
        Ok(Self { device, slots, other, _both_sides: both_sides, _other_side: other_side })
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        drop(self.other.kill());
        drop(self.other.wait());
    }
}

fn slot(id: SlotId, device: SocketAddr, client: &TcpStream) -> Slot {
    let local = client.local_addr().ok();
    Slot { id, device, holder: None, since: Mono(1), local, state: SlotState::Held }
}

/// Another program that holds the connection.
#[expect(clippy::disallowed_methods, reason = "a measurement starts what it measures")]
fn reader(connection: TcpStream) -> anyhow::Result<Child> {
    Command::new("cat")
        .stdin(OwnedFd::from(connection))
        .stdout(Stdio::null())
        .spawn()
        .context("start cat")
}

fn allow_files(count: u64) -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX);
    ensure!(most >= count, "{count} open files are needed, `ulimit -Hn` says {most}");
    let current = limit.current.map(|now| now.max(count));
    setrlimit(Resource::Nofile, Rlimit { current, maximum: limit.maximum })
        .context("raise the limit of open files")
}
