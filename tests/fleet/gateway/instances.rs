//! One gateway for each subnet: what happens to one does not reach the viewers of another. One that
//! hangs is found and replaced, one that has a consumer of nobody's is restarted.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use camserver_chaos::Codec;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::{IntoClientRequest as _, client};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{LIMIT, is_alive, manifests, programs, restarts, serving, signal, told};
use crate::cameras::{Cameras, settings};
use crate::clock::{now, turn, until};
use crate::manifests::object;
use crate::server::{Place, Server};
use crate::viewer::{Browser, View};

const SUBNETS: [&str; 3] = ["sim", "north", "south"];
/// Three looks, and ten seconds for a consumer that outlives its lease.
const FOUND: Duration = Duration::from_secs(45);

/// Somebody who found a way to a gateway's API and watches without a lease.
struct Ghost {
    _reader: JoinHandle<()>,
}

impl Ghost {
    fn attach(place: &Place, subnet: &str, stream: &str) -> Self {
        let directory = place.data.join("gateway").join(subnet);
        let text = fs::read_to_string(directory.join("go2rtc.yaml")).unwrap();
        let config: Value = serde_json::from_str(&text).unwrap();
        let word = |name: &str| config["api"][name].as_str().unwrap().to_owned();
        let login = STANDARD.encode(format!("{}:{}", word("username"), word("password")));
        let url = format!("ws://127.0.0.1/api/ws?src={stream}");
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().insert("authorization", format!("Basic {login}").parse().unwrap());
        let socket = UnixStream::connect(directory.join("api.sock")).unwrap();
        let (mut socket, _) = client(request, socket).unwrap();
        let ask = json!({"type": "mse", "value": "avc1.640029"}).to_string();
        socket.send(Message::text(ask)).unwrap();
        let reader = std::thread::spawn(move || {
            loop {
                match socket.read() {
                    Ok(_) => {}
                    Err(Error::Io(error)) if error.kind() == ErrorKind::Interrupted => {}
                    Err(_) => return,
                }
            }
        });
        Self { _reader: reader }
    }
}

fn start(place: &Place, cameras: &Cameras, program: &std::path::Path) -> Server {
    let mut declared = manifests(cameras, program);
    declared.sweep = json!({"interval": "1h"});
    for ((_, camera), subnet) in declared.cameras.iter_mut().zip(SUBNETS) {
        camera["subnet"] = json!(subnet);
    }
    declared.write(&place.manifests);
    let sweep = json!({"interval": "1h"});
    let spec = json!({"cidr": "127.0.0.0/8", "sweep": sweep});
    let more = SUBNETS[1..].iter().map(|name| object("Subnet", name, &spec));
    fs::write(place.manifests.join("more.yaml"), more.collect::<String>()).unwrap();
    place.start()
}

fn goes_on(view: &View, what: &str) {
    let before = view.messages();
    until(LIMIT, what, || {
        assert!(view.is_open(), "the view has ended instead: {what}");
        (view.messages() > before + 3).then_some(())
    });
}

#[test]
fn what_happens_to_one_gateway_does_not_reach_the_viewers_of_another() {
    let _turn = turn();
    let scripts = Place::new();
    for program in programs(&scripts) {
        let place = Place::new();
        println!("ON: {}", program.display());
        let mut fleet = settings(3);
        fleet.codecs = vec![Codec::H264];
        fleet.limit = 1;
        let cameras = Cameras::start(fleet);
        let server = start(&place, &cameras, &program);
        // The first sweeps of them all; before the first look no slot is given.
        server.sweep_done(1, LIMIT);
        let views = [1, 2, 3].map(|nth| {
            let browser = Browser::new(&server, &format!("viewer-{nth}"));
            browser.play(&format!("cam-{nth:03}"), "sub").1
        });
        let up = |subnet| until(LIMIT, "it serves", || serving(&server, subnet, None));
        let [killed, untouched, haunted] = SUBNETS.map(up);
        assert!(killed != untouched && untouched != haunted && haunted != killed);
        let accepted = cameras.counts("accepted");

        signal(killed, Signal::KILL);
        let stopped = until(LIMIT, "it is back", || serving(&server, "sim", Some(killed)));
        goes_on(&views[0], "its viewer sees the camera again");

        let stream = stream_of(&server, "cam-003");
        let _ghost = Ghost::attach(&place, "south", &stream);
        signal(stopped, Signal::STOP);
        let begun = now();
        until(FOUND, "it is seen to be silent", || {
            (told(&server, "sim")["state"] == "silent").then_some(())
        });
        until(FOUND, "a gateway that hangs is replaced", || serving(&server, "sim", Some(stopped)));
        println!("HUNG: replaced after {:?}", begun.elapsed());
        assert!(!is_alive(stopped), "the one that hung is still there");
        goes_on(&views[0], "the viewer of the one that hung sees the camera again");
        until(FOUND, "a gateway with a ghost is restarted", || {
            serving(&server, "south", Some(haunted))
        });
        println!("GHOST: restarted after {:?}", begun.elapsed());
        goes_on(&views[2], "the viewer of the one with the ghost sees the camera again");

        goes_on(&views[1], "the viewer of the third was never disturbed");
        assert_eq!(serving(&server, "north", None), Some(untouched));
        assert_eq!(cameras.counts("accepted")[1], accepted[1], "its session was opened again");
        let counted = [("sim", "Ended"), ("sim", "Silent"), ("south", "GhostConsumer")];
        for (subnet, reason) in counted {
            assert!((restarts(&server, subnet, reason) - 1.0).abs() < 0.5, "{subnet} {reason}");
        }
        assert!(restarts(&server, "north", "Ended").abs() < 0.5);
        server.stop();
        cameras.idle(LIMIT);
        cameras.check_limits();
    }
}

/// The name of a camera's stream in its gateway.
fn stream_of(server: &Server, camera: &str) -> String {
    let streams = server.items("/streams");
    let stream = streams.iter().find(|stream| stream["camera"] == camera).unwrap();
    stream["name"].as_str().unwrap().to_owned()
}
