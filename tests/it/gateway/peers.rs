//! WebRTC signalling: who made an offer is known, and what is told to whom. The browser's side is
//! tested with a browser.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

use camserver::model::gateway::{Agent, StreamName};
use camserver::model::sdp::{Answer, Offer};
use camserver::world::gateway::config::Offers;
use camserver::world::gateway::error::{GatewayError, LiveError};
use camserver::world::gateway::peer::exchange;

use super::cameras::Cameras;
use super::rig::{Rig, agent, name};
use super::target::targets;

/// What a browser says that can decode H.264 and is nowhere to be reached.
fn offer() -> Offer {
    let fingerprint = vec!["AB"; 32].join(":");
    let text = format!(
        "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF 102\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n\
         a=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdefghijklmn\r\n\
         a=fingerprint:sha-256 {fingerprint}\r\na=setup:actpass\r\na=mid:0\r\na=recvonly\r\n\
         a=rtcp-mux\r\na=rtpmap:102 H264/90000\r\n\
         a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f\r\n"
    );
    Offer::parse(&text).unwrap()
}

async fn ask(
    rig: &Rig,
    name: &StreamName,
    agent: &Agent,
    listen: SocketAddr,
) -> Result<Answer, GatewayError> {
    exchange(&rig.prepared.endpoint, (name, agent), &offer(), listen).await
}

/// Where a gateway can be told to listen.
fn free() -> SocketAddr {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn an_offer_is_answered_and_whose_it_is_stays_known() {
    let cameras = Cameras::start().await;
    for target in targets() {
        println!("ON: {target:?}");
        let listen = free();
        let rig = Rig::offering(target, Offers { webrtc: Some(listen) }, |_| {}).await;
        let camera = rig.put("cam-001", &cameras.url(1)).await;
        let answer = ask(&rig, &camera, &agent(1), listen).await.unwrap();
        let candidates = answer.as_str().lines().filter(|line| line.contains("candidate:"));
        let place = format!("127.0.0.1 {} typ host", listen.port());
        let candidates: Vec<&str> = candidates.collect();
        assert!(!candidates.is_empty(), "{}", answer.as_str());
        assert!(candidates.iter().all(|line| line.contains(&place)), "{candidates:?}");

        let stream = rig.stream(camera.as_str()).await.unwrap();
        let consumer = &stream.consumers[0];
        assert_eq!(consumer.agent.as_deref(), Some(agent(1).as_str()), "{stream:?}");
        assert!(consumer.format.as_deref().unwrap().starts_with("webrtc"), "{stream:?}");
        assert_eq!(consumer.bytes_sent, 0, "nobody was reached: {stream:?}");
        assert_eq!(cameras.count(1, "connections").await, 1);

        let other = rig.put("cam-003", &cameras.url(3)).await;
        let refused = ask(&rig, &other, &agent(2), listen).await;
        assert!(matches!(refused, Err(GatewayError::Live(LiveError::Codecs(_)))), "{refused:?}");
        let unknown = ask(&rig, &name("unknown"), &agent(3), listen).await;
        assert!(matches!(unknown, Err(GatewayError::Live(LiveError::NotFound))), "{unknown:?}");
        rig.stop().await;
        cameras.connected(1, 0).await;
    }
}

/// go2rtc says nothing when another program has its port, and opens any other one.
#[tokio::test]
async fn a_port_that_another_program_has_is_told_and_no_other_is_offered_in_its_place() {
    let cameras = Cameras::start().await;
    for target in targets() {
        println!("ON: {target:?}");
        let datagrams = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let listen = datagrams.local_addr().unwrap();
        let _connections = TcpListener::bind(listen).unwrap();
        let rig = Rig::offering(target, Offers { webrtc: Some(listen) }, |_| {}).await;
        let camera = rig.put("cam-001", &cameras.url(1)).await;
        let answer = ask(&rig, &camera, &agent(1), listen).await;
        let Err(error @ GatewayError::NotThere(_)) = answer else { panic!("{answer:?}") };
        assert!(error.to_string().contains(&listen.to_string()), "{error}");
        rig.stop().await;
    }
}
