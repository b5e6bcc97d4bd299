//! The label sets of the counters. Every value is from a closed list or a route's pattern.

use prometheus_client::encoding::EncodeLabelSet;

/// Of captures.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct CaptureLabels {
    /// The way that succeeded or was tried last.
    pub(super) backend: &'static str,
    /// `Captured`, or why not.
    pub(super) reason: &'static str,
}

/// Of the duration of captures: without the reason, a histogram each would be too many series.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct LiveLabels {
    /// The way that succeeded or was tried last.
    pub(super) backend: &'static str,
    /// `ok` or `failed`.
    pub(super) result: &'static str,
}

/// Of actions.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ActionLabels {
    /// The action's word.
    pub(super) kind: &'static str,
    /// What became of it.
    pub(super) result: &'static str,
}

/// Of what has only a result.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ResultLabels {
    /// What became of it.
    pub(super) result: &'static str,
}

/// Of what has only a reason.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ReasonLabels {
    /// Why.
    pub(super) reason: &'static str,
}

/// Of what has only a kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct KindLabels {
    /// Which.
    pub(super) kind: &'static str,
}

/// Of what concerns a part of the observed world.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct PartLabels {
    /// Which.
    pub(super) part: &'static str,
}

/// Of requests.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RequestLabels {
    /// The route's pattern.
    pub(super) route: String,
    /// The method, `other` for unusual ones.
    pub(super) method: &'static str,
    /// The status of the answer.
    pub(super) status: u16,
}

/// Of the duration of requests.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RouteLabels {
    /// The route's pattern.
    pub(super) route: String,
}
