//! Descriptions as cameras send them, and broken ones.

use super::*;

fn choose(text: &str, base: &str) -> Result<VideoTrack, SdpError> {
    choose_video(&text.replace('\n', "\r\n"), &base.parse().unwrap())
}

const HIKVISION: &str = "v=0
o=- 1620251477190769 1620251477190769 IN IP4 192.168.5.106
s=Media Presentation
a=control:rtsp://192.168.5.106:554/Streaming/Channels/101/?transportmode=unicast&profile=Profile_1
m=video 0 RTP/AVP 96
a=x-dimensions:1920,1080
a=control:rtsp://192.168.5.106:554/Streaming/Channels/101/trackID=1?transportmode=unicast
a=rtpmap:96 H264/90000
a=fmtp:96 profile-level-id=420029; packetization-mode=1; sprop-parameter-sets=Z00AKZpkA8ARPyzUBAQFAAADA+gAAOpgBA==,aO48gA==
m=application 0 RTP/AVP 107
a=control:rtsp://192.168.5.106:554/Streaming/Channels/101/trackID=3
a=rtpmap:107 vnd.onvif.metadata/90000
";

const DAHUA: &str = "v=0
o=- 2253040596 2253040596 IN IP4 0.0.0.0
s=Media Server
a=control:*
m=audio 0 RTP/AVP 8
a=control:trackID=1
a=rtpmap:8 PCMA/8000
m=video 0 RTP/AVP 98
a=control:trackID=0
a=framerate:12.000000
a=rtpmap:98 H265/90000
a=fmtp:98 profile-id=1;sprop-sps=QgEBAWAAAAMAsAAAAwAAAwBaoAWCAeFja5JFL83BQYFBAAADAAEAAAMADKE=;sprop-pps=RAHA8saNA7NA;sprop-vps=QAEMAf//AWAAAAMAsAAAAwAAAwBarAwAAAMABAAAAwAyqA==
";

const TAPO: &str = "v=0
o=- 14665860 31787219 1 IN IP4 192.168.2.29
s=Session streamed by \"TP-LINK RTSP Server\"
t=0 0
m=video 0 RTP/AVP 96
c=IN IP4 0.0.0.0
b=AS:4096
a=range:npt=0-
a=control:track1
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1; profile-level-id=640029; sprop-parameter-sets=AAAAAWdNAB6rQCgC3TcBAQFAAAADAEAAAAwhAAAAAQ==,aO48gA==
m=audio 0 RTP/AVP 8
a=rtpmap:8 PCMA/8000
a=control:track2
m=application/TP-LINK 0 RTP/AVP smart/1/90000
a=rtpmap:95 TP-LINK/90000
a=control:track3
";

const AXIS_JPEG: &str = "v=0
s=Session streamed with GStreamer
a=control:rtsp://10.0.0.9/axis-media/media.amp?videocodec=jpeg
m=video 0 RTP/AVP 26
a=control:rtsp://10.0.0.9/axis-media/media.amp/stream=0?videocodec=jpeg
a=framesize:26 2688-1520
";

#[test]
fn absolute_addresses_of_hikvision_are_taken_as_they_are() {
    let track = choose(HIKVISION, "rtsp://192.168.5.106:554/Streaming/Channels/101/").unwrap();
    assert_eq!(track.codec, Codec::H264);
    let base = "rtsp://192.168.5.106:554/Streaming/Channels/101/";
    assert_eq!(track.control, format!("{base}trackID=1?transportmode=unicast"));
    assert_eq!(track.aggregate, format!("{base}?transportmode=unicast&profile=Profile_1"));
    assert_eq!(track.dimensions, Some((1920, 1080)));
    let kinds: Vec<u8> = track.parameter_sets.iter().map(|set| set[0] & 0x1f).collect();
    assert_eq!(kinds, [7, 8]);
}

#[test]
fn relative_addresses_of_dahua_are_appended_behind_the_query() {
    let base = "rtsp://cam-driveway/cam/realmonitor?channel=1&subtype=2/";
    let track = choose(DAHUA, base).unwrap();
    assert_eq!(track.codec, Codec::H265);
    assert_eq!(track.control, format!("{base}trackID=0"));
    assert_eq!(track.aggregate, base);
    let kinds: Vec<u8> = track.parameter_sets.iter().map(|set| set[0] >> 1).collect();
    assert_eq!(kinds, [32, 33, 34]);
}

