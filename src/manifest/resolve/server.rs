//! `Server`: settings that go together.
//!
//! Reports everything that is wrong and goes on.

use std::path::PathBuf;

use jiff::tz::TimeZone;

use super::envelope::Read;
use super::{Pass, source};
use crate::manifest::document::Doc;
use crate::manifest::mask::redact_url;
use crate::manifest::nearest::nearest;
use crate::manifest::problem::{ProblemKind, quote};
use crate::manifest::schema::server::{AuthWord, EngineWord, ServerFields};
use crate::manifest::tree::Fault;
use crate::model::server::{
    AdmissionSpec, AuthMode, BufferSpec, Engine, GatewaySpec, LiveSpec, MonitorSpec, OverloadSpec,
    ProcessSpec, RemovalGuard, ServerSpec, StoreSpec, SuggestSpec,
};

/// The server, unless something is wrong; defaults where there is no manifest.
pub(super) fn server(read: Option<&Read<'_, ServerFields>>, pass: &mut Pass) -> Option<ServerSpec> {
    let Some(read) = read else {
        let fields = ServerFields::default();
        return Some(spec(&fields, gateway_url(None, &fields, pass)?, TimeZone::system()));
    };
    let (doc, fields) = (&read.doc, &read.spec);
    let timezone = timezone(doc, &fields.timezone, pass);
    check_texts(doc, fields, pass);
    check_store(doc, fields, pass);
    check_admission(doc, fields, pass);
    check_tls(doc, fields, pass);
    let gateway = gateway_url(Some(doc), fields, pass)?;
    Some(spec(fields, gateway, timezone))
}

fn spec(fields: &ServerFields, gateway: GatewaySpec, timezone: TimeZone) -> ServerSpec {
    let tls = fields.tls.cert_file.as_ref().zip(fields.tls.key_file.as_ref());
    ServerSpec {
        listen: fields.listen.0,
        data_dir: PathBuf::from(&fields.data_dir),
        timezone,
        store: StoreSpec { url: fields.store.url.as_str().into(), required: fields.store.required },
        live: LiveSpec {
            engine: match fields.live.engine {
                EngineWord::Native => Engine::Native,
                EngineWord::Go2rtc => Engine::Go2rtc,
            },
            webrtc: fields.live.webrtc,
            hls: fields.live.hls,
        },
        gateway,
        admission: admission(fields),
        suggest: SuggestSpec {
            enabled: fields.suggest.enabled,
            start: fields.suggest.start.0,
            switch_ratio: fields.suggest.switch_ratio.0,
            ttl: fields.suggest.ttl.duration(),
            cooldown: fields.suggest.cooldown.duration(),
        },
        buffers: BufferSpec {
            events: fields.buffers.events.fit(),
            frames: fields.buffers.frames.fit(),
            thumbnails_per_camera: fields.buffers.thumbnails_per_camera.fit(),
            bytes: fields.buffers.bytes.0,
        },
        monitor: MonitorSpec {
            memory_warning: fields.monitor.memory_warning.0,
            memory_critical: fields.monitor.memory_critical.0,
            interval: fields.monitor.interval.duration(),
        },
        processes: ProcessSpec {
            ffmpeg: PathBuf::from(&fields.processes.ffmpeg),
            max_age: fields.processes.max_age.duration(),
            max_children: fields.processes.max_children.fit(),
        },
        refresh_page: fields.refresh.page.0,
        removal_guard: RemovalGuard {
            min_objects: fields.removal_guard.min_objects.fit(),
            max_share: fields.removal_guard.max_share.0,
        },
        auth: match fields.auth.mode {
            AuthWord::Auto => AuthMode::Auto,
            AuthWord::None => AuthMode::None,
            AuthWord::Users => AuthMode::Users,
        },
        tls: tls.map(|(cert, key)| (PathBuf::from(cert), PathBuf::from(key))),
    }
}

