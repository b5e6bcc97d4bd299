//! Manifests for fleets: what a test declares, written as the product reads it.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::cameras::Cameras;
use crate::http::PASSWORD;

/// The declared world of one test.
pub(crate) struct Manifests {
    /// Fields of the `Server`.
    pub(crate) server: Value,
    /// `sweep` of the one subnet `sim`.
    pub(crate) sweep: Value,
    /// Families by name.
    pub(crate) families: Vec<(String, Value)>,
    /// Cameras by name.
    pub(crate) cameras: Vec<(String, Value)>,
}

impl Manifests {
    /// Declares a fleet under its own names, in one family with its limit.
    pub(crate) fn of(cameras: &Cameras) -> Self {
        let mut manifests = Self {
            server: json!({}),
            sweep: json!({"interval": "60s", "cooldown": "1s", "concurrency": 4}),
            families: Vec::new(),
            cameras: Vec::new(),
        };
        manifests.add("cam", cameras);
        manifests
    }

    /// Adds another fleet; its cameras are called `PREFIX-001` and on, as its family `PREFIX`.
    pub(crate) fn add(&mut self, prefix: &str, cameras: &Cameras) {
        let family = json!({"maxConnections": cameras.settings.limit});
        self.families.push((prefix.to_owned(), family));
        for index in 0..cameras.settings.cameras {
            let name = format!("{prefix}-{:03}", index + 1);
            self.cameras.push((name, cameras.spec(index, prefix)));
        }
    }

    /// A field of every family.
    pub(crate) fn family(&mut self, field: &str, value: &Value) {
        for (_, spec) in &mut self.families {
            spec[field] = value.clone();
        }
    }

    /// `capture` of every camera.
    pub(crate) fn capture(&mut self, capture: &Value) {
        for (_, spec) in &mut self.cameras {
            spec["capture"] = capture.clone();
        }
    }

    /// Writes them all.
    pub(crate) fn write(&self, directory: &Path) {
        fs::create_dir_all(directory).unwrap();
        fs::write(directory.join("password"), PASSWORD).unwrap();
        let families = self.families.iter().map(|(name, spec)| object("CameraFamily", name, spec));
        let cidr = self.cameras.first().map(|(_, spec)| {
            let address = spec["address"].as_str().unwrap();
            let parts: Vec<&str> = address.split('.').collect();
            format!("{}.{}.0.0/16", parts[0], parts[1])
        });
        let subnet = json!({"cidr": cidr, "sweep": self.sweep});
        let mut first = vec![object("Server", "here", &self.server)];
        first.push(object("Subnet", "sim", &subnet));
        first.extend(families);
        fs::write(directory.join("base.yaml"), first.concat()).unwrap();
        let cameras = self.cameras.iter().map(|(name, spec)| object("Camera", name, spec));
        fs::write(directory.join("cameras.yaml"), cameras.collect::<String>()).unwrap();
    }
}

/// One document. JSON is YAML.
pub(crate) fn object(kind: &str, name: &str, spec: &Value) -> String {
    let document = json!({
        "apiVersion": "camserver.dev/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    });
    format!("---\n{document}\n")
}
