//! A gateway that is there: a process that this server started, or one that somebody else runs.
//!
//! It decides nothing: when it begins and ends is the gateway's task's business.

use std::path::PathBuf;

use tokio::task::JoinSet;
use tokio::time::{Duration, sleep, timeout};
use url::{Host, Url};

use crate::model::gateway::{Owner, StreamName};
use crate::model::names::SubnetName;
use crate::world::camera::sharing::Reach;
use crate::world::gateway::api::GatewayApi;
use crate::world::gateway::config::{Offers, prepare};
use crate::world::gateway::endpoint::Endpoint;
use crate::world::gateway::error::GatewayError;
use crate::world::gateway::instance::{Ended, Instance, Launch};

/// For an external gateway to forget the streams of ours when this server leaves it.
const FAREWELL: Duration = Duration::from_millis(1500);
/// Between two attempts at that.
const ONCE_MORE: Duration = Duration::from_millis(100);

/// What a gateway is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum How {
    /// A process of ours.
    Managed {
        /// The program.
        program: PathBuf,
        /// Where it has its files.
        data_dir: PathBuf,
        /// What it offers beyond MSE.
        offers: Offers,
    },
    /// Somebody else's, at this URL: neither started nor ended here.
    External(Url),
}

impl How {
    /// How it gets to cameras. One that is reached over loopback reaches the relay the same way.
    pub(super) fn reach(&self) -> Reach {
        let url = match self {
            Self::Managed { .. } => return Reach::Relay,
            Self::External(url) => url,
        };
        let is_here = match url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
            Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
            None => false,
        };
        if is_here { Reach::Relay } else { Reach::Itself }
    }

    /// Where a subnet's gateway stands among all: somebody else's is one for all subnets.
    pub(super) fn place(&self, subnet: &SubnetName) -> SubnetName {
        match self {
            Self::Managed { .. } => subnet.clone(),
            Self::External(_) => SubnetName::parse("external").unwrap_or_else(|_| subnet.clone()),
        }
    }

    /// Whether a gateway that is so goes on, with all of its streams, when it is declared as `other`:
    /// one of ours does, with another process where it has to.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self == other || !(self.is_external() || other.is_external())
    }

    /// What it offers beyond MSE. Of somebody else's nothing is known.
    pub(super) fn offers(&self) -> Offers {
        match self {
            Self::Managed { offers, .. } => *offers,
            Self::External(_) => Offers::default(),
        }
    }

    /// The same with other offers, where they are ours to make.
    pub(super) fn offering(self, offers: Offers) -> Self {
        match self {
            Self::Managed { program, data_dir, .. } => Self::Managed { program, data_dir, offers },
            Self::External(url) => Self::External(url),
        }
    }

    pub(super) fn is_external(&self) -> bool {
        matches!(self, Self::External(_))
    }
}

/// A gateway with its tasks.
#[derive(Debug)]
pub(super) struct Attached {
    /// `None` for somebody else's.
    instance: Option<Instance>,
    pub(super) api: GatewayApi,
    _tasks: JoinSet<()>,
}

impl Attached {
    /// Starts the process, or makes a client for one that runs elsewhere.
    pub(super) async fn begin(
        how: &How,
        launch: &dyn Launch,
        subnet: &SubnetName,
    ) -> Result<Self, GatewayError> {
        let mut tasks = JoinSet::new();
        let (instance, endpoint) = match how {
            How::External(url) => (None, Endpoint::external(url)?),
            How::Managed { program, data_dir, offers } => {
                let prepared = prepare(data_dir, subnet, *offers)?;
                let started = Instance::start(launch, program, &prepared, subnet).await;
                let (instance, log) = started.map_err(|source| {
                    let path = program.display().to_string();
                    GatewayError::Prepare { path, source }
                })?;
                tracing::info!(gateway = %subnet, pid = instance.pid(), "the gateway was started");
                tasks.spawn(log);
                (Some(instance), prepared.endpoint)
            }
        };
        let (api, task) = GatewayApi::new(endpoint);
        tasks.spawn(task.run());
        Ok(Self { instance, api, _tasks: tasks })
    }

    /// The process; `None` of somebody else's.
    pub(super) fn pid(&self) -> Option<u32> {
        self.instance.as_ref().map(Instance::pid)
    }

    /// Waits until the process has ended; for ever where it is not ours.
    pub(super) async fn ended(&mut self) -> Ended {
        match &mut self.instance {
            Some(instance) => instance.ended().await,
            None => std::future::pending().await,
        }
    }

    /// Ends the process; leaves somebody else's without streams of ours. Says whether none of them
    /// is left.
    pub(super) async fn end(self, owner: &Owner) -> bool {
        match self.instance {
            Some(instance) => {
                instance.stop().await;
                true
            }
            None => timeout(FAREWELL, forget_all(&self.api, owner)).await.unwrap_or(false),
        }
    }
}

/// Removes every stream of ours, as soon as its consumers have left.
async fn forget_all(api: &GatewayApi, owner: &Owner) -> bool {
    while let Ok(listed) = api.streams().await {
        let ours = listed.iter().filter_map(|stream| owner.parse(&stream.name));
        let ours: Vec<StreamName> = ours.collect();
        if ours.is_empty() {
            return true;
        }
        for name in ours {
            if let Err(error) = api.remove_stream(name).await {
                tracing::debug!(%error, "a stream is still in use");
            }
        }
        sleep(ONCE_MORE).await;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_gateway_on_this_host_is_given_the_relay() {
        let reach = |url: &str| How::External(url.parse().unwrap()).reach();
        for url in
            ["http://127.0.0.1:1984", "http://127.9.0.1/x", "http://[::1]:1", "http://LocalHost"]
        {
            assert_eq!(reach(url), Reach::Relay, "{url}");
        }
        for url in ["http://10.0.0.9:1984", "https://gw.example", "http://localhost.example"] {
            assert_eq!(reach(url), Reach::Itself, "{url}");
        }
    }
}
