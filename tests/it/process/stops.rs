//! Children that do not want to end.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use camserver::model::process::{ChildToken, EndSignal, Mark, ProcessId};
use camserver::world::process::{Child, How, Polite, ProcessError, SignalError, Spawner, signal};
use tokio::signal::unix::{SignalKind, signal as catch};

use super::{INSTALLATION, bearers, has_ended, identity, shell, spawner_of, stat, unit, until};

/// What the issue allows after an end.
const LIMIT: Duration = Duration::from_secs(3);

/// A place where a child says that it has come so far.
struct Word {
    folder: tempfile::TempDir,
}

impl Word {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("word")
    }

    async fn spoken(&self) -> String {
        until("the child says its word", Duration::from_secs(20), || {
            fs::read_to_string(self.path()).is_ok_and(|text| text.ends_with('\n'))
        })
        .await;
        fs::read_to_string(self.path()).unwrap().trim().to_owned()
    }
}

async fn child(spawner: &Spawner, script: &str, word: &Word) -> Child {
    let path = word.path();
    let script = script.replace("WORD", &path.display().to_string());
    spawner.spawn(shell(&script)).await.unwrap()
}

/// Nothing of the child is left: no process, no owner, no zombie.
async fn nothing_is_left(spawner: &Spawner, leader: ProcessId, token: &ChildToken) {
    until("no process bears the mark", LIMIT, || bearers(token).is_empty()).await;
    until("the leader is reaped", LIMIT, || {
        stat(leader.pid).is_none_or(|(_, start)| start != leader.start_ticks)
    })
    .await;
    until("nobody owns it", LIMIT, || spawner.owned().is_empty()).await;
}

#[tokio::test]
async fn letting_go_of_a_child_ends_it_and_all_that_it_started() {
    let (spawner, word) = (spawner_of(4), Word::new());
    let script = "sleep 1000 & (sleep 1001; true) & echo > WORD; wait";
    let child = child(&spawner, script, &word).await;
    word.spoken().await;
    let (id, token) = (child.id(), child.token().clone());
    assert!(bearers(&token).len() >= 3);
    assert!(spawner.owned().contains(&token));
    drop(child);
    nothing_is_left(&spawner, id, &token).await;
}

#[tokio::test]
async fn a_child_that_ignores_the_polite_signal_is_killed() {
    let (spawner, word) = (spawner_of(4), Word::new());
    let script = "trap '' TERM INT; echo > WORD; while :; do sleep 1000; done";
    let child = child(&spawner, script, &word).await;
    word.spoken().await;
    let (id, token) = (child.id(), child.token().clone());
    let ended = child.stop().await.unwrap();
    assert_eq!(ended.how, How::Signalled(9));
    assert!(has_ended(id) && bearers(&token).is_empty());
}

#[tokio::test]
async fn a_child_is_asked_before_it_is_killed() {
    // As the server does: a signal that is ignored here, as INT is in a job in the background, is
    // ignored by children too, but not one that is caught.
    let _caught =
        [SignalKind::terminate(), SignalKind::interrupt()].map(|kind| catch(kind).unwrap());
    for (polite, name) in [(Polite::Terminate, "TERM"), (Polite::Interrupt, "INT")] {
        let (spawner, word) = (spawner_of(4), Word::new());
        let script =
            format!("trap 'echo asked; exit 5' {name}; echo > WORD; while :; do sleep 0.05; done");
        let mut spec = shell(&script.replace("WORD", &word.path().display().to_string()));
        spec.stop = polite;
        spec.grace = Duration::from_secs(20);
        let child = spawner.spawn(spec).await.unwrap();
        word.spoken().await;
        let ended = child.stop().await.unwrap();
        assert_eq!((ended.how, ended.stdout), (How::Exited(5), b"asked\n".to_vec()));
    }
}

#[tokio::test]
async fn a_grandchild_in_another_session_is_ended_too() {
    let (spawner, word) = (spawner_of(4), Word::new());
    let script =
        "setsid sh -c 'trap \"\" TERM HUP; echo $$ > WORD; while :; do sleep 1000; done' & wait";
    let child = child(&spawner, script, &word).await;
    let grandchild = identity(word.spoken().await.parse().unwrap());
    let (id, token) = (child.id(), child.token().clone());
    drop(child);
    nothing_is_left(&spawner, id, &token).await;
    assert!(stat(grandchild.pid).is_none_or(|(_, start)| start != grandchild.start_ticks));
}

#[tokio::test]
async fn a_grandchild_outlives_neither_a_child_that_ends_by_itself() {
    let (spawner, word) = (spawner_of(4), Word::new());
    let script = "setsid sh -c 'echo $$ > WORD; exec sleep 1000' & \
                  env -i sleep 1001 & while [ ! -s WORD ]; do sleep 0.01; done; exit 0";
    let child = child(&spawner, script, &word).await;
    let token = child.token().clone();
    assert_eq!(child.output().await.unwrap().how, How::Exited(0));
    let grandchild = word.spoken().await.parse().unwrap();
    assert!(bearers(&token).is_empty());
    assert!(stat(grandchild).is_none(), "it is not reaped");
}

#[tokio::test]
async fn a_stopped_child_ends() {
    let (spawner, word) = (spawner_of(4), Word::new());
    let child = child(&spawner, "echo > WORD; kill -STOP $$; sleep 1000", &word).await;
    word.spoken().await;
    let (id, token) = (child.id(), child.token().clone());
    until("it is stopped", LIMIT, || stat(id.pid).is_some_and(|(state, _)| state == 'T')).await;
    drop(child);
    nothing_is_left(&spawner, id, &token).await;
}

