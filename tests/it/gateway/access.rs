//! Nobody but this server reaches it, and nothing is served that nobody needs.

use super::rig::{Rig, on_each};

#[tokio::test]
async fn the_generated_configuration_is_accepted_and_shut() {
    on_each(async |rig| {
        let version = rig.api.version().await.unwrap();
        assert!(version.starts_with("1."), "{version}");
        assert_eq!(rig.api.streams().await.unwrap(), []);
        for path in ["/api", "/api/streams", "/api/ws", "/api/config"] {
            assert_eq!(rig.raw("GET", path, &[], false).await.unwrap().0, 401, "{path}");
        }
        let closed = [
            "/",
            "/api/config",
            "/api/exit",
            "/api/restart",
            "/api/log",
            "/api/frame.jpeg",
            "/api/stream.mp4",
            "/api/webrtc",
            "/api/ffmpeg",
            "/api/streams.dot",
            "/api/stack",
        ];
        for path in closed {
            assert_eq!(rig.raw("GET", path, &[], true).await.unwrap().0, 404, "{path}");
            assert_eq!(rig.raw("POST", path, &[], true).await.unwrap().0, 404, "{path}");
        }
        assert_eq!(listening(&rig), Vec::<String>::new(), "it listens on TCP");
        rig.stop().await;
    })
    .await;
}

#[tokio::test]
async fn sources_that_run_programs_are_refused() {
    on_each(async |rig| {
        for source in ["exec:touch /tmp/x", "exec:ls", "echo:x", "expr:x", "ffmpeg:rtsp://h/s"] {
            let query = [("name", "evil"), ("src", source)];
            let (status, _) = rig.raw("PATCH", "/api/streams", &query, true).await.unwrap();
            assert_eq!(status, 400, "{source}");
            assert_eq!(rig.stream("evil").await, None, "{source}");
        }
        rig.stop().await;
    })
    .await;
}

/// Local addresses of the process's listening TCP sockets, as `/proc/net/tcp` has them.
fn listening(rig: &Rig) -> Vec<String> {
    let pid = rig.instance.pid();
    let folder = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let inodes: Vec<String> = folder
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.into()))
        .collect();
    let mut found = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = std::fs::read_to_string(table).unwrap_or_default();
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            // 0A is LISTEN; field 9 is the inode (proc_pid_net(5)).
            if fields[3] == "0A" && inodes.iter().any(|inode| inode == fields[9]) {
                found.push(fields[1].to_owned());
            }
        }
    }
    found
}
