//! The words of the command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::child::ChildArgs;
use crate::log::LogFormat;

/// Shown below `--help`.
const EXIT_CODES: &str = "Exit codes:
  0  done
  1  problems found, or the server refused
  2  wrong usage, or no valid manifests to start with
  3  the server cannot be reached
  4  no such object";

/// A declarative, self-healing camera server.
#[derive(Debug, Clone, Parser)]
#[command(name = "camserver", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// The server to ask.
    #[arg(
        long,
        global = true,
        env = "CAMSERVER_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:8080"
    )]
    pub server: String,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Run the server
    Run(RunOptions),
    /// Check manifests without applying them
    Validate(ManifestArgs),
    /// Show what the server would do next, without doing it
    Plan(PlanArgs),
    /// List objects
    Get(GetArgs),
    /// Show one object in full
    Describe(DescribeArgs),
    /// Show events
    Events(EventsArgs),
    /// Sweep a subnet now
    Sweep(SweepArgs),
    /// Let a held set of manifests through
    Confirm(ConfirmArgs),
    /// Print the JSON Schema of the manifests
    Schema,
    /// Print a completion script for a shell
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Become a program, as a child of the server
    #[command(hide = true)]
    Child(ChildArgs),
}

/// How the server is started.
#[derive(Debug, Clone, Args)]
pub struct RunOptions {
    /// Directory of the manifests.
    #[arg(short = 'f', long = "file", value_name = "DIR")]
    pub dir: PathBuf,
    /// Where to listen, instead of the manifest's `listen`.
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Where files live, instead of the manifest's `dataDir`.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The wall's files, instead of those in the program; for working on the wall.
    #[arg(long, value_name = "DIR")]
    pub ui_dir: Option<PathBuf>,
    /// What is logged, such as `info` or `camserver=debug`.
    #[arg(long, env = "CAMSERVER_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    /// How the log is written.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// Which manifests.
#[derive(Debug, Clone, Args)]
pub struct ManifestArgs {
    /// Directory of the manifests.
    #[arg(short = 'f', long = "file", value_name = "DIR")]
    pub dir: PathBuf,
}

/// Whose plan.
#[derive(Debug, Clone, Args)]
pub struct PlanArgs {
    /// Plan for these manifests on an empty world, without a server.
    #[arg(short = 'f', long = "file", value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// How it is printed.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// What is listed, and how.
#[derive(Debug, Clone, Args)]
pub struct GetArgs {
    /// What is listed.
    #[arg(value_enum)]
    pub resource: Resource,
    /// How it is printed.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
    /// Go on, and print what changes.
    #[arg(short, long)]
    pub watch: bool,
    /// Only of this subnet (cameras, sweeps).
    #[arg(long, value_name = "NAME")]
    pub subnet: Option<String>,
    /// Only of this camera (processes, connections, leases, events, streams).
    #[arg(long, value_name = "NAME")]
    pub camera: Option<String>,
    /// At most so many (sweeps and events: 50 unless given).
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
}

/// What can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Resource {
    /// Video sources.
    #[value(alias = "camera")]
    Cameras,
    /// Groups of cameras.
    #[value(alias = "subnet")]
    Subnets,
    /// Children of the server, and what others have connected to its cameras.
    #[value(alias = "process")]
    Processes,
    /// TCP connections to devices.
    #[value(alias = "connection")]
    Connections,
    /// Rights to a connection.
    #[value(alias = "lease")]
    Leases,
    /// Happenings.
    #[value(alias = "event")]
    Events,
    /// Rounds over a subnet.
    #[value(alias = "sweep")]
    Sweeps,
    /// Live streams: what the engine has of cameras, and who wants it.
    #[value(alias = "stream")]
    Streams,
    /// The go2rtc of each subnet, with the go2rtc engine.
    #[value(alias = "gateway")]
    Gateways,
}

/// How it is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people, within the width of the terminal.
    Table,
    /// With more columns.
    Wide,
    /// As the API gives it.
    Json,
    /// The same as YAML.
    Yaml,
}

/// What is shown in full.
#[derive(Debug, Clone, Args)]
pub struct DescribeArgs {
    /// What it is.
    #[arg(value_enum)]
    pub kind: DescribeKind,
    /// Its name.
    pub name: String,
}

/// What can be shown in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DescribeKind {
    /// A video source.
    Camera,
}

/// Which events.
#[derive(Debug, Clone, Args)]
pub struct EventsArgs {
    /// Go on, and print new ones as they come.
    #[arg(long)]
    pub follow: bool,
    /// Begin after this one.
    #[arg(long, value_name = "SEQ")]
    pub since: Option<u64>,
    /// Only of this camera.
    #[arg(long, value_name = "NAME")]
    pub camera: Option<String>,
    /// Only of this kind, such as `camera_lost`.
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,
    /// How they are printed; with `--follow`, JSON is one object a line.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// Which sweep.
#[derive(Debug, Clone, Args)]
pub struct SweepArgs {
    /// The subnet.
    pub subnet: String,
    /// Wait for its end, and print what became of each camera.
    #[arg(long)]
    pub wait: bool,
}

/// Which held set.
#[derive(Debug, Clone, Args)]
pub struct ConfirmArgs {
    /// Its digest; without it, what is held is shown and nothing is done.
    pub digest: Option<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_words_contradict_nothing() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_documents_the_exit_codes() {
        let help = Cli::command().render_long_help().to_string();
        assert!(help.contains("3  the server cannot be reached"), "{help}");
    }
}
