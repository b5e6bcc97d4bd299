//! The handlers of `/api/v1`, one file for each kind of object.

use axum::http::{HeaderMap, header};

pub(super) mod cameras;
pub(super) mod config;
pub(super) mod connections;
pub(super) mod events;
pub(super) mod frames;
pub(super) mod gateways;
pub(super) mod leases;
pub(super) mod live;
pub(super) mod plan;
pub(super) mod processes;
pub(super) mod status;
pub(super) mod subnets;
pub(super) mod sweeps;

/// Whether the client has what this tag names (`If-None-Match`, RFC 9110 section 13.1.2).
pub(super) fn matches_etag(headers: &HeaderMap, etag: &str) -> bool {
    let strong = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let lists = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|v| v.to_str().ok());
    lists
        .flat_map(|list| list.split(','))
        .any(|tag| tag.trim() == "*" || strong(tag) == strong(etag))
}
