//! What the observer says about real processes.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use camserver::model::process::{Process, ProcessOwner, ProcessState};
use camserver::world::process::ProcessScanner;
use tokio::time::Instant;

use super::{INSTALLATION, command, shell, spawner_of, until};

const LIMIT: Duration = Duration::from_secs(10);

fn scan(scanner: &mut ProcessScanner, installation: &str) -> Vec<Process> {
    scanner.scan(installation, &BTreeSet::new()).unwrap()
}

fn find(processes: Vec<Process>, pid: u32) -> Option<Process> {
    processes.into_iter().find(|process| process.id.pid == pid)
}

#[tokio::test]
async fn a_child_is_seen_with_its_mark_and_its_figures() {
    let (spawner, mut scanner) = (spawner_of(2), ProcessScanner::default());
    let child = spawner.spawn(shell("exec sleep 1000")).await.unwrap();
    let mut seen = None;
    // Until it sleeps: the program has a new name before it has come to its first wait.
    until("its program runs and sleeps", LIMIT, || {
        seen = find(scan(&mut scanner, INSTALLATION), child.id().pid);
        seen.as_ref()
            .is_some_and(|seen| &*seen.command == "sleep" && seen.state == ProcessState::Sleeping)
    })
    .await;
    let seen = seen.unwrap();
    assert_eq!((seen.id, seen.parent), (child.id(), std::process::id()));
    assert_eq!(seen.mark().map(|mark| &mark.token), Some(child.token()));
    assert!(seen.resident_bytes > 0 && seen.open_files.is_some_and(|files| files >= 3));
    let now = camserver::clock::Clock::System.now().mono;
    assert!(now.since(seen.started) < Duration::from_mins(1), "{:?} {now:?}", seen.started);
    // Another installation's server would not take it for its own.
    let other = find(scan(&mut ProcessScanner::default(), "another"), child.id().pid).unwrap();
    assert_eq!(other.owner, ProcessOwner::Unmarked);
    child.stop().await.unwrap();
    assert_eq!(find(scan(&mut scanner, INSTALLATION), seen.id.pid), None);
}

#[tokio::test]
async fn a_descendant_without_a_mark_is_seen_as_such() {
    let (spawner, mut scanner) = (spawner_of(2), ProcessScanner::default());
    let child = spawner.spawn(shell("env -i sleep 1000 & wait")).await.unwrap();
    until("both are seen", LIMIT, || {
        scan(&mut scanner, INSTALLATION).iter().any(|process| {
            process.owner == ProcessOwner::Unmarked
                && process.parent == child.id().pid
                && &*process.command == "sleep"
        })
    })
    .await;
}

#[tokio::test]
async fn what_runs_another_program_is_judged_anew() {
    let mark = format!("v1:{INSTALLATION}:capture/cam-001:execrun-1");
    let mut process = command("env");
    let mut process = process
        .args(["-i", "/bin/sh", "-c"])
        .arg(format!("read -r line; exec env CAMSERVER_MARK={mark} sh -c 'sleep 1000; true'"))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut scanner = ProcessScanner::default();
    let pid = process.id();
    until("it is seen", LIMIT, || {
        find(scan(&mut scanner, INSTALLATION), pid).map(|process| process.owner)
            == Some(ProcessOwner::Unmarked)
    })
    .await;
    process.stdin.take().unwrap().write_all(b"\n").unwrap();
    let ours = ProcessOwner::Ours(mark.parse().unwrap());
    until("its mark is seen", LIMIT, || {
        find(scan(&mut scanner, INSTALLATION), pid).map(|process| process.owner)
            == Some(ours.clone())
    })
    .await;
    process.kill().unwrap();
    until("it is a zombie without a mark", LIMIT, || {
        find(scan(&mut scanner, INSTALLATION), pid).is_some_and(|process| {
            process.state == ProcessState::Zombie && process.owner == ProcessOwner::Unmarked
        })
    })
    .await;
    process.wait().unwrap();
    for process in scan(&mut scanner, INSTALLATION) {
        let is_its_child = process.mark().is_some_and(|mark| &*mark.token.instance == "execrun");
        if is_its_child {
            command("kill").args(["-9", &process.id.pid.to_string()]).status().unwrap();
        }
    }
}

#[tokio::test]
async fn a_stranger_is_shown_only_while_it_is_connected() {
    let stranger = std::os::unix::process::parent_id();
    let mut scanner = ProcessScanner::default();
    for _ in 0..3 {
        assert_eq!(find(scan(&mut scanner, INSTALLATION), stranger), None);
        let seen = scanner.scan(INSTALLATION, &BTreeSet::from([stranger])).unwrap();
        assert_eq!(find(seen, stranger).map(|seen| seen.owner), Some(ProcessOwner::Foreign));
    }
    let me = std::process::id();
    let seen = scanner.scan(INSTALLATION, &BTreeSet::from([me])).unwrap();
    assert_eq!(find(seen, me), None);
}

#[tokio::test]
#[ignore = "prints the cost of a look; run it with --release and --nocapture"]
async fn cost_of_a_look_at_3000_processes() {
    // As descendants each look reads all of them, which is the worst case; after the one in the
    // middle has ended they are strangers, as on a host that has other work.
    let folder = tempfile::tempdir().unwrap();
    let (group, script) = (folder.path().join("group"), folder.path().join("script"));
    let text = "echo $$ > $1.new; i=0; while [ $i -lt 3000 ]; do sleep 1000 & i=$((i+1)); done; \
                mv $1.new $1; wait";
    std::fs::write(&script, text).unwrap();
    let middle = "setsid sh $1 $2 & read -r line";
    let mut middle = command("sh")
        .args(["-c", middle, "sh"])
        .args([&script, &group])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    until("all are there", Duration::from_mins(2), || group.exists()).await;
    let mut scanner = ProcessScanner::default();
    let look = |scanner: &mut ProcessScanner, whose: &str| {
        let begin = Instant::now();
        let seen = scan(scanner, INSTALLATION).len();
        println!("{whose}: {seen} seen in {:?}", begin.elapsed());
    };
    for _ in 0..5 {
        look(&mut scanner, "descendants");
    }
    drop(middle.stdin.take());
    middle.wait().unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    for _ in 0..8 {
        look(&mut scanner, "strangers");
    }
    let group = std::fs::read_to_string(&group).unwrap();
    command("kill").args(["-9", "--", &format!("-{}", group.trim())]).status().unwrap();
}
