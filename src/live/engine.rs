//! What a live engine does, whichever it is: hands one camera's stream to viewers.
//!
//! Engines know no users and no budget: whoever asks has been admitted. What they give is MSE, and
//! WebRTC where they can; HLS is made from MSE elsewhere.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::model::desired::Desired;
use crate::model::gateway::GatewayView;
use crate::model::lease::{LeaseId, Quality};
use crate::model::names::{CameraName, SubnetName};
use crate::model::picture::KeyPicture;
use crate::model::sdp::{Answer, Offer};
use crate::model::slot::Purpose;
use crate::model::stream::Stream;
use crate::model::time::Now;
use crate::world::camera::gate::Waiting;

/// One more viewer of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// On which lease.
    pub lease: LeaseId,
    /// What.
    pub camera: CameraName,
    /// Which of its streams.
    pub quality: Quality,
    /// `Modal` or `Suggest`: what its slot is taken for.
    pub purpose: Purpose,
    /// What the browser can decode, as it names it (`avc1.640028`, `hvc1.1.6.L93.B0`,
    /// `mp4a.40.2`); empty when it did not say.
    pub codecs: Vec<Arc<str>>,
}

/// What a viewer is sent, in this order: `Start` once, then `Fragment`s. A new `Start` begins
/// anew, after the camera changed its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Media {
    /// The MIME type with codecs for `MediaSource`, and the initialisation segment.
    Start {
        /// `video/mp4; codecs="avc1.640028"`.
        mime: Arc<str>,
        /// `ftyp` and `moov`.
        init: Bytes,
    },
    /// One `moof` and `mdat`.
    Fragment(Bytes),
}

/// Why a view ended, or never began.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ViewEnd {
    /// The camera's connections are taken by others.
    #[error("no connection to the camera is free: {0}")]
    NoSlot(String),
    /// The browser cannot play what the camera sends.
    #[error("the browser cannot play {0}")]
    Codec(String),
    /// The camera failed and did not come back in time.
    #[error("the camera does not deliver: {0}")]
    Camera(String),
    /// The viewer does not keep up.
    #[error("the viewer does not keep up")]
    Slow,
    /// The camera or this stream of it is no longer declared.
    #[error("the camera is no longer declared")]
    Removed,
    /// The engine failed or was restarted.
    #[error("the live engine failed: {0}")]
    Engine(String),
}

/// One viewer. Dropping it ends the view.
pub trait Viewer: Send + std::fmt::Debug {
    /// The next piece of media. May be dropped at any point and called again.
    ///
    /// A viewer that asks too seldom loses whole groups of pictures: the next piece it gets is the
    /// start of one, and its decode time lies ahead of the end of the piece before.
    fn next(&mut self) -> Waiting<'_, Result<Media, ViewEnd>>;
}

/// What may be had beside MSE.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Offers {
    /// WebRTC.
    pub webrtc: bool,
    /// HLS.
    pub hls: bool,
}

/// One viewer whose media does not come through this server. Dropping it ends the view: the camera's
/// session too, when nobody else has a right to it.
pub trait Peer: Send + Sync + std::fmt::Debug {
    /// Waits until it has ended by itself; says why. May be dropped at any point and called again.
    fn ended(&self) -> Waiting<'_, ViewEnd>;
}

/// The answer to a browser's offer, and the viewer that it makes.
pub type Negotiated = Result<(Answer, Box<dyn Peer>), ViewEnd>;

/// Hands cameras' streams to viewers.
pub trait Engine: Send + Sync + std::fmt::Debug {
    /// Attaches one more viewer; opens the camera when it is the first.
    ///
    /// It waits for no camera: what becomes of opening it is told by [`Viewer::next`].
    fn watch(&self, watch: Watch) -> Waiting<'_, Result<Box<dyn Viewer>, ViewEnd>>;

    /// What may be had of a camera beside MSE.
    fn offers(&self, _camera: &CameraName) -> Offers {
        Offers::default()
    }

    /// Attaches one more viewer, over WebRTC; opens the camera when it is the first.
    ///
    /// Waits for the camera, since the answer depends on what it sends.
    fn negotiate(&self, _watch: Watch, _offer: Offer) -> Waiting<'_, Negotiated> {
        Box::pin(async { Err(ViewEnd::Engine("it has no WebRTC".to_owned())) })
    }

    /// Takes other manifests in: views of what is no longer declared end, sessions with other
    /// settings are opened anew, those of cameras that are `alwaysOn` are opened.
    ///
    /// Called within the runtime.
    fn apply(&self, desired: &Desired);

    /// What it has and what is wanted of it.
    fn streams(&self) -> Vec<Stream>;

    /// The gateways that it starts, by their subnet; none where it opens cameras itself.
    fn gateways(&self) -> BTreeMap<SubnetName, GatewayView> {
        BTreeMap::new()
    }

    /// Waits until what [`Engine::gateways`] tells has changed. For one waiter, who may leave and
    /// come back.
    fn gateways_changed(&self) -> Waiting<'_, ()> {
        Box::pin(std::future::pending())
    }

    /// The latest key picture of a session that it holds of the camera, whichever stream, or the
    /// next one within `patience` when that is older than `not_before`. `None` when it holds no
    /// session of this camera.
    fn key_picture<'a>(
        &'a self,
        camera: &'a CameraName,
        not_before: Now,
        patience: Duration,
    ) -> Waiting<'a, Option<Result<(KeyPicture, Now), ViewEnd>>>;

    /// Ends everything in order, within the patience that SIGTERM allows (two seconds).
    fn shut_down(&self) -> Waiting<'_, ()>;
}
