//! Every stage of a session can go wrong in every way that makes sense.

use std::io::{ErrorKind, Read as _, Write as _};
use std::time::Duration;

use crate::simulator::{Client, HTTP_PORT, PORT, Simulator, connect, eventually};

const STAGES: [(&str, &str); 5] = [
    ("options", "OPTIONS"),
    ("describe", "DESCRIBE"),
    ("setup", "SETUP"),
    ("play", "PLAY"),
    ("teardown", "TEARDOWN"),
];

/// A client that has done everything before `method`.
fn before(simulator: &Simulator, method: &str) -> Client {
    let mut client = Client::connect(simulator, 1);
    for step in
        ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"].into_iter().take_while(|&step| step != method)
    {
        assert_eq!(client.ask(step).unwrap(), 200, "{step} before {method}");
    }
    client.patience(Duration::from_millis(300));
    client
}

fn fault(stage: &str, rest: &str) -> String {
    format!("{{\"stage\": \"{stage}\", {rest}}}")
}

#[test]
fn answers_hang_until_the_fault_ends() {
    let simulator = Simulator::start(&["--cameras", "1", "--limit", "99"]);
    for (stage, method) in STAGES {
        let mut client = before(&simulator, method);
        simulator.fault(1, &fault(stage, r#""kind": "hang""#));
        client.send(method);
        if method == "TEARDOWN" {
            // The pictures go on, and the session.
            for _ in 0..10 {
                client.packet().unwrap();
            }
            assert_eq!(simulator.count(1, "tornDown"), 0);
        } else {
            let answer = client.receive();
            assert!(answer.is_err(), "{stage}: {answer:?}");
        }
        simulator.heal(1);
        client.patience(Duration::from_secs(5));
        if method == "TEARDOWN" {
            // While the client is there: its leaving would be taken for the end instead.
            eventually("the late teardown was served", || simulator.count(1, "tornDown") == 1);
        } else {
            assert_eq!(client.receive().unwrap(), 200, "{stage}");
        }
    }
}

#[test]
fn answers_are_errors_resets_and_closes() {
    let simulator = Simulator::start(&["--cameras", "1", "--limit", "99"]);
    for (stage, method) in STAGES {
        let mut client = before(&simulator, method);
        client.patience(Duration::from_secs(5));
        simulator.fault(1, &fault(stage, r#""kind": "error", "code": 503"#));
        assert_eq!(client.ask(method).unwrap(), 503, "{stage}");
        simulator.fault(1, &fault(stage, r#""kind": "reset""#));
        let error = client.ask(method).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{stage}");
        simulator.heal(1);
        let mut client = before(&simulator, method);
        client.patience(Duration::from_secs(5));
        simulator.fault(1, &fault(stage, r#""kind": "close""#));
        assert_eq!(client.ask(method).unwrap_err().kind(), ErrorKind::UnexpectedEof, "{stage}");
        simulator.heal(1);
    }
    eventually("every end was seen", || simulator.count(1, "connections") == 0);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test measures a delay")]
fn answers_are_late_slow_garbled_or_endless() {
    let simulator = Simulator::start(&["--cameras", "1", "--limit", "99"]);
    for (stage, method) in STAGES {
        let mut client = before(&simulator, method);
        client.patience(Duration::from_secs(5));
        simulator.fault(1, &fault(stage, r#""kind": "delay", "ms": 250"#));
        let asked = std::time::Instant::now();
        assert_eq!(client.ask(method).unwrap(), 200, "{stage}");
        assert!(asked.elapsed() >= Duration::from_millis(250), "{stage}");
        simulator.heal(1);

        let mut client = before(&simulator, method);
        simulator.fault(1, &fault(stage, r#""kind": "crawl", "ms": 50"#));
        client.send(method);
        client.patience(Duration::from_secs(1));
        if method != "TEARDOWN" {
            let mut bytes = [0; 5];
            client.reader.read_exact(&mut bytes).unwrap();
            assert_eq!(&bytes, b"RTSP/", "{stage}");
            assert!(client.reader.buffer().len() < 3, "{stage}: byte by byte");
        }
        simulator.heal(1);

        let mut client = before(&simulator, method);
        simulator.fault(1, &fault(stage, r#""kind": "garbage""#));
        client.send(method);
        // It is no interleaved packet either, where pictures go on.
        let answer = if method == "TEARDOWN" { None } else { Some(client.receive()) };
        assert!(!matches!(answer, Some(Ok(_))), "{stage}");
        eventually("garbage", || client.packet().is_err());
        simulator.heal(1);

        let mut client = before(&simulator, method);
        client.patience(Duration::from_secs(5));
        simulator.fault(1, &fault(stage, r#""kind": "endless", "variant": "headers""#));
        client.send(method);
        let mut bytes = vec![0; 200_000];
        client.reader.read_exact(&mut bytes).unwrap();
        simulator.heal(1);
    }
    eventually("every end was seen", || simulator.count(1, "connections") == 0);
}

#[test]
fn description_of_a_gibibyte_and_of_huge_pictures() {
    let simulator = Simulator::start(&["--cameras", "1"]);
    for (variant, comes) in [("body", true), ("length", false)] {
        simulator
            .fault(1, &fault("describe", &format!(r#""kind": "endless", "variant": "{variant}""#)));
        let mut client = Client::connect(&simulator, 1);
        client.patience(Duration::from_millis(400));
        client.send("DESCRIBE");
        let mut text = vec![0; 4096];
        let mut got = 0;
        while got < text.len() {
            match client.reader.read(&mut text[got..]) {
                Ok(count) if count > 0 => got += count,
                _ => break,
            }
        }
        let text = String::from_utf8_lossy(&text[..got]).into_owned();
        assert!(text.contains("Content-Length: 1073741824\r\n"), "{text}");
        assert_eq!(got == 4096, comes, "{variant}: {got} bytes");
    }
    simulator.fault(1, &fault("describe", r#""kind": "huge-sps""#));
    assert_eq!(Client::connect(&simulator, 1).ask("DESCRIBE").unwrap(), 200);
}

#[test]
fn connections_fail_before_the_first_request() {
    let simulator = Simulator::start(&["--cameras", "1", "--limit", "99"]);
    let host = format!("{}:{PORT}", simulator.address(1));
    simulator.fault(1, &fault("accept", r#""kind": "hang""#));
    let mut client = Client::connect(&simulator, 1);
    client.patience(Duration::from_millis(200));
    assert!(client.ask("OPTIONS").is_err());
    simulator.heal(1);
    client.patience(Duration::from_secs(5));
    assert_eq!(client.receive().unwrap(), 200, "what was asked meanwhile is answered");

    simulator.fault(1, &fault("accept", r#""kind": "refuse""#));
    eventually("it refuses", || std::net::TcpStream::connect(&host).is_err());
    assert_eq!(client.ask("OPTIONS").unwrap(), 200, "who is in, stays in");
    simulator.heal(1);
    eventually("it listens again", || std::net::TcpStream::connect(&host).is_ok());

    for (kind, error) in
        [("reset", ErrorKind::ConnectionReset), ("close", ErrorKind::UnexpectedEof)]
    {
        simulator.fault(1, &fault("accept", &format!("\"kind\": \"{kind}\"")));
        // A reset may come before the client has noticed that it was connected.
        let outcome = std::net::TcpStream::connect(&host)
            .and_then(|mut stream| stream.read_exact(&mut [0; 1]));
        assert_eq!(outcome.unwrap_err().kind(), error);
    }
    for kind in ["garbage", "endless"] {
        simulator.fault(1, &fault("accept", &format!("\"kind\": \"{kind}\"")));
        connect(&host).read_exact(&mut [0; 2048]).unwrap();
    }
    simulator.fault(1, &fault("accept", r#""kind": "error", "code": 503"#));
    assert_eq!(Client::connect(&simulator, 1).ask("OPTIONS").unwrap(), 503);
}

/// NAL unit types that a playing client receives in the next `count` packets, aggregates opened.
fn unit_types(client: &mut Client, count: usize) -> Vec<u8> {
    let mut types = Vec::new();
    for _ in 0..count {
        let (channel, packet) = client.packet().unwrap();
        if channel != 0 {
            continue;
        }
        match packet[12] & 0x1f {
            24 => {
                let mut rest = &packet[13..];
                while rest.len() > 2 {
                    let length = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
                    types.push(rest[2] & 0x1f);
                    rest = &rest[2 + length..];
                }
            }
            28 => types.push(packet[13] & 0x1f),
            single => types.push(single),
        }
    }
    types
}

#[test]
fn key_pictures_never_come_or_come_late() {
    let simulator = Simulator::start(&["--cameras", "1", "--limit", "9"]);
    let mut client = Client::connect(&simulator, 1);
    client.play();
    assert!(unit_types(&mut client, 40).contains(&5));
    simulator.fault(1, &fault("stream", r#""kind": "idr-never""#));
    // A group is five pictures; what was under way when the fault began is let pass.
    unit_types(&mut client, 10);
    assert!(!unit_types(&mut client, 15).contains(&5));
    simulator.fault(1, &fault("stream", r#""kind": "idr-late", "ms": 1500"#));
    assert!(!unit_types(&mut client, 10).contains(&5));
    assert!(unit_types(&mut client, 30).contains(&5));
    simulator.fault(1, &fault("stream", r#""kind": "huge-sps""#));
    assert!(unit_types(&mut client, 40).contains(&7));
}

#[test]
fn running_stream_hangs_and_goes_on() {
    let simulator = Simulator::start(&["--cameras", "1"]);
    let mut client = Client::connect(&simulator, 1);
    client.play();
    client.packet().unwrap();
    simulator.fault(1, &fault("stream", r#""kind": "hang""#));
    client.patience(Duration::from_millis(500));
    eventually("silence", || client.packet().is_err());
    client.send("GET_PARAMETER");
    assert!(client.packet().is_err(), "nor is anything answered");
    assert_eq!(simulator.count(1, "connections"), 1);
    simulator.heal(1);
    client.patience(Duration::from_secs(5));
    client.receive().unwrap();
    client.packet().unwrap();
}

#[test]
fn running_stream_ends_or_turns_to_rubbish() {
    let simulator = Simulator::start(&["--cameras", "1", "--limit", "9"]);
    for kind in ["reset", "close", "garbage"] {
        let mut client = Client::connect(&simulator, 1);
        client.play();
        client.packet().unwrap();
        simulator.fault(1, &fault("stream", &format!("\"kind\": \"{kind}\"")));
        eventually(kind, || client.packet().is_err());
        simulator.heal(1);
    }
    let mut client = Client::connect(&simulator, 1);
    client.play();
    simulator.fault(1, &fault("stream", r#""kind": "endless""#));
    let mut endless = 0;
    eventually("a picture that never ends", || {
        let (_, packet) = client.packet().unwrap();
        let last = packet[1] & 0x80 != 0;
        endless = if last { 0 } else { endless + 1 };
        endless > 50
    });
    simulator.fault(1, &fault("stream", r#""kind": "crawl", "ms": 20"#));
    client.patience(Duration::from_millis(15));
    eventually("byte by byte", || {
        let mut bytes = [0; 4096];
        matches!(client.reader.read(&mut bytes), Ok(1))
    });
}

#[test]
fn unknown_pair_is_refused_with_the_valid_ones() {
    let simulator = Simulator::start(&["--cameras", "1"]);
    for body in [
        r#"{"stage": "setup", "kind": "idr-never"}"#,
        r#"{"stage": "stream", "kind": "refuse"}"#,
        r#"{"stage": "lunch", "kind": "hang"}"#,
        r#"{"stage": "play", "kind": "error", "code": 5}"#,
        "nonsense",
    ] {
        let (status, answer) = simulator.control("PUT", "/cameras/cam-001/fault", body);
        assert_eq!(status, 400, "{body}");
        assert!(answer["detail"].is_string(), "{answer}");
    }
    let (_, answer) = simulator.control(
        "PUT",
        "/cameras/cam-001/fault",
        r#"{"stage": "setup", "kind": "refuse"}"#,
    );
    assert!(answer["detail"].as_str().unwrap().contains("hang, reset, close"), "{answer}");
    assert_eq!(simulator.control("PUT", "/cameras/cam-777/fault", "{}").0, 404);
}

#[test]
fn http_port_fails_too_and_counts_for_itself() {
    let simulator = Simulator::start(&["--cameras", "1", "--http-port", &HTTP_PORT.to_string()]);
    let host = format!("{}:{HTTP_PORT}", simulator.address(1));
    let ask = || {
        let mut stream = connect(&host);
        stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        stream.write_all(b"GET /snapshot.jpg HTTP/1.1\r\n\r\n").unwrap();
        let mut bytes = vec![0; 100];
        let count = stream.read(&mut bytes).unwrap_or(0);
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    };
    assert!(ask().starts_with("HTTP/1.1 200"));
    simulator.fault(1, &fault("http", r#""kind": "hang""#));
    assert_eq!(ask(), "");
    simulator.fault(1, &fault("http", r#""kind": "endless""#));
    assert!(ask().contains("Content-Length: 1073741824"));
    simulator.fault(1, &fault("http", r#""kind": "error", "code": 401"#));
    assert!(ask().starts_with("HTTP/1.1 401"));
    assert_eq!(simulator.count(1, "httpAccepted"), 4);
    assert_eq!(simulator.count(1, "accepted"), 0);
    eventually("all are gone", || simulator.count(1, "httpConnections") == 0);
}
