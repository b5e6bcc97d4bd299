//! Remembers on disk which slots are taken, so that a run after a crash knows what the cameras
//! may still believe.
//!
//! Plain appended lines: a write survives the death of the process without any sync, and costs
//! some microseconds. What a power failure takes away does not matter, because after a reboot
//! every device rests anyway.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::model::desired::Device;
use crate::model::slot::{Slot, SlotId};

/// The file is written anew when it grows beyond this.
const BYTES_MAX: u64 = 256 * 1024;

/// A larger file is not one of ours.
const READ_BYTES_MAX: u64 = 4 * BYTES_MAX;

/// The journal of this run.
#[derive(Debug)]
pub struct SlotJournal {
    path: PathBuf,
    /// First lines of the file: the boot, and whether this boot rests.
    head: String,
    file: File,
    bytes: u64,
    /// What the file says.
    open: Open,
    /// A write failed: what the file says is not known, and it has to be written anew.
    torn: bool,
}

type Open = BTreeMap<SlotId, (Device, Option<SocketAddr>)>;

/// A slot that was taken when the run before ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// To which device.
    pub device: Device,
    /// Its connection's address on this side, where there was one.
    pub local: Option<SocketAddr>,
}

/// What the run before left.
#[derive(Debug, PartialEq, Eq)]
pub struct Before {
    /// Slots that it held, where the host has not been started anew since.
    pub left: Vec<Left>,
    /// Whether the host was started anew while slots were held.
    pub rebooted: bool,
}

impl SlotJournal {
    /// Reads what the run before left, and prepares this run's journal.
    ///
    /// The file stays as it is until the first [`SlotJournal::sync`], which writes it anew with
    /// the slots taken over: a crash in between must not forget them.
    pub fn open(path: &Path, boot_id: &str) -> io::Result<(Self, Before)> {
        let before = match fs::metadata(path) {
            Ok(meta) if meta.len() <= READ_BYTES_MAX => {
                read(&String::from_utf8_lossy(&fs::read(path)?), boot_id)
            }
            Ok(_) => Before { left: Vec::new(), rebooted: true },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Before { left: Vec::new(), rebooted: false }
            }
            Err(error) => return Err(error),
        };
        let rest = if before.rebooted { "rest\n" } else { "" };
        let journal = Self {
            path: path.to_owned(),
            head: format!("boot {boot_id}\n{rest}"),
            file: OpenOptions::new().create(true).append(true).open(path)?,
            bytes: 0,
            open: BTreeMap::new(),
            torn: true,
        };
        Ok((journal, before))
    }

    /// Brings the journal in line with the slots that are taken now.
    pub fn sync<'a>(&mut self, slots: impl IntoIterator<Item = &'a Slot>) -> io::Result<()> {
        let now: Open =
            slots.into_iter().map(|slot| (slot.id, (slot.device, slot.local))).collect();
        if now == self.open && !self.torn {
            return Ok(());
        }
        let lines = self.difference(&now);
        self.open = now;
        if self.torn || self.bytes > BYTES_MAX {
            self.torn = true;
            (self.file, self.bytes) = begin(&self.path, &self.head, &self.open)?;
            self.torn = false;
            return Ok(());
        }
        let written = self.file.write_all(lines.as_bytes());
        self.torn = written.is_err();
        self.bytes += lines.len() as u64;
        written
    }

    fn difference(&self, now: &Open) -> String {
        let mut lines = String::new();
        for id in self.open.keys().filter(|id| !now.contains_key(id)) {
            // Writing into a string cannot fail.
            writeln!(lines, "- {id}").ok();
        }
        for (id, entry) in now {
            if self.open.get(id) != Some(entry) {
                lines.push_str(&line(*id, *entry));
            }
        }
        lines
    }
}

fn line(id: SlotId, (device, local): (Device, Option<SocketAddr>)) -> String {
    match local {
        Some(local) => format!("+ {id} {device} {local}\n"),
        None => format!("+ {id} {device}\n"),
    }
}

/// Writes a new file beside the old one and puts it in its place.
fn begin(path: &Path, head: &str, open: &Open) -> io::Result<(File, u64)> {
    let fresh = path.with_extension("new");
    let mut text = head.to_owned();
    for (id, entry) in open {
        text.push_str(&line(*id, *entry));
    }
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).open(&fresh)?;
    file.write_all(text.as_bytes())?;
    fs::rename(&fresh, path)?;
    Ok((file, text.len() as u64))
}

