//! Thousands of children, and what the server keeps of them: nothing.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use camserver::world::process::{How, ProcessScanner, Spawner};
use tokio::task::JoinSet;

use super::{command, shell, spawner_for, this_program_with, until};

/// How many; set it to 10000 for the long form.
const COUNT: &str = "CAMSERVER_TEST_CHILDREN";
/// The children of other tests, which run at the same time, are not counted.
const OWN: &str = "installation-of-many-children";
const AT_ONCE: usize = 8;

/// Descriptors, threads, resident bytes.
fn figures() -> [u64; 3] {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let of = |name: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    let files = fs::read_dir("/proc/self/fd").unwrap().count() as u64;
    [files, of("Threads:"), of("VmRSS:") * 1024]
}

async fn start_and_end(spawner: &Spawner, count: usize) {
    let mut running = JoinSet::new();
    for number in 0..count {
        if running.len() == AT_ONCE {
            running.join_next().await.unwrap().unwrap();
        }
        let spawner = spawner.clone();
        running.spawn(async move {
            // One in ten is let go of, the others end by themselves.
            let script = if number % 10 == 0 { "exec sleep 1000" } else { "echo picture" };
            let child = spawner.spawn(shell(script)).await.unwrap();
            if number % 10 == 0 {
                child.stop().await.unwrap();
            } else {
                let output = child.output().await.unwrap();
                assert_eq!(
                    (output.how, output.stdout.as_slice()),
                    (How::Exited(0), &b"picture\n"[..])
                );
            }
        });
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
}

#[test]
fn thousands_of_children_leave_nothing_in_the_server() {
    // In a process of its own, whose figures no other test changes.
    let program = this_program_with("process::many::a_server_with_many_children");
    let ended = command(&program[0]).args(&program[1..]).output().unwrap();
    let text = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success() && text.contains("1 passed"), "{text}");
    println!("{}", text.lines().find(|line| line.contains("children")).unwrap_or_default());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "is run by another test, in a process of its own"]
async fn a_server_with_many_children() {
    let count = std::env::var(COUNT).ok().and_then(|count| count.parse().ok()).unwrap_or(2_000);
    let spawner = spawner_for(OWN, AT_ONCE);
    start_and_end(&spawner, 100).await;
    let before = figures();
    let begin = tokio::time::Instant::now();
    start_and_end(&spawner, count).await;
    println!("{count} children took {:?}", begin.elapsed());
    assert!(spawner.owned().is_empty());
    // Idle threads of the runtime's pool end after 10 s.
    until("threads and files are as before", Duration::from_secs(30), || {
        let now = figures();
        now[0] <= before[0] && now[1] <= before[1]
    })
    .await;
    let grown = figures()[2].saturating_sub(before[2]);
    assert!(grown < 8 << 20, "{grown} bytes more than before");
    let left = ProcessScanner::default().scan(OWN, &BTreeSet::new()).unwrap();
    assert_eq!(left, []);
}
