//! Zombies that nobody waits for, and pids that are used again.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use camserver::model::process::{EndSignal, Mark};
use camserver::world::process::{How, SignalError, signal};

use super::{
    INSTALLATION, bearers, command, has_ended, identity, shell, spawner_of, stat,
    this_program_with, unit, until,
};

const LIMIT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn an_inherited_zombie_is_reaped_by_its_pid_and_no_other_status_is_taken() {
    let spawner = spawner_of(2);
    let folder = tempfile::tempdir().unwrap();
    let word = folder.path().join("word");
    // The one in the middle ends, so the last one becomes this process's child.
    let script = format!(
        "(setsid sh -c 'echo $$ > {word}.new; mv {word}.new {word}' &); exec sleep 1000",
        word = word.display()
    );
    let child = spawner.spawn(shell(&script)).await.unwrap();
    #[expect(clippy::disallowed_methods, reason = "whose status nobody may take")]
    let mut elsewhere = tokio::process::Command::new("sh")
        .args(["-c", "read -r line; exit 7"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    until("the last one spoke", LIMIT, || word.exists()).await;
    let pid = fs::read_to_string(&word).unwrap().trim().parse().unwrap();
    until("it is a zombie", LIMIT, || stat(pid).is_some_and(|(state, _)| state == 'Z')).await;
    let zombie = identity(pid);
    drop(elsewhere.stdin.take());
    let other = elsewhere.id().unwrap();
    until("the other one has ended", LIMIT, || stat(other).is_none_or(|(state, _)| state == 'Z'))
        .await;
    let recycled = camserver::model::process::ProcessId { start_ticks: 1, ..zombie };
    spawner.reap(recycled);
    assert!(stat(pid).is_some(), "another identity was reaped");
    spawner.reap(zombie);
    assert!(stat(pid).is_none_or(|(_, start)| start != zombie.start_ticks));
    assert_eq!(elsewhere.wait().await.unwrap().code(), Some(7));
    child.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_of_a_child_is_its_owners() {
    let spawner = spawner_of(2);
    for _ in 0..50 {
        let child = spawner.spawn(shell("exit 9")).await.unwrap();
        let (id, reaper) = (child.id(), spawner.clone());
        let greedy = tokio::task::spawn_blocking(move || {
            while !has_ended(id) {
                reaper.reap(id);
            }
            reaper.reap(id);
        });
        assert_eq!(child.output().await.unwrap().how, How::Exited(9));
        greedy.await.unwrap();
    }
}

#[tokio::test]
async fn a_pid_that_is_used_again_is_not_signalled() {
    let inner = this_program_with("process::adoptees::inside_a_namespace_of_its_own");
    let script = "\"$@\"; exit $?";
    let run = command("unshare")
        .args(["--pid", "--fork", "--mount-proc", "sh", "-c", script, "sh"])
        .args(inner)
        .output();
    let (is_done, text) = run.map_or((false, "no unshare".to_owned()), |run| {
        let text = [run.stdout, run.stderr].concat();
        (run.status.success(), String::from_utf8_lossy(&text).into_owned())
    });
    if text.contains("REFUSED AS IT SHOULD BE") {
        return;
    }
    let is_impossible = text.contains("unshare") || text.contains("NO NS_LAST_PID");
    assert!(is_impossible && !is_done || text.contains("NO NS_LAST_PID"), "{text}");
    println!("SKIPPED: no namespace of pids with ns_last_pid, which needs root: {text}");
}

#[tokio::test]
#[ignore = "is run by another test, in a namespace where it may choose pids"]
async fn inside_a_namespace_of_its_own() {
    const LAST_PID: &str = "/proc/sys/kernel/ns_last_pid";
    if fs::read_link("/proc/self").is_ok_and(|pid| pid.as_os_str().len() > 3) {
        println!("not in a namespace of its own");
        return;
    }
    let spawner = spawner_of(2);
    for _ in 0..50 {
        let child = spawner.spawn(shell("exec sleep 1000")).await.unwrap();
        let id = child.id();
        until("it bears its mark", LIMIT, || bearers(child.token()) == [id.pid]).await;
        let mark: Mark = format!("v1:{INSTALLATION}:{}:{}", unit(), child.token()).parse().unwrap();
        child.stop().await.unwrap();
        // Longer than a tick, so that the start times differ.
        tokio::time::sleep(Duration::from_millis(30)).await;
        if fs::write(LAST_PID, (id.pid - 1).to_string()).is_err() {
            println!("NO NS_LAST_PID");
            return;
        }
        let mut next = command("sleep");
        let mut next = next.arg("1000").env("CAMSERVER_MARK", mark.to_string()).spawn().unwrap();
        let is_recycled = next.id() == id.pid;
        let answer = signal(id, &mark, EndSignal::Kill);
        if is_recycled {
            assert!(matches!(answer, Err(SignalError::OtherProcess)), "{answer:?}");
            assert!(!has_ended(identity(next.id())));
            until("it bears the mark", LIMIT, || bearers(&mark.token) == [id.pid]).await;
            signal(identity(next.id()), &mark, EndSignal::Kill).unwrap();
        }
        next.kill().unwrap();
        next.wait().unwrap();
        if is_recycled {
            println!("REFUSED AS IT SHOULD BE");
            return;
        }
    }
    panic!("the pid was never used again");
}