fn read(text: &str, boot_id: &str) -> Before {
    let mut slots: BTreeMap<SlotId, Left> = BTreeMap::new();
    let (mut boot, mut rests) = ("", false);
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["boot", id] => boot = id,
            ["rest"] => rests = true,
            ["-", id] => {
                if let Ok(id) = id.parse() {
                    slots.remove(&id);
                }
            }
            ["+", id, device, rest @ ..] => {
                if let (Ok(id), Ok(device)) = (id.parse(), device.parse()) {
                    let local = rest.first().and_then(|local| local.parse().ok());
                    slots.insert(id, Left { device, local });
                }
            }
            // A line torn by the crash.
            _ => {}
        }
    }
    if boot != boot_id {
        // The sockets went with the boot; what the cameras believe did not.
        return Before { left: Vec::new(), rebooted: !slots.is_empty() };
    }
    // A second start after the reboot rests as the first one did.
    Before { left: slots.into_values().collect(), rebooted: rests }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::slot::SlotState;
    use crate::model::time::Mono;

    fn slot(id: SlotId, local: Option<&str>) -> Slot {
        Slot {
            id,
            device: "127.125.0.19:554".parse().unwrap(),
            holder: None,
            since: Mono(0),
            local: local.map(|local| local.parse().unwrap()),
            state: SlotState::Held,
        }
    }

    #[test]
    fn what_was_taken_at_the_end_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("slots");
        let (mut journal, before) = SlotJournal::open(&path, "b1").unwrap();
        assert_eq!(before, Before { left: vec![], rebooted: false });
        let (one, two) = (slot(1, None), slot(2, Some("127.0.0.1:4000")));
        journal.sync([&one, &slot(2, None)]).unwrap();
        journal.sync([&one, &two]).unwrap();
        journal.sync([&two]).unwrap();
        drop(journal);
        fs::write(&path, fs::read_to_string(&path).unwrap() + "+ 3 127.1").unwrap();

        let (_, before) = SlotJournal::open(&path, "b1").unwrap();
        assert_eq!(before.left, [Left { device: two.device, local: two.local }]);
        assert!(!before.rebooted);
    }

    #[test]
    fn what_could_not_be_written_is_written_once_it_can() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("slots");
        let (mut journal, _) = SlotJournal::open(&path, "b1").unwrap();
        let one = slot(1, None);
        journal.file = File::open(&path).unwrap();
        fs::create_dir(path.with_extension("new")).unwrap();
        assert!(journal.sync([&one]).is_err());
        assert!(journal.sync([&one]).is_err(), "nothing changed, but the file still lacks it");
        fs::remove_dir(path.with_extension("new")).unwrap();
        journal.sync([&one]).unwrap();
        drop(journal);
        assert_eq!(SlotJournal::open(&path, "b1").unwrap().1.left.len(), 1);
    }

    #[test]
    fn another_boot_is_noticed_unless_nothing_was_taken() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("slots");
        let (mut journal, _) = SlotJournal::open(&path, "b1").unwrap();
        journal.sync([&slot(1, None)]).unwrap();
        let (mut journal, before) = SlotJournal::open(&path, "b2").unwrap();
        assert_eq!(before, Before { left: vec![], rebooted: true });
        journal.sync([]).unwrap();
        let (_, before) = SlotJournal::open(&path, "b2").unwrap();
        assert!(before.rebooted, "a second start in the same boot rests too");
        assert!(!SlotJournal::open(&path, "b3").unwrap().1.rebooted);
    }

    #[test]
    fn a_crash_before_the_first_write_forgets_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("slots");
        let (mut journal, _) = SlotJournal::open(&path, "b1").unwrap();
        journal.sync([&slot(1, None)]).unwrap();
        drop(SlotJournal::open(&path, "b1").unwrap());
        assert_eq!(SlotJournal::open(&path, "b1").unwrap().1.left.len(), 1);
    }

    #[test]
    fn the_file_stays_small() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("slots");
        let (mut journal, _) = SlotJournal::open(&path, "b1").unwrap();
        for id in 0..20_000 {
            journal.sync([&slot(id, None)]).unwrap();
        }
        assert!(fs::metadata(&path).unwrap().len() <= BYTES_MAX + 100);
        drop(journal);
        assert_eq!(SlotJournal::open(&path, "b1").unwrap().1.left.len(), 1);
    }
}
