//! One process of go2rtc: started, its log taken in, ended.
//!
//! It starts no process by itself and adopts none: whoever starts children is behind [`Launch`].
//! It never restarts; `plan::gateway` says when.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::Path;

use futures::future::BoxFuture;
use tokio::io::AsyncRead;

use super::config::Prepared;
use super::log;
use crate::model::gateway::RunEnd;
use crate::model::names::SubnetName;

/// Starts children: marked, bounded, ended with this server.
pub trait Launch: Send + Sync + fmt::Debug {
    /// Starts a program for the gateway of a subnet; its standard output is piped.
    fn launch<'a>(
        &'a self,
        subnet: &'a SubnetName,
        program: &'a Path,
        arguments: Vec<OsString>,
    ) -> BoxFuture<'a, io::Result<Box<dyn Running>>>;
}

/// How a child ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// For people: a fragment of a sentence.
    pub how: String,
    /// By whose doing.
    pub end: RunEnd,
}

/// A child. Dropped, it is ended.
pub trait Running: Send + Sync + fmt::Debug {
    /// Its number.
    fn pid(&self) -> u32;
    /// Its standard output, once.
    fn output(&mut self) -> Option<Box<dyn AsyncRead + Send + Unpin>>;
    /// Waits until it has ended; says how. May be dropped and called again.
    fn ended(&mut self) -> BoxFuture<'_, Ended>;
    /// Ends it: asked first, then killed; returns when it is gone.
    fn stop(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// A running go2rtc.
#[derive(Debug)]
pub struct Instance {
    child: Box<dyn Running>,
}

impl Instance {
    /// Starts the program with its configuration. `log` has to be run by the owner until it ends,
    /// or the program blocks on a full pipe.
    pub async fn start(
        launch: &dyn Launch,
        program: &Path,
        prepared: &Prepared,
        subnet: &SubnetName,
    ) -> io::Result<(Self, BoxFuture<'static, ()>)> {
        let arguments = vec!["-c".into(), prepared.config.clone().into_os_string()];
        let mut child = launch.launch(subnet, program, arguments).await?;
        let output = child.output();
        let gateway = subnet.clone();
        let log = async move {
            if let Some(output) = output {
                log::forward(output, gateway.as_str()).await;
            }
        };
        Ok((Self { child }, Box::pin(log)))
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Waits until it has ended; says how.
    pub async fn ended(&mut self) -> Ended {
        self.child.ended().await
    }

    /// Ends it and waits until it is gone.
    pub async fn stop(self) {
        self.child.stop().await;
    }
}
