//! What of go2rtc's configuration the stand-in heeds; the rest is ignored, as the real one does.

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The file.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Config {
    pub app: App,
    pub api: Api,
    pub webrtc: Webrtc,
    pub streams: Option<Map<String, Value>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct App {
    /// All when absent.
    pub modules: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct Webrtc {
    /// `127.0.0.1:8555`, or `:8555` for all addresses.
    pub listen: String,
}

impl Default for Webrtc {
    fn default() -> Self {
        Self { listen: ":8555".to_owned() }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct Api {
    pub listen: String,
    pub unix_listen: String,
    pub username: String,
    pub password: String,
    pub local_auth: bool,
    /// All when absent.
    pub allow_paths: Option<Vec<String>>,
}

impl Default for Api {
    fn default() -> Self {
        Self {
            listen: ":1984".to_owned(),
            unix_listen: String::new(),
            username: String::new(),
            password: String::new(),
            local_auth: false,
            allow_paths: None,
        }
    }
}

impl Config {
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let config: Self = serde_saphyr::from_str(text).context("read the configuration")?;
        anyhow::ensure!(config.has("api"), "without the module api there is nothing to do");
        Ok(config)
    }

    /// Whether a module is loaded.
    pub(super) fn has(&self, module: &str) -> bool {
        self.app.modules.as_ref().is_none_or(|modules| modules.iter().any(|name| name == module))
    }

    /// Whether a path is served.
    pub(super) fn allows(&self, path: &str) -> bool {
        self.api.allow_paths.as_ref().is_none_or(|paths| paths.iter().any(|known| known == path))
    }
}
