//! Bodies of every framing, cut anywhere, and hostile ones.

use proptest::prelude::*;

use super::*;

fn reply(headers: &str) -> Response {
    parse_response_head(format!("HTTP/1.1 200 OK\r\n{headers}\r\n").as_bytes()).unwrap()
}

/// What a body in pieces amounts to, and whether it was complete.
fn read(headers: &str, bytes: &[u8], step: usize) -> Result<(Vec<u8>, bool), Fault> {
    let mut body = Body::of(&reply(headers))?;
    let mut input = BytesMut::new();
    let mut complete = body.take(&mut input)?;
    for piece in bytes.chunks(step) {
        input.extend_from_slice(piece);
        complete = body.take(&mut input)?;
    }
    Ok((body.bytes, complete))
}

#[test]
fn bodies_end_where_they_should() {
    for step in 1..20 {
        let chunks = b"5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nTrailer: a\r\n\r\nnext";
        let chunked = read("Transfer-Encoding: Chunked\r\n", chunks, step).unwrap();
        assert_eq!(chunked, (b"hello world".to_vec(), true));
        let sized = read("Content-Length: 5\r\n", b"hellonext", step).unwrap();
        assert_eq!(sized, (b"hello".to_vec(), true));
        assert_eq!(read("", b"hello", step).unwrap(), (b"hello".to_vec(), false));
    }
    assert!(read("Content-Length: 0\r\n", b"", 1).unwrap().1);
}

#[test]
fn what_is_too_long_is_refused_before_it_is_read() {
    for (headers, bytes) in [
        ("Content-Length: 1073741824\r\n", &b""[..]),
        ("Transfer-Encoding: chunked\r\n", b"40000000\r\n"),
        ("Content-Length: x\r\n", b""),
        ("Transfer-Encoding: chunked\r\n", b"xyz\r\n"),
        ("Transfer-Encoding: chunked\r\n", &[b'1'; CHUNK_LINE_MAX]),
        ("Transfer-Encoding: chunked\r\n", b"1\r\naa"),
    ] {
        let outcome = read(headers, bytes, bytes.len().max(1));
        let late = outcome.as_ref().is_ok_and(|(body, _)| body.len() <= 1);
        assert!(outcome.is_err() || late, "{headers} {outcome:?}");
    }
    let many = "Transfer-Encoding: chunked\r\n";
    let mut body = Body::of(&reply(many)).unwrap();
    let chunk = [b"100000\r\n".to_vec(), vec![0; 1 << 20], b"\r\n".to_vec()].concat();
    let outcome = (0..20).find_map(|_| body.take(&mut BytesMut::from(&chunk[..])).err());
    assert!(matches!(outcome, Some(Fault::Message(MessageError::BodyTooLong { .. }))));
}

#[test]
fn the_first_part_of_a_multipart_stream_is_found_while_it_arrives() {
    let with_length = "--xx\r\nContent-Type: image/jpeg\r\nContent-Length: 4\r\n\r\nabcd\r\n--xx";
    let without = "\r\n--xx\r\nContent-Type: image/jpeg\r\n\r\nabcd\r\n--xx\r\nContent";
    let bare = "--xx\r\n\r\nabcd\r\n--xx--";
    for boundary in ["xx", "\"--xx\"", "--xx; charset=y"] {
        let kind = format!("Content-Type: multipart/x-mixed-replace; boundary={boundary}\r\n");
        for text in [with_length, without, bare] {
            let mut first = FirstPart::of(&reply(&kind)).unwrap();
            let found =
                (0..=text.len()).find_map(|end| first.find(&text.as_bytes()[..end]).unwrap());
            assert_eq!(found.as_deref(), Some(&b"abcd"[..]), "{text} {boundary}");
        }
    }
    assert!(FirstPart::of(&reply("Content-Type: image/jpeg\r\n")).is_none());
    let mut first = FirstPart::of(&reply("Content-Type: multipart/x; boundary=q\r\n")).unwrap();
    assert!(first.find(&[b'-'; PART_HEAD_MAX + 1]).is_err());
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>, step in 1_usize..30) {
        drop(read("Transfer-Encoding: chunked\r\n", &bytes, step));
        let kind = "Content-Type: multipart/x-mixed-replace; boundary=a\r\n";
        let mut first = FirstPart::of(&reply(kind)).unwrap();
        for end in 0..bytes.len() {
            drop(first.find(&bytes[..end]));
        }
    }
}
