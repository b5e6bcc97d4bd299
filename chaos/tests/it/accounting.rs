//! The cameras' own account of their connections.

use crate::simulator::{Client, Simulator, eventually};

#[test]
fn every_end_of_a_connection_is_seen() {
    let simulator = Simulator::start(&["--cameras", "2", "--limit", "8"]);
    let mut clients: Vec<_> = (0..4).map(|_| Client::connect(&simulator, 1)).collect();
    for client in clients.iter_mut().take(3) {
        client.play();
    }
    eventually("four are counted", || simulator.count(1, "connections") == 4);
    clients.pop().unwrap().reset();
    clients.pop().unwrap().reset();
    eventually("resets are seen", || simulator.count(1, "connections") == 2);
    drop(clients.pop());
    eventually("a close is seen", || simulator.count(1, "connections") == 1);
    let mut last = clients.pop().unwrap();
    assert_eq!(last.ask("TEARDOWN").unwrap(), 200);
    assert_eq!(last.ask("TEARDOWN").unwrap(), 454, "there is no session any more");
    assert_eq!(simulator.count(1, "connections"), 1, "teardown ends the session only");
    drop(last);
    eventually("all are gone", || simulator.count(1, "connections") == 0);
    let item = simulator.item(1);
    assert_eq!((&item["accepted"], &item["connectionsMost"]), (&4.into(), &4.into()));
    assert_eq!((&item["tornDown"], &item["refused"]), (&1.into(), &0.into()));
    assert_eq!(simulator.count(2, "accepted"), 0, "the neighbour has an account of its own");
}

#[test]
fn reset_clears_counters_and_faults_but_not_what_is_open() {
    let simulator = Simulator::start(&["--cameras", "1"]);
    let _open = Client::connect(&simulator, 1);
    drop(Client::connect(&simulator, 1));
    eventually("both were counted", || simulator.count(1, "accepted") == 2);
    eventually("one is gone", || simulator.count(1, "connections") == 1);
    simulator.fault(1, r#"{"stage": "play", "kind": "hang"}"#);
    assert_eq!(simulator.control("POST", "/reset", "").0, 204);
    let item = simulator.item(1);
    assert_eq!((&item["connections"], &item["connectionsMost"]), (&1.into(), &1.into()));
    assert_eq!((&item["accepted"], &item["fault"]), (&0.into(), &serde_json::Value::Null));
}

#[test]
fn client_that_reconnects_at_once_is_never_one_too_many() {
    let simulator = Simulator::start(&["--cameras", "1", "--limit", "1"]);
    for nth in 0..100 {
        let mut client = Client::connect(&simulator, 1);
        assert_eq!(client.ask("DESCRIBE").unwrap(), 200, "connection {nth}");
        if nth % 2 == 0 {
            client.reset();
        }
    }
    assert_eq!(simulator.count(1, "connectionsMost"), 1);
    assert_eq!(simulator.count(1, "refused"), 0);
}

#[test]
fn silent_session_ends() {
    let simulator = Simulator::start(&["--cameras", "1", "--session-timeout", "1s"]);
    let mut client = Client::connect(&simulator, 1);
    client.play();
    while client.packet().is_ok() {}
    eventually("the camera gave up", || simulator.count(1, "connections") == 0);
}

#[test]
fn client_that_does_not_read_costs_nothing_and_is_seen_to_leave() {
    let arguments = ["--cameras", "1", "--bitrate", "20000", "--fps", "30"];
    let simulator = Simulator::start(&arguments);
    let mut client = Client::connect(&simulator, 1);
    client.play();
    let mut before = 0;
    let mut unchanged = 0;
    eventually("every buffer on the way is full", || {
        let unread = client.unread_bytes();
        unchanged = if unread == before && unread > 0 { unchanged + 1 } else { 0 };
        before = unread;
        unchanged >= 50
    });
    assert!(simulator.resident_bytes() < 150 * 1024 * 1024);
    client.reset();
    eventually("its end is seen", || simulator.count(1, "connections") == 0);
}

#[test]
fn termination_is_clean() {
    let simulator = Simulator::start(&["--cameras", "2"]);
    let mut client = Client::connect(&simulator, 1);
    client.play();
    assert!(simulator.terminate().success());
    while client.packet().is_ok() {}
}
