//! `Detector`, `Notifier` and `Retention`.
//!
//! Reports everything that is wrong and goes on.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::camera::{secret, url};
use super::envelope::Read;
use super::family::MOTION_THRESHOLD;
use super::{Known, Pass, camera_names, check_reference, source};
use crate::manifest::nearest::nearest;
use crate::manifest::problem::{ProblemKind, quote};
use crate::manifest::schema::Kind;
use crate::manifest::schema::recording::{
    DetectorFields, DetectorWord, FormatWord, NotifierFields, RetentionFields,
};
use crate::model::desired::{Detector, DetectorFormat, Notifier, Retention};
use crate::model::event::EventKind;
use crate::model::names::DetectorName;

/// Least confidence where a detector does not say.
const CONFIDENCE: f64 = 0.5;

/// Words that a detector's labels may be mapped to.
const DETECTED: [&str; 6] = ["human", "animal", "vehicle", "motion", "unknown", "camera_issue"];

/// Adds a detector, unless something is wrong with it.
pub(super) fn detector(
    read: &Read<'_, DetectorFields>,
    detectors: &mut BTreeMap<DetectorName, Arc<Detector>>,
    pass: &mut Pass,
) {
    if read.name() == Some("none") {
        let message = "a Detector cannot be called `none`: for cameras it means no detection";
        let fault = read.doc.fault(&["metadata", "name"], ProblemKind::Conflict, message);
        pass.report.fault(read.doc.file, fault.help("choose another name"));
    }
    let made = match read.spec.kind {
        DetectorWord::Motion => Some(motion_detector(read, pass)),
        DetectorWord::Http => http_detector(read, pass),
    };
    let name = read.name().and_then(|name| DetectorName::parse(name).ok());
    if let (Some(name), Some(detector)) = (name, made) {
        detectors.insert(name, Arc::new(detector));
    }
}

fn motion_detector(read: &Read<'_, DetectorFields>, pass: &mut Pass) -> Detector {
    for field in ["url", "format", "timeout", "concurrency", "map"] {
        let path = ["spec", field];
        if read.doc.given(&path) && field != "map" || !read.spec.map.is_empty() && field == "map" {
            let message = format!("`{field}` means nothing to a detector of type motion");
            let fault = read.doc.fault(&path, ProblemKind::Conflict, message);
            pass.report.fault(read.doc.file, fault.help("remove it, or write `type: http`"));
        }
    }
    Detector::Motion { threshold: read.spec.threshold.map_or(MOTION_THRESHOLD, |it| it.0) }
}

fn http_detector(read: &Read<'_, DetectorFields>, pass: &mut Pass) -> Option<Detector> {
    let (doc, spec) = (&read.doc, &read.spec);
    let help = "write the endpoint, such as `http://127.0.0.1:5000/v1/vision/detection`";
    doc.missing(&mut pass.report, &["spec", "url"], help);
    for (label, event) in &spec.map {
        if !DETECTED.contains(&event.as_str()) {
            let message = format!("{} is no primary event of a frame", quote(event));
            let path = ["spec", "map", label.as_str()];
            let fault = doc.fault(&path, ProblemKind::WrongValue, message);
            pass.report.fault(doc.file, fault.help(near_word(event, &DETECTED)));
        }
    }
    let url = url(doc, &["spec", "url"], spec.url.as_deref(), source::http, pass)?;
    Some(Detector::Http {
        url,
        format: match spec.format {
            FormatWord::Deepstack => DetectorFormat::Deepstack,
            FormatWord::Multipart => DetectorFormat::Multipart,
        },
        threshold: spec.threshold.map_or(CONFIDENCE, |threshold| threshold.0),
        timeout: spec.timeout.duration(),
        concurrency: spec.concurrency.fit(),
        map: spec.map.clone(),
    })
}

fn near_word(word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known are {}", known.join(", ")),
    }
}

/// A notifier, unless something is missing.
pub(super) fn notifier(
    read: &Read<'_, NotifierFields>,
    known: &Known<'_>,
    pass: &mut Pass,
) -> Option<Notifier> {
    let (doc, spec) = (&read.doc, &read.spec);
    doc.missing(&mut pass.report, &["spec", "url"], "write the webhook's http(s):// URL");
    for (index, kind) in spec.filter.kinds.iter().enumerate() {
        if EventKind::parse(kind).is_none() {
            let index = index.to_string();
            let path = ["spec", "match", "kinds", index.as_str()];
            let message = format!("no event is of kind {}", quote(kind));
            let fault = doc.fault(&path, ProblemKind::WrongValue, message);
            let words = EventKind::ALL.map(EventKind::as_str);
            pass.report.fault(doc.file, fault.help(near_word(kind, &words)));
        }
    }
    for (index, camera) in spec.filter.cameras.iter().enumerate() {
        let index = index.to_string();
        let path = ["spec", "match", "cameras", index.as_str()];
        let cameras = known.cameras.iter().copied();
        check_reference((doc, &path), Kind::Camera, camera, cameras, &mut pass.report);
    }
    let url = url(doc, &["spec", "url"], spec.url.as_deref(), source::http, pass);
    let path = ["spec", "secretFrom"];
    let from = spec.secret_from.as_ref();
    // A block whose fields are all null is the same as none.
    let empty = from.is_some_and(|from| from.env.is_none() && from.file.is_none())
        && !doc.given(&["spec", "secretFrom", "env"])
        && !doc.given(&["spec", "secretFrom", "file"]);
    let signing = match from {
        Some(from) if !empty => Some(secret(doc, &path, from, pass)?),
        Some(_) | None => None,
    };
    Some(Notifier {
        url: url?,
        secret: signing,
        severity: spec.filter.severity.fit(),
        kinds: spec.filter.kinds.clone(),
        cameras: camera_names(&spec.filter.cameras),
        cooldown: spec.cooldown.duration(),
        retries: spec.retries.fit(),
    })
}

/// The retention; defaults where there is no manifest.
pub(super) fn retention(read: Option<&Read<'_, RetentionFields>>) -> Retention {
    let fields = read.map(|read| read.spec.clone()).unwrap_or_default();
    Retention {
        at: fields.at.0,
        no_event_frames: fields.no_event_frames.duration(),
        events: fields.events.duration(),
        notifications: fields.notifications.duration(),
        admission_raw: fields.admission_raw.duration(),
        admission_hourly: fields.admission_hourly.duration(),
        sweeps: fields.sweeps.duration(),
        config_revisions: fields.config_revisions.duration(),
        max_bytes: fields.max_bytes.0,
    }
}
