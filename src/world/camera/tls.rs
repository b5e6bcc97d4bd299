//! TLS for cameras that hand out pictures over `https`.
//!
//! Certificates are checked against the trust store of this host: a camera with a certificate of
//! its own making works once its authority is installed there. There is no way to switch the
//! check off, since credentials travel inside.

use std::sync::{Arc, OnceLock};

use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, Error};
use url::Url;

/// The client side of TLS; reading the trust store is done once.
pub(super) fn connector() -> Result<TlsConnector, Error> {
    static CONFIG: OnceLock<Result<Arc<ClientConfig>, Error>> = OnceLock::new();
    let config = CONFIG.get_or_init(|| {
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_platform_verifier()?
            .with_no_client_auth();
        Ok(Arc::new(config))
    });
    config.clone().map(TlsConnector::from)
}

/// The name that the certificate has to be for.
pub(super) fn server_name(url: &Url) -> Option<ServerName<'static>> {
    let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
    ServerName::try_from(host).ok()
}