fn admission(fields: &ServerFields) -> AdmissionSpec {
    let (admission, overload) = (&fields.admission, &fields.admission.overload);
    AdmissionSpec {
        total_units: admission.total_units.fit(),
        baseline_units: admission.baseline_units.fit(),
        reserved_users: admission.reserved_users.fit(),
        lease_ttl: admission.lease_ttl.duration(),
        heartbeat: admission.heartbeat.duration(),
        grace: admission.grace.duration(),
        overload: OverloadSpec {
            cpu_percent: overload.cpu_percent.0,
            memory_percent: overload.memory_percent.0,
            swap_in_bytes_per_second: overload.swap_in_bytes_per_second.0,
            recover_cpu_percent: overload.recover_cpu_percent.0,
            recover_memory_percent: overload.recover_memory_percent.0,
            recover_after: overload.recover_after.duration(),
        },
    }
}

/// The zone of that name; the host's after a problem, which keeps the set from coming into force.
fn timezone(doc: &Doc<'_>, name: &str, pass: &mut Pass) -> TimeZone {
    if name == "local" {
        return TimeZone::system();
    }
    if let Ok(zone) = TimeZone::get(name) {
        return zone;
    }
    let zones: Vec<String> = jiff::tz::db().available().map(|zone| zone.to_string()).collect();
    let help = match nearest(name, zones.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "use an IANA name such as `Asia/Tokyo`, or `local`".to_owned(),
    };
    let message = format!("no time zone is called {}", quote(name));
    let fault = doc.fault(&["spec", "timezone"], ProblemKind::WrongValue, message);
    pass.report.fault(doc.file, fault.help(help));
    TimeZone::system()
}

/// Paths and programs must not be empty.
fn check_texts(doc: &Doc<'_>, fields: &ServerFields, pass: &mut Pass) {
    let texts: [(&[&str], Option<&String>); 5] = [
        (&["spec", "dataDir"], Some(&fields.data_dir)),
        (&["spec", "gateway", "binary"], Some(&fields.gateway.binary)),
        (&["spec", "processes", "ffmpeg"], Some(&fields.processes.ffmpeg)),
        (&["spec", "tls", "certFile"], fields.tls.cert_file.as_ref()),
        (&["spec", "tls", "keyFile"], fields.tls.key_file.as_ref()),
    ];
    for (path, text) in texts {
        if text.is_some_and(|text| text.is_empty() || text.contains('\0')) {
            let field = path.last().copied().unwrap_or_default();
            let fault = doc.fault(path, ProblemKind::WrongValue, format!("`{field}` is empty"));
            pass.report.fault(doc.file, fault.help("leave it out for the default"));
        }
    }
}

fn check_store(doc: &Doc<'_>, fields: &ServerFields, pass: &mut Pass) {
    let path = ["spec", "store", "url"];
    let text = &fields.store.url;
    let help = "use `sqlite://camserver.db` (relative to dataDir) or `mysql://user@host/database`";
    let wrong = match text.split_once("://") {
        Some(("sqlite", file)) => file.is_empty(),
        Some(("mysql", _)) => match url::Url::parse(text) {
            Ok(url) => {
                if url.password().is_some() {
                    let message = "a password in clear text";
                    let fault = Fault::new(doc.at(&path), ProblemKind::PlainSecret, message);
                    let help = "let the database know the user by its socket or certificate, or \
                                keep this file out of git and readable by the server alone";
                    pass.report.warning(doc.file, fault.help(help));
                }
                url.host_str().is_none_or(str::is_empty) || url.path().len() < 2
            }
            Err(_) => true,
        },
        Some(_) | None => true,
    };
    if wrong {
        let message = format!("{} is no database", quote(&redact_url(text)));
        pass.report.fault(doc.file, doc.fault(&path, ProblemKind::WrongValue, message).help(help));
    }
}

/// Reports two values that do not go together, unless neither was written.
fn conflict(doc: &Doc<'_>, paths: [&[&str]; 2], wrong: bool, texts: [&str; 2], pass: &mut Pass) {
    if wrong {
        let path = if doc.given(paths[0]) { paths[0] } else { paths[1] };
        let fault = doc.fault(path, ProblemKind::Conflict, texts[0]);
        pass.report.fault(doc.file, fault.help(texts[1]));
    }
}

