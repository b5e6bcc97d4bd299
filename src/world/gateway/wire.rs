//! The JSON of go2rtc's API, read with tolerance: lists may be `null`, zeros are left out, fields
//! come and go between versions. What is missing is unknown, not wrong.

use std::sync::Arc;

use serde_json::Value;

use super::error::GatewayError;
use crate::model::gateway::{ConsumerView, ProducerView, StreamView};

/// Most streams that are read; more than ten times a large fleet.
const STREAMS_MAX: usize = 20_000;
/// Most producers or consumers of a stream that are read.
const MEMBERS_MAX: usize = 1_000;
/// Longest text that is kept, in characters.
const TEXT_MAX: usize = 1_000;

/// Reads `GET /api/streams`: an object of streams by name.
pub(super) fn streams(body: &[u8]) -> Result<Vec<StreamView>, GatewayError> {
    let Value::Object(streams) = parse(body)? else {
        return Err(GatewayError::Nonsense("the list of streams is no object".into()));
    };
    if streams.len() > STREAMS_MAX {
        return Err(GatewayError::Nonsense(format!("{} streams", streams.len())));
    }
    let read = |(name, stream): (&String, &Value)| StreamView {
        name: name.as_str().into(),
        producers: members(stream, "producers").map(producer).collect(),
        consumers: members(stream, "consumers").map(consumer).collect(),
    };
    Ok(streams.iter().map(read).collect())
}

/// Reads `GET /api`: which version it is.
pub(super) fn version(body: &[u8]) -> Result<Arc<str>, GatewayError> {
    text(&parse(body)?, "version")
        .ok_or_else(|| GatewayError::Nonsense("it does not name its version".into()))
}

fn parse(body: &[u8]) -> Result<Value, GatewayError> {
    serde_json::from_slice(body).map_err(|error| GatewayError::Nonsense(error.to_string()))
}

fn members<'a>(stream: &'a Value, list: &str) -> impl Iterator<Item = &'a Value> {
    stream.get(list).and_then(Value::as_array).into_iter().flatten().take(MEMBERS_MAX)
}

fn producer(value: &Value) -> ProducerView {
    ProducerView {
        id: value.get("id").and_then(Value::as_u64),
        // An active one shows what it dialled as `url`, and what it was given as `source`.
        url: text(value, "source").or_else(|| text(value, "url")),
        bytes_received: number(value, "bytes_recv"),
    }
}

fn consumer(value: &Value) -> ConsumerView {
    ConsumerView {
        id: value.get("id").and_then(Value::as_u64),
        agent: text(value, "user_agent"),
        format: text(value, "format_name"),
        bytes_sent: number(value, "bytes_send"),
    }
}

fn text(value: &Value, field: &str) -> Option<Arc<str>> {
    let text = value.get(field)?.as_str()?;
    Some(text.chars().take(TEXT_MAX).collect::<String>().into())
}

fn number(value: &Value, field: &str) -> u64 {
    value.get(field).and_then(Value::as_u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_null_and_fields_of_other_versions_are_read() {
        let body = br#"{"idle":{"producers":[{"url":"rtsp://***@h/s"}],"consumers":null},
            "none":{"producers":null,"consumers":null}, "odd":null,
            "busy":{"producers":[{"id":7,"source":"rtsp://h/s#x","url":"rtsp://h/s","bytes_recv":12,
              "medias":["video"],"receivers":[{"id":1}]}],
             "consumers":[{"id":8,"format_name":"mse/fmp4","user_agent":"camserver/x","bytes_send":5,
              "senders":[{"drops":1}],"new_field":{}},{"id":"odd"}]}}"#;
        let streams = streams(body).unwrap();
        let of = |name: &str| streams.iter().find(|stream| &*stream.name == name).unwrap();
        assert!(!of("idle").is_active() && of("none").producers.is_empty());
        assert_eq!(of("odd").consumers, []);
        let busy = of("busy");
        assert!(busy.is_active() && busy.received() == 12);
        assert_eq!(busy.producers[0].url.as_deref(), Some("rtsp://h/s#x"));
        assert_eq!(busy.consumers[0].agent.as_deref(), Some("camserver/x"));
        assert_eq!((busy.consumers[0].bytes_sent, busy.consumers[1].id), (5, None));
    }

    #[test]
    fn what_is_no_answer_is_nonsense() {
        for body in [&b""[..], b"[]", b"null", b"{\"a\":", b"<html>"] {
            assert!(matches!(streams(body), Err(GatewayError::Nonsense(_))), "{body:?}");
        }
        assert!(version(b"{}").is_err());
        assert_eq!(&*version(b"{\"version\":\"1.9.14\"}").unwrap(), "1.9.14");
    }
}
