//! Live views, counted for as long as they are received.

use prometheus_client::metrics::gauge::Gauge;

/// One live view that is received.
#[derive(Debug)]
pub struct LiveViewer(Gauge);

impl LiveViewer {
    pub(super) fn new(count: &Gauge) -> Self {
        count.inc();
        Self(count.clone())
    }
}

impl Drop for LiveViewer {
    fn drop(&mut self) {
        self.0.dec();
    }
}
