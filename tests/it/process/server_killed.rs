//! A server that is killed, and its children after it.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::{command, has_ended, identity, shell, spawner_of, stat, this_program_with, until};

const PIDS: &str = "CAMSERVER_TEST_PIDS";

#[tokio::test]
async fn children_of_a_killed_server_are_gone_within_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let program = this_program_with("process::server_killed::a_server_that_is_killed");
    let mut server = command(&program[0]);
    let mut server = server.args(&program[1..]).env(PIDS, &pids).spawn().unwrap();
    until("its children are there", Duration::from_secs(30), || pids.exists()).await;
    let children: Vec<_> = fs::read_to_string(&pids)
        .unwrap()
        .lines()
        .map(|pid| identity(pid.parse().unwrap()))
        .collect();
    assert_eq!(children.len(), 3);
    assert!(children.iter().all(|child| !has_ended(*child)));
    server.kill().unwrap();
    until("all have ended", Duration::from_secs(1), || {
        children.iter().all(|child| has_ended(*child))
    })
    .await;
    server.wait().unwrap();
}

#[tokio::test]
#[ignore = "is run by another test, which kills it"]
async fn a_server_that_is_killed() {
    let Some(pids) = std::env::var_os(PIDS).map(PathBuf::from) else { return };
    let spawner = spawner_of(3);
    let mut children = Vec::new();
    for script in
        ["exec sleep 1000", "trap '' TERM INT HUP; while :; do sleep 1; done", "kill -STOP $$"]
    {
        children.push(spawner.spawn(shell(script)).await.unwrap());
    }
    until("one is stopped", Duration::from_secs(20), || {
        stat(children[2].id().pid).is_some_and(|(state, _)| state == 'T')
    })
    .await;
    let text: Vec<String> = children.iter().map(|child| child.id().pid.to_string()).collect();
    fs::write(pids.with_extension("new"), text.join("\n")).unwrap();
    fs::rename(pids.with_extension("new"), pids).unwrap();
    std::future::pending::<()>().await;
}