#[tokio::test]
async fn giving_up_a_start_leaves_nothing() {
    let spawner = spawner_of(4);
    let first = spawner.spawn(shell("true")).await.unwrap();
    let run = Arc::clone(&first.token().instance);
    first.output().await.unwrap();
    for polls in 0..40 {
        let mut start = Box::pin(spawner.spawn(shell("sleep 1000")));
        for _ in 0..polls {
            if let Ok(child) = tokio::time::timeout(Duration::from_micros(200), &mut start).await {
                drop(child);
                break;
            }
        }
        drop(start);
        until("nobody owns a child", LIMIT, || spawner.owned().is_empty()).await;
    }
    for number in 1..=41 {
        let token = ChildToken { instance: Arc::clone(&run), number };
        assert!(bearers(&token).is_empty(), "{token}");
    }
}

#[tokio::test]
async fn shutting_down_ends_all_and_starts_no_more() {
    let spawner = spawner_of(8);
    let mut children = Vec::new();
    for script in ["sleep 1000", "trap '' TERM; while :; do sleep 1; done", "setsid sleep 1000"] {
        children.push(spawner.spawn(shell(script)).await.unwrap());
    }
    let undead = spawner.shut_down().await;
    assert!(undead.is_empty() && spawner.owned().is_empty());
    for child in &children {
        assert!(has_ended(child.id()) && bearers(child.token()).is_empty());
    }
    let refused = spawner.spawn(shell("true")).await.unwrap_err();
    assert!(matches!(refused, ProcessError::Closed), "{refused}");
}

#[tokio::test]
async fn a_process_is_signalled_only_by_its_full_identity() {
    let (spawner, word) = (spawner_of(4), Word::new());
    let mut child = child(&spawner, "echo > WORD; sleep 1000; true", &word).await;
    // In the middle of an `execve` a process shows no mark.
    word.spoken().await;
    let mark =
        |token: &str| -> Mark { format!("v1:{INSTALLATION}:{}:{token}", unit()).parse().unwrap() };
    let (id, own) = (child.id(), mark(&child.token().to_string()));
    let recycled = ProcessId { start_ticks: id.start_ticks - 1, ..id };
    let refused = signal(recycled, &own, EndSignal::Kill);
    assert!(matches!(refused, Err(SignalError::OtherProcess)), "{refused:?}");
    let refused = signal(id, &mark("another-1"), EndSignal::Kill);
    assert!(matches!(refused, Err(SignalError::OtherMark)), "{refused:?}");
    assert!(!has_ended(id));
    signal(id, &own, EndSignal::Kill).unwrap();
    assert_eq!(child.wait().await.unwrap().how, How::Signalled(9));
    let refused = signal(id, &own, EndSignal::Kill);
    assert!(matches!(refused, Err(SignalError::Gone | SignalError::OtherProcess)), "{refused:?}");
}

/// A child that holds its standard output open in a process that is not its own.
#[tokio::test]
async fn a_stream_that_somebody_else_holds_delays_nobody() {
    let (spawner, word) = (spawner_of(4), Word::new());
    // Without a mark and in another session: nothing connects it with the child any more.
    let script = "env -i setsid sh -c 'echo $$ > WORD; exec sleep 20' & \
                  while [ ! -s WORD ]; do sleep 0.01; done; echo done";
    let child = child(&spawner, script, &word).await;
    let ended = tokio::time::timeout(LIMIT, child.output()).await.expect("it waits").unwrap();
    assert_eq!(ended.stdout, b"done\n");
    let pid = word.spoken().await;
    super::command("kill").args(["-9", &pid]).status().unwrap();
    spawner.reap(identity(pid.parse().unwrap()));
}

/// Freezes a process so that not even SIGKILL ends it; thaws it at the end.
struct Freezer(PathBuf);

impl Freezer {
    /// The freezer of the first version of control groups does that; that of the second does not.
    fn new() -> Option<Self> {
        let path = Path::new("/sys/fs/cgroup/freezer").join(format!("t{}", std::process::id()));
        fs::create_dir(&path).ok()?;
        path.join("freezer.state").exists().then_some(Self(path))
    }

    fn set(&self, state: &str) {
        fs::write(self.0.join("freezer.state"), state).unwrap();
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        fs::write(self.0.join("freezer.state"), "THAWED").ok();
        fs::remove_dir(&self.0).ok();
    }
}

#[tokio::test]
async fn a_child_that_hangs_in_the_kernel_is_reported_and_ends_when_it_wakes() {
    let Some(freezer) = Freezer::new() else {
        println!("SKIPPED: no freezer, which needs root and control groups of the first version");
        return;
    };
    let (spawner, word) = (spawner_of(1), Word::new());
    let child = child(&spawner, "echo > WORD; exec sleep 1000", &word).await;
    word.spoken().await;
    let (id, token) = (child.id(), child.token().clone());
    fs::write(freezer.0.join("cgroup.procs"), id.pid.to_string()).unwrap();
    freezer.set("FROZEN");
    let ended = child.stop().await.unwrap();
    assert_eq!(ended.how, How::Undead);
    assert_eq!(spawner.undead(), [id].into());
    assert!(spawner.owned().contains(&token));
    assert!(matches!(spawner.spawn(shell("true")).await, Err(ProcessError::TooMany { .. })));
    freezer.set("THAWED");
    nothing_is_left(&spawner, id, &token).await;
    assert!(spawner.undead().is_empty());
}
