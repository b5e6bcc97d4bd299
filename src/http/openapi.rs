//! The description of the API, generated from the handlers and wire types.

use axum::Json;
use utoipa::OpenApi;
use utoipa::openapi::RefOr;

use super::api::{
    cameras, config, connections, events, frames, gateways, leases, live, plan, processes, status,
    subnets, sweeps,
};
use super::problem::MEDIA_TYPE;
use super::{probes, push};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "camserver",
        description = "A declarative, self-healing camera server. Errors are RFC 9457 problem \
            documents (application/problem+json) with a stable code. Times are RFC 3339 in UTC."
    ),
    paths(
        cameras::list,
        cameras::one,
        cameras::history,
        frames::snapshot,
        frames::camera_thumbnail,
        frames::image,
        frames::thumbnail,
        subnets::list,
        subnets::one,
        subnets::sweep,
        sweeps::list,
        sweeps::one,
        events::list,
        events::one,
        processes::list,
        connections::connections,
        leases::list,
        leases::revoke,
        leases::request,
        leases::release,
        leases::heartbeat,
        leases::renew,
        leases::request_suggest,
        leases::release_suggest,
        leases::heartbeat_suggest,
        live::streams,
        gateways::list,
        config::config,
        config::confirm,
        plan::plan,
        status::status,
        openapi,
        push::upgrade,
        live::upgrade,
        live::playlist,
        live::segment,
        probes::metrics,
        probes::healthz,
        probes::readyz,
    )
)]
struct Api;

/// This description.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "server",
    responses((status = 200, description = "OpenAPI 3", content_type = "application/json")))]
pub(super) async fn openapi() -> Json<utoipa::openapi::OpenApi> {
    Json(description())
}

/// The description itself; errors are declared as what they are, problem documents.
pub(super) fn description() -> utoipa::openapi::OpenApi {
    let mut description = Api::openapi();
    for item in description.paths.paths.values_mut() {
        for operation in [&mut item.get, &mut item.post, &mut item.delete].into_iter().flatten() {
            for (status, response) in &mut operation.responses.responses {
                if let RefOr::T(response) = response
                    && status.starts_with(['4', '5'])
                    && let Some(body) = response.content.shift_remove("application/json")
                {
                    response.content.insert(MEDIA_TYPE.to_owned(), body);
                }
            }
        }
    }
    description
}
