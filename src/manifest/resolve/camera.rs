//! `Camera` and `Subnet`: references, addresses, streams, credentials.
//!
//! Reports everything that is wrong and goes on; a camera is only made where nothing is missing.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::envelope::Read;
use super::source::{self, UrlFault};
use super::{Known, Pass, check_reference, subnet_name};
use crate::manifest::document::Doc;
use crate::manifest::problem::{ProblemKind, quote};
use crate::manifest::schema::camera::{CameraFields, CredentialFields, SubnetFields};
use crate::manifest::schema::{Kind, SecretFrom};
use crate::manifest::secret_source::Found;
use crate::manifest::tree::Fault;
use crate::model::desired::{
    Backend, Camera, CaptureSpec, Credentials, Family, MotionSpec, Subnet, SweepSpec,
};
use crate::model::names::{CameraName, DetectorName, FamilyName};
use crate::model::secret::{Secret, SourceUrl};

/// Longest name for people, in characters.
const DISPLAY_CHARS_MAX: usize = 200;

/// A subnet, unless something is missing.
pub(super) fn subnet(read: &Read<'_, SubnetFields>, pass: &mut Pass) -> Option<Subnet> {
    let help = "write the network of the cameras, such as `cidr: 192.168.125.0/24`";
    read.doc.missing(&mut pass.report, &["spec", "cidr"], help);
    let sweep = &read.spec.sweep;
    Some(Subnet {
        name: crate::model::names::SubnetName::parse(read.name()?).ok()?,
        labels: read.labels.clone(),
        cidr: read.spec.cidr?.to_string().into(),
        sweep: SweepSpec {
            interval: sweep.interval.duration(),
            cooldown: sweep.cooldown.duration(),
            concurrency: sweep.concurrency.fit(),
            suspend: sweep.suspend,
            quiet_hours: sweep.quiet_hours.iter().map(|window| window.0).collect(),
        },
    })
}

/// A camera, unless something is missing.
pub(super) fn camera(
    read: &Read<'_, CameraFields>,
    known: &Known<'_>,
    families: &BTreeMap<FamilyName, Family>,
    pass: &mut Pass,
) -> Option<Camera> {
    let (doc, spec) = (&read.doc, &read.spec);
    check_references(read, known, pass);
    check_capture(read, pass);
    let address = spec.address.map(|address| address.0);
    let port = spec.port.fit();
    let stream = |text: &str| source::stream(text, address, port);
    let main = url(doc, &["spec", "streams", "main"], spec.streams.main.as_deref(), stream, pass);
    let sub = url(doc, &["spec", "streams", "sub"], spec.streams.sub.as_deref(), stream, pass);
    let picture = |text: &str| source::snapshot(text, address);
    let path = ["spec", "snapshotUrl"];
    let snapshot_url = url(doc, &path, spec.snapshot_url.as_deref(), picture, pass);
    let credentials = spec.credentials.as_ref().map(|fields| credentials(doc, fields, pass));
    let name = CameraName::parse(read.name()?).ok()?;
    let display_name = spec.display_name.as_deref().filter(|text| !text.trim().is_empty());
    let family = FamilyName::parse(&spec.family.0).ok()?;
    let mut camera = Camera {
        display_name: display_name.unwrap_or(name.as_str()).into(),
        name,
        labels: read.labels.clone(),
        subnet: subnet_name(spec.subnet.as_ref()?)?,
        address: address?,
        port,
        main,
        sub,
        snapshot_url,
        credentials: credentials.flatten(),
        enabled: spec.enabled,
        always_on: spec.always_on,
        capture: CaptureSpec {
            order: spec.capture.order.clone(),
            stream: spec.capture.stream.into(),
            timeout: spec.capture.timeout.duration(),
            transport: spec.capture.transport.into(),
        },
        suggest_weight: spec.suggest.weight.fit(),
        detector: (spec.detector.0 != "none")
            .then(|| DetectorName::parse(&spec.detector.0).ok())
            .flatten(),
        motion: MotionSpec {
            sensitivity: spec.motion.sensitivity.fit(),
            masks: spec.motion.masks.iter().map(|mask| mask.map(|share| share.0)).collect(),
        },
        context: spec.context.clone(),
        spec_digest: 0,
        family,
    };
    camera.spec_digest = spec_digest(&camera, families.get(&camera.family));
    Some(camera)
}