#[test]
fn a_base_without_a_slash_and_sets_with_start_codes_are_what_tapo_sends() {
    let track = choose(TAPO, "rtsp://10.0.0.3:554/stream1").unwrap();
    assert_eq!(track.control, "rtsp://10.0.0.3:554/stream1/track1");
    assert_eq!(track.aggregate, "rtsp://10.0.0.3:554/stream1");
    let first = &track.parameter_sets[0];
    assert_eq!((first[0], first.last()), (0x67, Some(&0x21)));
}

#[test]
fn motion_jpeg_needs_no_map_and_says_its_size() {
    let track = choose(AXIS_JPEG, "rtsp://10.0.0.9/axis-media/media.amp").unwrap();
    assert_eq!((track.codec, track.dimensions), (Codec::Jpeg, Some((2688, 1520))));
    assert!(track.parameter_sets.is_empty());
}

#[test]
fn a_second_video_is_taken_when_the_first_is_unknown() {
    let text = "v=0\nm=video 0 RTP/AVP 96\na=rtpmap:96 VP8/90000\na=control:a\n\
                m=video 0 RTP/AVP 97 98\na=rtpmap:97 MP4V-ES/90000\na=rtpmap:98 h264/90000\n\
                a=control:/b\n";
    let track = choose(text, "rtsp://h/x/y").unwrap();
    assert_eq!((track.codec, &*track.control), (Codec::H264, "rtsp://h/b"));
}

#[test]
fn what_is_offered_instead_is_named() {
    let text = "v=0\nm=video 0 RTP/AVP 96\na=rtpmap:96 VP8/90000\nm=audio 0 RTP/AVP 0\n";
    let error = choose(text, "rtsp://h/").unwrap_err();
    assert_eq!(error, SdpError::Codec("video/VP8, audio/0".into()));
    assert_eq!(choose("<html>", "rtsp://h/"), Err(SdpError::Empty));
    assert_eq!(choose("", "rtsp://h/"), Err(SdpError::Empty));
}

#[test]
fn useless_parameter_sets_are_left_out() {
    let text = "m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\n\
                a=fmtp:96 sprop-parameter-sets=!!!,,aO48gA,Z0==\n";
    let track = choose(text, "rtsp://h/").unwrap();
    assert_eq!(track.parameter_sets.len(), 1);
    assert_eq!((&*track.control, &*track.aggregate), ("rtsp://h/", "rtsp://h/"));
}

proptest::proptest! {
    #[test]
    fn arbitrary_text_never_panics(text: String) {
        drop(choose(&text, "rtsp://h/a"));
        drop(choose(&format!("m=video 0 RTP/AVP 96\na=rtpmap:96 H264\na=fmtp:96 {text}"), "rtsp://h"));
    }
}

const AAC: &str = "v=0
a=control:*
m=video 0 RTP/AVP 96
a=control:trackID=0
a=rtpmap:96 H264/90000
m=audio 0 RTP/AVP 8
a=control:back
a=rtpmap:8 PCMA/8000
a=sendonly
m=audio 0 RTP/AVP 104
a=control:trackID=2
a=rtpmap:104 mpeg4-generic/16000/1
a=fmtp:104 profile-level-id=15; streamtype=5; mode=AAC-hbr; config=1408; SizeLength=13; IndexLength=3; IndexDeltaLength=3; Profile=1;
";

#[test]
fn aac_beside_the_video_is_taken_and_nothing_else_is() {
    let sound = |text: &str| choose(text, "rtsp://h/s").unwrap().sound;
    let track = sound(AAC).unwrap();
    assert_eq!(track.control, "rtsp://h/s/trackID=2");
    assert_eq!((track.payload_type, track.clock), (104, 16_000));
    assert_eq!(track.format, SoundFormat { rate_index: 8, rate: 16_000, channels: 1 });
    for (good, other) in [
        ("mpeg4-generic", "MP4A-LATM"),
        ("AAC-hbr", "AAC-lbr"),
        ("config=1408", "config=14"),
        // Another kind of AAC, six channels, a rate that does not exist, short frames.
        ("config=1408", "config=2c08"),
        ("config=1408", "config=1430"),
        ("config=1408", "config=1688"),
        ("config=1408", "config=140c"),
        ("config=1408", "config=zz08"),
        ("SizeLength=13", "SizeLength=6"),
        ("/16000/1", "/0/1"),
        ("mpeg4-generic/16000/1\n", "mpeg4-generic/16000/1\na=sendonly\n"),
    ] {
        assert_eq!(sound(&AAC.replace(good, other)), None, "{other}");
    }
    for text in [HIKVISION, DAHUA, TAPO] {
        assert_eq!(sound(text), None, "{text}");
    }
}
