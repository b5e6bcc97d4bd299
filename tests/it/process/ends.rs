//! Children that end by themselves, and what they are given.

use std::collections::BTreeSet;
use std::time::Duration;

use camserver::model::secret::{Redactor, Secret};
use camserver::world::process::{
    ChildSpec, How, Limits, Output, ProcessError, StdinSource, StdoutSink,
};

use super::{SHIM, command, shell, spawner_of, spawner_with, unit, until};

async fn output(spec: ChildSpec) -> Result<Output, ProcessError> {
    let spawner = spawner_of(1);
    let output = spawner.spawn(spec).await?.output().await;
    assert_eq!(spawner.owned(), BTreeSet::new());
    output
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn a_child_ends_by_itself_and_its_output_comes_back() {
    let ended = output(shell("echo picture; echo complaint >&2; exit 3")).await.unwrap();
    assert_eq!(ended.how, How::Exited(3));
    assert_eq!((ended.stdout.as_slice(), ended.stderr.as_str()), (&b"picture\n"[..], "complaint"));
    let killed = output(shell("kill -9 $$")).await.unwrap();
    assert_eq!(killed.how, How::Signalled(9));
}

#[tokio::test]
async fn a_child_that_writes_without_end_is_ended() {
    let refused = output(shell("exec cat /dev/zero")).await.unwrap_err();
    assert!(matches!(refused, ProcessError::OutputTooLarge { max: 65_536 }), "{refused}");
}

#[tokio::test]
async fn complaints_without_end_neither_block_the_child_nor_grow() {
    let mut spec = shell("head -c 3000000 /dev/zero | tr '\\0' 'x' >&2; echo ' at hunter22' >&2");
    spec.redactor = Redactor::new([&Secret::new("hunter22")]);
    let ended = output(spec).await.unwrap();
    assert_eq!(ended.how, How::Exited(0));
    assert!(ended.stderr.ends_with("x at ***") && ended.stderr.len() <= 8192);
}

#[tokio::test]
async fn a_missing_program_is_told_apart_from_one_that_cannot_be_run() {
    for program in ["/no/such/ffmpeg", "no-such-ffmpeg"] {
        let missing = output(ChildSpec::new(program, unit())).await.unwrap_err();
        assert!(matches!(&missing, ProcessError::ProgramMissing { .. }), "{missing}");
        assert!(missing.to_string().contains(program));
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ffmpeg");
    std::fs::write(&file, "not to be run").unwrap();
    let unusable = output(ChildSpec::new(file, unit())).await.unwrap_err();
    assert!(matches!(&unusable, ProcessError::ProgramUnusable { .. }), "{unusable}");
}

#[tokio::test]
async fn nothing_but_the_allowed_environment_reaches_a_child() {
    let mut spec = shell("cat /proc/$$/environ | tr '\\0' '\\n' | cut -d= -f1");
    spec.environment = vec![("EXTRA".into(), "1".into())];
    let ended = output(spec).await.unwrap();
    let names: BTreeSet<String> = text(&ended).lines().map(str::to_owned).collect();
    let allowed =
        ["CAMSERVER_MARK", "EXTRA", "HOME", "LANG", "LC_ALL", "PATH", "TZ"].map(str::to_owned);
    let allowed = BTreeSet::from(allowed);
    assert!(names.is_subset(&allowed), "{names:?}");
    assert!(names.contains("CAMSERVER_MARK") && names.contains("EXTRA"));
    // The test runner's own variables prove that there was something to clear.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
}

#[tokio::test]
async fn secret_bytes_reach_a_child_on_its_input_alone() {
    const SECRET: &str = "hunter22-of-the-camera";
    let mut spec = shell(
        "read -r secret; tr '\\0' '\\n' < /proc/$$/environ; tr '\\0' '\\n' < /proc/$$/cmdline; \
         tr '\\0' '\\n' < /proc/$PPID/cmdline; echo ${#secret}; read -r more || echo closed",
    );
    spec.stdin = StdinSource::Bytes(format!("{SECRET}\n").into_bytes().into());
    let shown = format!("{spec:?}");
    let ended = output(spec).await.unwrap();
    let text = text(&ended);
    assert!(text.ends_with(&format!("\n{}\nclosed\n", SECRET.len())), "{text}");
    assert!(!text.contains(SECRET) && !shown.contains(SECRET));
}

#[tokio::test]
async fn a_child_that_does_not_read_its_input_ends_all_the_same() {
    let mut spec = shell("exit 0");
    spec.stdin = StdinSource::Bytes(vec![b'x'; 4 << 20].into());
    assert_eq!(output(spec).await.unwrap().how, How::Exited(0));
}

#[tokio::test]
async fn limits_are_in_force() {
    let mut spec = shell("cat /proc/$$/limits");
    spec.limits =
        Limits { cpu_seconds: Some(7), memory_bytes: Some(512 << 20), open_files: Some(64) };
    let ended = output(spec).await.unwrap();
    let text = text(&ended);
    let of = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(of("Max cpu time"), "7 8");
    assert_eq!(of("Max address space"), "536870912 536870912");
    assert_eq!(of("Max open files"), "64 64");
    assert_eq!(of("Max core file size"), "0 0");
}

#[tokio::test]
async fn a_child_that_only_computes_is_ended_by_its_limit() {
    let mut spec = shell("while :; do :; done");
    spec.limits.cpu_seconds = Some(1);
    let ended = output(spec).await.unwrap();
    assert_eq!(ended.how, How::Signalled(24), "SIGXCPU");
}

#[tokio::test]
async fn a_child_has_a_session_of_its_own_and_no_descriptors_of_the_server() {
    let ended = output(shell("cut -d' ' -f1,6 /proc/$$/stat; ls /proc/$$/fd")).await.unwrap();
    let text = text(&ended);
    let mut lines = text.lines();
    let (pid, session) = lines.next().unwrap().split_once(' ').unwrap();
    assert_eq!(pid, session);
    let descriptors: Vec<u32> = lines.map(|line| line.parse().unwrap()).collect();
    assert_eq!(descriptors, [0, 1, 2]);
}

#[tokio::test]
async fn no_more_children_than_allowed_are_started() {
    let spawner = spawner_of(2);
    let (first, second) =
        (spawner.spawn(shell("sleep 60")).await, spawner.spawn(shell("sleep 60")).await);
    let third = spawner.spawn(shell("true")).await.unwrap_err();
    assert!(matches!(third, ProcessError::TooMany { max: 2 }), "{third}");
    first.unwrap().stop().await.unwrap();
    // The place is free as soon as its owner knows that the child has ended.
    spawner.spawn(shell("true")).await.unwrap().output().await.unwrap();
    drop(second);
    until("the place came back", Duration::from_secs(5), || spawner.owned().is_empty()).await;
}

#[tokio::test]
async fn the_number_that_is_allowed_can_be_changed_while_children_run() {
    let spawner = spawner_of(1);
    let first = spawner.spawn(shell("sleep 60")).await.unwrap();
    spawner.set_max_children(2);
    let second = spawner.spawn(shell("sleep 60")).await.unwrap();
    spawner.set_max_children(1);
    first.stop().await.unwrap();
    let refused = spawner.spawn(shell("true")).await.unwrap_err();
    assert!(matches!(refused, ProcessError::TooMany { max: 1 }), "{refused}");
    second.stop().await.unwrap();
    spawner.spawn(shell("true")).await.unwrap().output().await.unwrap();
}

#[tokio::test]
async fn a_program_that_was_replaced_on_disk_still_prepares_children() {
    let folder = tempfile::tempdir().unwrap();
    let shim = folder.path().join("camserver");
    std::fs::copy(SHIM, &shim).unwrap();
    let spawner = spawner_with(shim.clone(), 1);
    std::fs::remove_file(&shim).unwrap();
    std::fs::write(&shim, "a program of another version").unwrap();
    let mut spec = shell("echo here");
    spec.stdout = StdoutSink::Piped { max: 5 };
    let ended = spawner.spawn(spec).await.unwrap().output().await.unwrap();
    assert_eq!(ended.stdout, b"here\n");
}

#[test]
fn what_the_server_inherited_is_not_passed_on() {
    let script = "exec 7</dev/null 9</dev/null; exec \"$0\" child --parent \"$1\" -- \
                  sh -c 'echo /proc/$$/fd/*'";
    let parent = std::process::id().to_string();
    let ended = command("sh").args(["-c", script, SHIM, &parent]).output().unwrap();
    let (listed, errors) =
        (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{errors}");
    assert!(listed.contains("/fd/2") && !listed.contains("/fd/7"), "{listed}");
    assert!(!listed.contains("/fd/9"), "{listed}");
}