/// Checks what the camera refers to: subnet and its network, family, detector.
fn check_references(read: &Read<'_, CameraFields>, known: &Known<'_>, pass: &mut Pass) {
    let (doc, spec, report) = (&read.doc, &read.spec, &mut pass.report);
    doc.missing(report, &["spec", "subnet"], "write the name of the Subnet that sweeps it");
    doc.missing(report, &["spec", "address"], "write the camera's IP address");
    if let Some(subnet) = &spec.subnet {
        let place = (doc, ["spec", "subnet"].as_slice());
        let names = known.subnets.keys().copied();
        check_reference(place, Kind::Subnet, subnet, names, report);
        let cidr = known.subnets.get(subnet.0.as_str()).copied().flatten();
        if let (Some(cidr), Some(address)) = (cidr, spec.address)
            && !cidr.contains(address.0)
        {
            let message = format!("{address} is outside the network of its subnet");
            let fault = doc.fault(&["spec", "address"], ProblemKind::Conflict, message);
            let help = format!("the Subnet `{subnet}` is {cidr}: correct one of the two");
            report.fault(doc.file, fault.help(help));
        }
    }
    let place = (doc, ["spec", "family"].as_slice());
    let families = known.families.iter().map(String::as_str);
    check_reference(place, Kind::CameraFamily, &spec.family, families, report);
    let place = (doc, ["spec", "detector"].as_slice());
    let detectors = known.detectors.iter().map(String::as_str);
    check_reference(place, Kind::Detector, &spec.detector, detectors, report);
}

/// Checks that pictures can be taken at all, and fields that need no other object.
fn check_capture(read: &Read<'_, CameraFields>, pass: &mut Pass) {
    let (doc, spec, report) = (&read.doc, &read.spec, &mut pass.report);
    let sources: [&[&str]; 3] =
        [&["spec", "streams", "main"], &["spec", "streams", "sub"], &["spec", "snapshotUrl"]];
    if !sources.iter().any(|path| doc.given(path)) {
        let at = doc.at(&["spec", "streams"]);
        let fault = Fault::new(at, ProblemKind::Missing, "the camera has no stream and no picture");
        let help = "give at least one of `streams.main`, `streams.sub` and `snapshotUrl`";
        report.fault(doc.file, fault.help(help));
    }
    let order = &spec.capture.order;
    if order.is_empty() && doc.given(&["spec", "capture", "order"]) {
        let message = "`order` names no way of taking a picture";
        let fault = doc.fault(&["spec", "capture", "order"], ProblemKind::WrongValue, message);
        report.fault(doc.file, fault.help("leave it out for [live, native, ffmpeg, http]"));
    }
    for (index, backend) in order.iter().enumerate() {
        if order[..index].contains(backend) {
            let index = index.to_string();
            let path = ["spec", "capture", "order", index.as_str()];
            let message = format!("`{}` stands twice in `order`", backend.as_str());
            let fault = doc.fault(&path, ProblemKind::Duplicate, message);
            report.fault(doc.file, fault.help("each way is tried once"));
        }
    }
    for (index, [x, y, width, height]) in spec.motion.masks.iter().enumerate() {
        if x.0 + width.0 > 1.0 || y.0 + height.0 > 1.0 {
            let index = index.to_string();
            let path = ["spec", "motion", "masks", index.as_str()];
            let fault =
                doc.fault(&path, ProblemKind::WrongValue, "the mask reaches beyond the picture");
            let help = "masks are [x, y, width, height]; x + width and y + height are at most 1";
            report.fault(doc.file, fault.help(help));
        }
    }
    let name = spec.display_name.as_deref().unwrap_or_default();
    if name.chars().count() > DISPLAY_CHARS_MAX || name.chars().any(char::is_control) {
        let message =
            format!("a displayName is one line of at most {DISPLAY_CHARS_MAX} characters");
        let fault = doc.fault(&["spec", "displayName"], ProblemKind::WrongValue, message);
        report.fault(doc.file, fault);
    }
}

/// Reports a way of capturing that needs the gateway which is not declared.
pub(super) fn check_without_gateway(read: &Read<'_, CameraFields>, pass: &mut Pass) {
    let (doc, order) = (&read.doc, &read.spec.capture.order);
    let Some(index) = order.iter().position(|way| *way == Backend::Gateway) else { return };
    let index = index.to_string();
    let path = ["spec", "capture", "order", index.as_str()];
    let message = "`gateway` in `order`, and no gateway is declared";
    let fault = doc.fault(&path, ProblemKind::Conflict, message);
    let help = "take it out, or let the Server manifest have `gateway.managed: true` or a \
                `gateway.url`";
    pass.report.fault(doc.file, fault.help(help));
}

/// The URL at a path, or `None` with its problem reported.
pub(super) fn url(
    doc: &Doc<'_>,
    path: &[&str],
    text: Option<&str>,
    check: impl Fn(&str) -> Result<SourceUrl, UrlFault>,
    pass: &mut Pass,
) -> Option<SourceUrl> {
    match check(text?) {
        Ok(url) => Some(url),
        Err(UrlFault { kind, message, help }) => {
            pass.report.fault(doc.file, doc.fault(path, kind, message).help(help));
            None
        }
    }
}

