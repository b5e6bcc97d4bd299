//! Writes the manifests that describe a fleet to camserver: a family, a subnet, the cameras, a
//! server, and the password in a file of its own. It writes once, before anything is served.

use std::fs;
use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::fleet::FleetSettings;
use crate::rtsp::auth::Scheme;

/// What the manifests say beyond the fleet itself.
#[derive(Clone, Debug)]
pub struct ManifestSettings {
    /// Where they are written.
    pub directory: PathBuf,
    /// Time between two sweeps, as written in YAML.
    pub interval: String,
    /// Rest after a sweep, as written in YAML.
    pub cooldown: String,
    /// Cameras swept at once.
    pub concurrency: u32,
    /// Merged into every camera's spec.
    pub camera_spec: Value,
    /// Merged into the server's spec.
    pub server_spec: Value,
}

/// Why manifests could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// A file could not be written.
    #[error("write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A value cannot be written as YAML.
    #[error("write YAML")]
    Yaml(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Writes them all; files of the same names are replaced.
pub(crate) fn write(
    settings: &ManifestSettings,
    fleet: &FleetSettings,
) -> Result<(), ManifestError> {
    let directory = &settings.directory;
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ManifestError::Write { path, source }
    };
    fs::create_dir_all(directory).map_err(failed(directory))?;
    let directory = directory.canonicalize().map_err(failed(directory))?;
    let password = directory.join("password");
    if fleet.auth != Scheme::None {
        write_file(&password, &fleet.password, 0o600).map_err(failed(&password))?;
    }
    let family = object("CameraFamily", "sim", &json!({ "maxConnections": fleet.limit }));
    let sweep = json!({
        "interval": settings.interval,
        "cooldown": settings.cooldown,
        "concurrency": settings.concurrency,
    });
    let subnet = object("Subnet", "sim", &json!({ "cidr": cidr(fleet), "sweep": sweep }));
    let server = object("Server", "camserver", &settings.server_spec);
    let cameras = (0..fleet.cameras).filter_map(|index| {
        let address = fleet.address(index)?;
        let mut spec = camera(fleet, address, &password);
        merge(&mut spec, &settings.camera_spec);
        Some(object("Camera", &FleetSettings::name(index), &spec))
    });
    let files = [
        ("server.yaml", vec![server]),
        ("family.yaml", vec![family]),
        ("subnet.yaml", vec![subnet]),
        ("cameras.yaml", cameras.collect()),
    ];
    for (name, documents) in files {
        let path = directory.join(name);
        write_file(&path, &yaml(&documents)?, 0o644).map_err(failed(&path))?;
    }
    Ok(())
}

/// Merges `extra` into `base`: mappings field by field, all else replaced.
pub(crate) fn merge(base: &mut Value, extra: &Value) {
    match (base, extra) {
        (Value::Object(base), Value::Object(extra)) => {
            for (key, value) in extra {
                merge(base.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (base, extra) => *base = extra.clone(),
    }
}

fn camera(fleet: &FleetSettings, address: Ipv4Addr, password: &Path) -> Value {
    let mut spec = Map::new();
    spec.insert("subnet".to_owned(), json!("sim"));
    spec.insert("family".to_owned(), json!("sim"));
    spec.insert("address".to_owned(), json!(address));
    spec.insert("port".to_owned(), json!(fleet.port));
    spec.insert("streams".to_owned(), json!({ "main": "/main", "sub": "/sub" }));
    if fleet.http_port != 0 {
        let url = format!("http://{address}:{}/snapshot.jpg", fleet.http_port);
        spec.insert("snapshotUrl".to_owned(), json!(url));
    }
    if fleet.auth != Scheme::None {
        let credentials = json!({
            "username": fleet.username,
            "passwordFrom": { "file": password },
        });
        spec.insert("credentials".to_owned(), credentials);
    }
    Value::Object(spec)
}

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "camserver.dev/v1",
        "kind": kind,
        "metadata": { "name": name },
        "spec": spec,
    })
}

fn yaml(documents: &[Value]) -> Result<String, ManifestError> {
    let mut text = String::from("# Written by camsim.\n");
    for document in documents {
        text.push_str("---\n");
        let part = serde_saphyr::to_string(document)
            .map_err(|error| ManifestError::Yaml(Box::new(error)))?;
        text.push_str(&part);
    }
    Ok(text)
}

// The smallest network that holds the whole fleet, but no smaller than 256 addresses.
fn cidr(fleet: &FleetSettings) -> String {
    let first = u32::from(fleet.first);
    let last = first.saturating_add(fleet.cameras.saturating_sub(1));
    let length = (first ^ last).leading_zeros().min(24);
    let network = Ipv4Addr::from(first & (u32::MAX << (32 - length)));
    format!("{network}/{length}")
}

// Whole or not at all: a reader may be watching the directory.
fn write_file(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".camsim-").tempfile_in(directory)?;
    file.as_file().set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(text.as_bytes())?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_keeps_what_is_not_named() {
        let mut base = json!({ "a": { "b": 1, "c": 2 }, "d": 3 });
        merge(&mut base, &json!({ "a": { "b": 9 }, "e": [1] }));
        assert_eq!(base, json!({ "a": { "b": 9, "c": 2 }, "d": 3, "e": [1] }));
    }
}
