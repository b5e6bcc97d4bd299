//! The two programs, and how tests start them.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use camserver::model::gateway::RunEnd;
use camserver::model::names::SubnetName;
use camserver::world::gateway::instance::{Ended, Launch, Running};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::io::AsyncRead;
use tokio::process::{Child, Command};

/// Names the configuration to the stand-in.
const CONFIG: &str = "GO2RTC_DOUBLE_CONFIG";

/// A program that speaks go2rtc's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Double,
    Real(PathBuf),
}

/// Those that are here; says aloud which.
pub(crate) fn targets() -> Vec<Target> {
    let named = env::var_os("GO2RTC").map(PathBuf::from);
    let on_path = || {
        let path = env::var_os("PATH")?;
        env::split_paths(&path).map(|folder| folder.join("go2rtc")).find(|file| file.is_file())
    };
    if let Some(real) = named.or_else(on_path) {
        println!("TARGETS: the stand-in and {}", real.display());
        vec![Target::Double, Target::Real(real)]
    } else {
        println!("TARGETS: the stand-in; SKIPPED: go2rtc is not on the PATH and not in GO2RTC");
        vec![Target::Double]
    }
}

impl Target {
    pub(crate) fn program(&self) -> PathBuf {
        match self {
            Self::Double => env::current_exe().unwrap(),
            Self::Real(program) => program.clone(),
        }
    }
}

impl Launch for Target {
    #[expect(clippy::disallowed_methods, reason = "a test starts the program that it is about")]
    fn launch<'a>(
        &'a self,
        _: &'a SubnetName,
        program: &'a Path,
        arguments: Vec<OsString>,
    ) -> BoxFuture<'a, io::Result<Box<dyn Running>>> {
        let mut command = Command::new(program);
        match self {
            Self::Double => {
                let name = "gateway::target::the_stand_in_itself";
                command.args(["--exact", name, "--ignored", "--nocapture"]);
                command.env(CONFIG, &arguments[1]);
            }
            Self::Real(_) => {
                command.args(arguments);
            }
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn();
        let running = |child| Box::new(Started(child)) as Box<dyn Running>;
        async move { child.map(running) }.boxed()
    }
}

#[derive(Debug)]
struct Started(Child);

impl Running for Started {
    fn pid(&self) -> u32 {
        self.0.id().unwrap_or(0)
    }

    fn output(&mut self) -> Option<Box<dyn AsyncRead + Send + Unpin>> {
        Some(Box::new(self.0.stdout.take()?))
    }

    fn ended(&mut self) -> BoxFuture<'_, Ended> {
        async {
            let status = self.0.wait().await.unwrap();
            let end = match (status.success(), status.signal()) {
                (true, _) => RunEnd::Left,
                (false, Some(_)) => RunEnd::Killed,
                (false, None) => RunEnd::ByItself,
            };
            Ended { how: status.to_string(), end }
        }
        .boxed()
    }

    fn stop(mut self: Box<Self>) -> BoxFuture<'static, ()> {
        async move { self.0.kill().await.unwrap() }.boxed()
    }
}

#[tokio::test]
#[ignore = "not a test: the process that tests of the gateway start"]
async fn the_stand_in_itself() {
    if let Some(config) = env::var_os(CONFIG) {
        camserver_chaos::gateway::run(Path::new(&config)).await.unwrap();
    }
}
