//! A fleet of simulated cameras; see the library.

use clap::Parser as _;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    camserver_chaos::run(camserver_chaos::Arguments::parse()).await
}
