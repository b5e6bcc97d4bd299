//! The faces of a camera that is full.

use std::io::Read as _;
use std::net::TcpStream;

use crate::simulator::{Client, PORT, Simulator, eventually};

fn fleet() -> Simulator {
    Simulator::start(&["--cameras", "6", "--limit", "1", "--full", "mixed"])
}

#[test]
fn full_camera_answers_with_the_status_of_its_make() {
    let simulator = fleet();
    for (nth, status) in (1..).zip([401, 403, 453, 500]) {
        let mut first = Client::connect(&simulator, nth);
        first.play();
        let mut second = Client::connect(&simulator, nth);
        assert_eq!(second.ask("OPTIONS").unwrap(), 200);
        assert_eq!(second.ask("DESCRIBE").unwrap(), status);
        if status != 401 {
            // The camera says goodbye, and counts the connection until the client does too.
            assert_eq!(second.reader.read(&mut [0; 16]).unwrap(), 0);
        }
        assert_eq!(simulator.count(nth, "connections"), 2);
        drop(second);
        eventually("the second is gone", || simulator.count(nth, "connections") == 1);
        assert_eq!(first.ask("TEARDOWN").unwrap(), 200);
        let item = simulator.item(nth);
        assert_eq!(item["connectionsMost"], 2);
        assert_eq!(item["accepted"], 2);
        assert_eq!(item["refused"], 1);
        assert_eq!(item["tornDown"], 1);
        drop(first);
        eventually("the slot is free", || simulator.count(nth, "connections") == 0);
        Client::connect(&simulator, nth).play();
    }
}

#[test]
fn full_camera_refuses_until_a_slot_is_free() {
    let simulator = fleet();
    let host = format!("{}:{PORT}", simulator.address(5));
    let mut first = Client::connect(&simulator, 5);
    first.play();
    eventually("it refuses", || {
        TcpStream::connect(&host)
            .is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
    });
    first.ask("GET_PARAMETER").unwrap();
    drop(first);
    eventually("it listens again", || TcpStream::connect(&host).is_ok());
}

#[test]
fn full_camera_resets() {
    let simulator = fleet();
    let mut first = Client::connect(&simulator, 6);
    first.play();
    // The reset may come before the client has noticed that it was connected.
    let outcome = TcpStream::connect(format!("{}:{PORT}", simulator.address(6)))
        .and_then(|mut second| second.read_exact(&mut [0; 16]));
    assert_eq!(outcome.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    eventually("it is counted", || simulator.count(6, "refused") == 1);
    assert_eq!(simulator.count(6, "connectionsMost"), 2);
    assert_eq!(simulator.count(6, "connections"), 1);
}
