//! The HTTP port: `/snapshot.jpg`, behind the same credentials as RTSP.

use std::sync::Arc;

use tokio::time::Instant;

use super::Camera;
use super::session::deny;
use crate::clock;
use crate::rtsp::message::{Request, Response};
use crate::video::{Coder, Composer, PictureKind};

/// Answers a request.
pub(crate) fn answer(camera: &Camera, request: &Request) -> Response {
    if request.method != "GET" {
        return Response::new(405).with("Allow", "GET");
    }
    if let Some(denied) = deny(camera, request) {
        return denied;
    }
    match picture(camera) {
        Some(jpeg) if request.path() == "/snapshot.jpg" => {
            Response::new(200).with("Cache-Control", "no-store").with_body("image/jpeg", jpeg)
        }
        Some(_) | None => Response::new(404),
    }
}

fn picture(camera: &Camera) -> Option<Vec<u8>> {
    let set = camera.snapshot.as_ref()?;
    let Coder::Mjpeg(parameters) = &set.coder else { return None };
    let number = camera.sub.timeline.number(Instant::now());
    let view = camera.sub.view(number, clock::now(), &camera.showing());
    let kind = PictureKind { key: true, since_key: 0, key_number: 0, huge: false, padded_to: 0 };
    let picture = Composer::new(Arc::clone(set)).compose(&view, kind);
    Some([&parameters.header[..], &picture.data, &[0xff, 0xd9]].concat())
}
