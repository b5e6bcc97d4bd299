//! Messages cut anywhere, and those beyond every bound.

use proptest::prelude::*;

use super::*;

fn read_all(bytes: &[u8], step: usize) -> Result<Vec<Message>, MessageError> {
    let mut parser = Parser::default();
    let mut input = BytesMut::new();
    let mut messages = Vec::new();
    for piece in bytes.chunks(step) {
        input.extend_from_slice(piece);
        while let Some(message) = parser.next(&mut input)? {
            messages.push(message);
        }
    }
    Ok(messages)
}

fn response(message: &Message) -> &Response {
    let Message::Response(response) = message else { panic!("no response: {message:?}") };
    response
}

const MIXED: &[u8] = b"\r\nRTSP/1.0 200 OK\r\nCSeq: 1\r\ncontent-LENGTH: 5\r\n\r\nhello\
    $\x00\x00\x03abc\r\n\
    OPTIONS * RTSP/1.0\nCSeq: 7\nX-Long: a\n b\nnonsense\n\n\
    $\x01\x00\x00RTSP/1.0 404\r\n\r\n";

#[test]
fn messages_are_the_same_however_they_are_split() {
    let whole = read_all(MIXED, MIXED.len()).unwrap();
    assert_eq!(whole.len(), 5);
    assert_eq!((response(&whole[0]).code, &response(&whole[0]).body[..]), (200, &b"hello"[..]));
    assert_eq!(response(&whole[0]).headers.get("cseq"), Some("1"));
    let data = |channel, payload| Message::Data(Interleaved { channel, payload });
    assert_eq!(whole[1], data(0, Bytes::from_static(b"abc")));
    let Message::Request(request) = &whole[2] else { panic!("{:?}", whole[2]) };
    assert_eq!((&*request.method, &*request.uri), ("OPTIONS", "*"));
    assert_eq!(request.headers.get("x-long"), Some("a b"));
    assert_eq!(whole[3], data(1, Bytes::new()));
    assert_eq!((response(&whole[4]).code, &*response(&whole[4]).reason), (404, ""));
    for step in 1..40 {
        assert_eq!(read_all(MIXED, step).unwrap(), whole, "{step}");
    }
}

#[test]
fn what_is_written_is_read_back() {
    let mut request = Request::new("SETUP", "rtsp://h/a b").with("Transport", "x\r\nEvil: y");
    request.uri = "rtsp://h/a".into();
    request.body = Bytes::from_static(b"body");
    let Message::Request(back) = &read_all(&request.encode(), 3).unwrap()[0] else { panic!() };
    assert_eq!(
        (&back.method, &back.uri, &back.body),
        (&request.method, &request.uri, &request.body)
    );
    assert_eq!(back.headers.get("transport"), Some("x  Evil: y"));
    assert_eq!(back.headers.get("evil"), None);
    let mut reply = Response::new(200, "OK");
    reply.headers.push("CSeq", "4");
    assert_eq!(response(&read_all(&reply.encode(), 1).unwrap()[0]), &reply);
}

#[test]
fn bytes_that_begin_no_message_are_refused_at_once() {
    let never = [b'E'; 40];
    for bytes in [
        &b"\x00\x01"[..],
        b"\xff\xd8\xff",
        b" RTSP",
        b"RT\x01P",
        b"4567",
        b"RT\xc3\xa9P",
        b"hello there\r\n",
        b"RTSP/1.0 abc\n",
        b"OPTIONS * \x7f",
        &never,
    ] {
        assert!(matches!(read_all(bytes, 64), Err(MessageError::Garbage(_))), "{bytes:?}");
    }
    assert_eq!(garbage(b"GET /a?token=1 x").to_string(), "bytes that are no message (\"GET /a\")");
    for head in ["RTSP/1.0 abc\r\n\r\n", "RTSP/1.0 99 x\r\n\r\n", "hello there\r\n\r\n"] {
        assert!(matches!(read_all(head.as_bytes(), 64), Err(MessageError::Garbage(_))), "{head}");
    }
}

#[test]
fn long_and_many_headers_are_refused_before_they_end() {
    let mut endless = b"RTSP/1.0 200 OK\r\n".to_vec();
    endless.resize(HEAD_BYTES_MAX + 1, b'a');
    assert_eq!(read_all(&endless, 1000), Err(MessageError::HeadTooLong));
    let mut ended = b"RTSP/1.0 200 OK\r\nA: ".to_vec();
    ended.resize(HEAD_BYTES_MAX, b'a');
    ended.extend_from_slice(b"\r\n\r\n");
    assert_eq!(read_all(&ended, ended.len()), Err(MessageError::HeadTooLong));
    let many = format!("RTSP/1.0 200 OK\r\n{}\r\n", "a: b\r\n".repeat(HEADERS_MAX + 1));
    assert_eq!(read_all(many.as_bytes(), 1000), Err(MessageError::TooManyHeaders));
}

#[test]
fn a_gigabyte_is_refused_before_a_byte_of_it_is_read() {
    let head = b"RTSP/1.0 200 OK\r\nContent-Length: 1073741824\r\n\r\n";
    let expected = MessageError::BodyTooLong { announced: 1 << 30, limit: BODY_BYTES_MAX as u64 };
    assert_eq!(read_all(head, 1000), Err(expected));
    for value in ["-1", "x", "1\r\nContent-Length: 2", "99999999999999999999"] {
        let head = format!("RTSP/1.0 200 OK\r\nContent-Length: {value}\r\n\r\n");
        assert_eq!(read_all(head.as_bytes(), 1000), Err(MessageError::ContentLength), "{value}");
    }
}

/// The first byte of noise is a `$` once in 256 times; that is a frame which never ends.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let first = any::<u8>().prop_filter("a frame or nothing", |byte| !b"$\r\n".contains(byte));
    (first, prop::collection::vec(any::<u8>(), 600))
        .prop_map(|(first, rest)| [vec![first], rest].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn noise_is_called_noise_and_not_waited_on(bytes in noise(), step in 1_usize..700) {
        prop_assert!(matches!(read_all(&bytes, step), Err(MessageError::Garbage(_))));
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>, step in 1_usize..50) {
        drop(read_all(&bytes, step));
    }

    #[test]
    fn mutated_messages_never_panic_and_stay_in_bounds(
        at in 0..MIXED.len(), byte: u8, cut in 0..MIXED.len(), step in 1_usize..50,
    ) {
        let mut bytes = MIXED.to_vec();
        bytes[at] = byte;
        bytes.truncate(cut);
        if let Ok(messages) = read_all(&bytes, step) {
            let sizes = messages.iter().map(|message| match message {
                Message::Request(request) => request.body.len(),
                Message::Response(response) => response.body.len(),
                Message::Data(data) => data.payload.len(),
            });
            prop_assert!(sizes.sum::<usize>() <= bytes.len());
        }
    }
}
