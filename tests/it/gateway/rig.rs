//! One running gateway with its client, and questions past that client.

use std::net::Ipv4Addr;
use std::time::Duration;

use camserver::model::gateway::{Agent, Owner, StreamName, StreamView};
use camserver::model::lease::Quality;
use camserver::model::names::{CameraName, SubnetName};
use camserver::world::gateway::api::GatewayApi;
use camserver::world::gateway::config::{Offers, Prepared, prepare};
use camserver::world::gateway::instance::Instance;
use camserver::world::gateway::live::{Live, Opening, Piece};
use camserver::world::gateway::source::GatewaySource;
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use url::Url;

use super::target::{Target, targets};

/// Longest wait for anything.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// Waits until something holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// Runs a test on each program that is here.
pub(crate) async fn on_each(test: impl AsyncFn(Rig)) {
    for target in targets() {
        println!("ON: {target:?}");
        test(Rig::start(target, |_| {}).await).await;
    }
}

pub(crate) struct Rig {
    pub(crate) target: Target,
    pub(crate) directory: TempDir,
    pub(crate) prepared: Prepared,
    pub(crate) instance: Instance,
    pub(crate) api: GatewayApi,
    tasks: JoinSet<()>,
}

impl Rig {
    /// Starts the program with the generated configuration, changed by `change`.
    pub(crate) async fn start(target: Target, change: impl FnOnce(&mut Value)) -> Self {
        Self::offering(target, Offers::default(), change).await
    }

    /// The same with more than MSE.
    pub(crate) async fn offering(
        target: Target,
        offers: Offers,
        change: impl FnOnce(&mut Value),
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let subnet = SubnetName::parse("shop").unwrap();
        let prepared = prepare(directory.path(), &subnet, offers).unwrap();
        let text = std::fs::read_to_string(&prepared.config).unwrap();
        let mut config: Value = serde_json::from_str(&text).unwrap();
        change(&mut config);
        std::fs::write(&prepared.config, config.to_string()).unwrap();
        let (api, task) = GatewayApi::new(prepared.endpoint.clone());
        let program = target.program();
        let (instance, log) = Instance::start(&target, &program, &prepared, &subnet).await.unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(log);
        tasks.spawn(task.run());
        until("it answers", async || api.version().await.is_ok()).await;
        Self { target, directory, prepared, instance, api, tasks }
    }

    /// The same program again, in the same directory, as after a restart.
    pub(crate) async fn again(self) -> Self {
        let Self { target, directory, mut tasks, .. } = self;
        tasks.shutdown().await;
        let subnet = SubnetName::parse("shop").unwrap();
        let prepared = prepare(directory.path(), &subnet, Offers::default()).unwrap();
        let (api, task) = GatewayApi::new(prepared.endpoint.clone());
        let program = target.program();
        let (instance, log) = Instance::start(&target, &program, &prepared, &subnet).await.unwrap();
        tasks.spawn(log);
        tasks.spawn(task.run());
        until("it answers", async || api.version().await.is_ok()).await;
        Self { target, directory, prepared, instance, api, tasks }
    }

    pub(crate) async fn stop(self) {
        self.instance.stop().await;
    }

    /// A question past the client, with or without credentials; status and body.
    pub(crate) async fn raw(
        &self,
        method: &str,
        path: &str,
        query: &[(&str, &str)],
        with_credentials: bool,
    ) -> reqwest::Result<(u16, Vec<u8>)> {
        let text = std::fs::read_to_string(&self.prepared.config).unwrap();
        // PUT may have added to the file.
        let config: Value = serde_saphyr::from_str(&text).unwrap();
        let word = |name: &str| config["api"][name].as_str().unwrap().to_owned();
        let client = reqwest::Client::builder()
            .unix_socket(self.prepared.directory.join("api.sock"))
            .timeout(Duration::from_secs(3))
            .build()?;
        let url = format!("http://{}{path}", Ipv4Addr::LOCALHOST);
        let mut request = client.request(method.parse().unwrap(), url).query(query);
        if with_credentials {
            request = request.basic_auth(word("username"), Some(word("password")));
        }
        let response = request.send().await?;
        Ok((response.status().as_u16(), response.bytes().await?.to_vec()))
    }

    pub(crate) async fn stream(&self, name: &str) -> Option<StreamView> {
        let streams = self.api.streams().await.unwrap();
        streams.into_iter().find(|stream| &*stream.name == name)
    }

    /// Registers a camera's stream.
    pub(crate) async fn put(&self, camera: &str, url: &Url) -> StreamName {
        let name = name(camera);
        let source = GatewaySource::new(url).unwrap();
        self.api.put_stream(name.clone(), source).await.unwrap();
        name
    }

    /// Attaches a consumer.
    pub(crate) async fn open(&self, name: &StreamName, agent: &Agent) -> Live {
        let opening = Opening { name, agent, silence: LIMIT };
        Live::open(&self.api, opening).await.unwrap()
    }

    /// Attaches a consumer and waits for its first fragment.
    pub(crate) async fn watch(&self, name: &StreamName, agent: &Agent) -> Live {
        let mut live = self.open(name, agent).await;
        let first = live.next().await.unwrap();
        assert!(matches!(first, Piece::Start { .. }), "{first:?}");
        let second = live.next().await.unwrap();
        assert!(matches!(second, Piece::Fragment { is_key: true, .. }), "{second:?}");
        live
    }
}

pub(crate) fn name(camera: &str) -> StreamName {
    Owner::of("installation").stream(&CameraName::parse(camera).unwrap(), Quality::Sub, 0)
}

pub(crate) fn agent(number: u64) -> Agent {
    Agent::of_capture("run", number)
}
