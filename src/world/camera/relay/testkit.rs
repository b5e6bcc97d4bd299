//! What the tests of several files of the relay begin with.

use crate::model::desired::Transport;
use crate::model::secret::{Secret, SourceUrl};
use crate::world::camera::request::Source;
use crate::world::camera::rtsp::auth::Login;

/// A source on the device 10.0.0.5, with the user `admin` where there is a password.
pub(super) fn source(url: &str, password: Option<&str>) -> Source {
    Source {
        url: SourceUrl::new(url.parse().unwrap()),
        device: ([10, 0, 0, 5], 554).into(),
        login: password.map(|text| Login { user: "admin".into(), password: Secret::new(text) }),
        transport: Transport::Tcp,
    }
}