fn credentials(doc: &Doc<'_>, fields: &CredentialFields, pass: &mut Pass) -> Option<Credentials> {
    let base = ["spec", "credentials"];
    let at = |field| [base[0], base[1], field];
    doc.missing(&mut pass.report, &at("username"), "write the camera's user name");
    if fields.username.as_deref() == Some("") && doc.given(&at("username")) {
        let fault = doc.fault(&at("username"), ProblemKind::WrongValue, "the user name is empty");
        pass.report.fault(doc.file, fault.help("leave `credentials` out for a camera without"));
    }
    let password = match (&fields.password, &fields.password_from) {
        (Some(password), None) => {
            let message = "a password in clear text";
            let fault = Fault::new(doc.at(&at("password")), ProblemKind::PlainSecret, message);
            let help = "use `passwordFrom: {file: NAME}` or `passwordFrom: {env: NAME}`, so that \
                        the password does not stand in YAML and in git";
            pass.report.warning(doc.file, fault.help(help));
            Some(Ok(Secret::new(password.as_str())))
        }
        (Some(_), Some(_)) => {
            let message = "both `password` and `passwordFrom` are given";
            let fault = Fault::new(doc.at(&at("password")), ProblemKind::Conflict, message);
            pass.report.fault(doc.file, fault.help("keep `passwordFrom`"));
            None
        }
        (None, Some(from)) => secret(doc, &at("passwordFrom"), from, pass),
        (None, None) => {
            if !doc.given(&at("password")) {
                let help = "add `passwordFrom: {file: NAME}` or `passwordFrom: {env: NAME}`";
                doc.missing(&mut pass.report, &at("passwordFrom"), help);
            }
            None
        }
    };
    Some(Credentials { username: fields.username.as_deref()?.into(), password: password? })
}

/// A secret, or why it cannot be had; `None` with a problem where its source is wrong.
pub(super) fn secret(
    doc: &Doc<'_>,
    path: &[&str],
    from: &SecretFrom,
    pass: &mut Pass,
) -> Option<Found> {
    let field = path.last().copied().unwrap_or_default();
    let fault = |message: String| doc.fault(path, ProblemKind::Conflict, message);
    let wrong_env =
        from.env.as_deref().filter(|name| name.is_empty() || name.contains(['=', '\0', ' ']));
    match (&from.env, &from.file) {
        (Some(_), Some(_)) => {
            let fault = fault(format!("`{field}` names both `env` and `file`"));
            pass.report.fault(doc.file, fault.help("keep one of the two"));
            None
        }
        (None, None) => {
            let given = |word| doc.given(&[path, &[word]].concat());
            if !given("env") && !given("file") {
                let fault = fault(format!("`{field}` names neither `env` nor `file`"));
                pass.report.fault(doc.file, fault.help("give one of the two"));
            }
            None
        }
        (Some(_), None) if wrong_env.is_some() => {
            let name = quote(wrong_env.unwrap_or_default());
            let message = format!("{name} is no name of an environment variable");
            let fault = doc.fault(&[path, &["env"]].concat(), ProblemKind::WrongValue, message);
            pass.report
                .fault(doc.file, fault.help("write the name only, such as `CAMERA_PASSWORD`"));
            None
        }
        (None, Some(file)) if file.is_empty() || file.contains('\0') => {
            let message = format!("{} is no file name", quote(file));
            let fault = doc.fault(&[path, &["file"]].concat(), ProblemKind::WrongValue, message);
            pass.report
                .fault(doc.file, fault.help("paths are relative to the manifest's directory"));
            None
        }
        (Some(_), None) | (None, Some(_)) => pass.secrets.read(from, doc.file.directory()),
    }
}

/// Changes whenever anything that a capture depends on changes. Made from the password too, so it
/// is for comparing only and must not be shown.
fn spec_digest(camera: &Camera, family: Option<&Family>) -> u64 {
    let url = |url: &Option<SourceUrl>| url.as_ref().map(|url| url.expose().as_str().to_owned());
    let address: IpAddr = camera.address;
    let credentials = camera.credentials.as_ref().map(|credentials| {
        let password = credentials.password.as_ref().map(Secret::expose);
        (Arc::clone(&credentials.username), password.map_err(Arc::clone).map(str::to_owned))
    });
    let parts = format!(
        "{:?}",
        (
            (address, camera.port, url(&camera.main), url(&camera.sub)),
            (url(&camera.snapshot_url), credentials, &camera.capture, family),
        )
    );
    let hash = Sha256::digest(parts.as_bytes());
    hash.iter().take(8).fold(0, |digest, byte| digest << 8 | u64::from(*byte))
}