fn check_admission(doc: &Doc<'_>, fields: &ServerFields, pass: &mut Pass) {
    let (admission, overload) = (&fields.admission, &fields.admission.overload);
    let at = ["spec", "admission"];
    let under = |field: &'static str| [at[0], at[1], field];
    let over = |field: &'static str| [at[0], at[1], "overload", field];
    let spent = admission.baseline_units.0 + admission.reserved_users.0;
    conflict(
        doc,
        [&under("totalUnits"), &under("baselineUnits")],
        spent > admission.total_units.0,
        [
            "`baselineUnits` and `reservedUsers` together are more than `totalUnits`",
            "raise `totalUnits` or lower the others",
        ],
        pass,
    );
    conflict(
        doc,
        [&under("grace"), &under("heartbeat")],
        admission.grace.0 <= admission.heartbeat.0,
        [
            "`grace` is not longer than `heartbeat`: every viewer would be cut",
            "make `grace` at least one and a half times `heartbeat`",
        ],
        pass,
    );
    conflict(
        doc,
        [&over("recoverCpuPercent"), &over("cpuPercent")],
        overload.recover_cpu_percent.0 >= overload.cpu_percent.0,
        ["`recoverCpuPercent` is not below `cpuPercent`", "leave a distance of 10 or more"],
        pass,
    );
    conflict(
        doc,
        [&over("recoverMemoryPercent"), &over("memoryPercent")],
        overload.recover_memory_percent.0 >= overload.memory_percent.0,
        ["`recoverMemoryPercent` is not below `memoryPercent`", "leave a distance of 10 or more"],
        pass,
    );
    conflict(
        doc,
        [&["spec", "monitor", "memoryWarning"], &["spec", "monitor", "memoryCritical"]],
        fields.monitor.memory_warning.0 >= fields.monitor.memory_critical.0,
        ["`memoryWarning` is not below `memoryCritical`", "the warning should come first"],
        pass,
    );
}

fn check_tls(doc: &Doc<'_>, fields: &ServerFields, pass: &mut Pass) {
    let (cert, key) = (["spec", "tls", "certFile"], ["spec", "tls", "keyFile"]);
    let one = fields.tls.cert_file.is_some() != fields.tls.key_file.is_some();
    let text = "`certFile` and `keyFile` go together";
    conflict(doc, [&cert, &key], one, [text, "give both, or neither for plain HTTP"], pass);
}

/// The gateway. An external one is never managed.
fn gateway_url(
    doc: Option<&Doc<'_>>,
    fields: &ServerFields,
    pass: &mut Pass,
) -> Option<GatewaySpec> {
    let gateway = &fields.gateway;
    let mut url = None;
    if let (Some(text), Some(doc)) = (&gateway.url, doc) {
        let path = ["spec", "gateway", "url"];
        url = Some(super::camera::url(doc, &path, Some(text), source::http, pass)?);
        let managed = ["spec", "gateway", "managed"];
        let both = gateway.managed && doc.given(&managed);
        let text = "`managed: true` and `url` do not go together";
        let help = "a go2rtc that runs elsewhere is not managed: remove one of the two";
        conflict(doc, [&managed, &path], both, [text, help], pass);
    }
    let spec = GatewaySpec {
        managed: gateway.managed && url.is_none(),
        binary: PathBuf::from(&gateway.binary),
        url: url.map(|url| url.expose().clone()),
    };
    if let Some(doc) = doc {
        let paths: [&[&str]; 2] = [&["spec", "live", "engine"], &["spec", "gateway", "managed"]];
        let without = fields.live.engine == EngineWord::Go2rtc && !spec.is_declared();
        let text = "`engine: go2rtc` without a gateway";
        conflict(doc, paths, without, [text, "give `gateway.url`, or set `gateway.managed`"], pass);
    }
    Some(spec)
}
