//! What the loop would do next.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Time, View};
use crate::model::plan;
use crate::model::secret::Redactor;
use crate::model::snapshot::Snapshot;

/// What the next pass would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// When it was made.
    pub at: Time,
    /// The generation of the manifests.
    pub generation: u64,
    /// Steps, in order.
    pub actions: Vec<PlannedAction>,
    /// What is wanted but not done yet.
    pub held: Vec<HeldAction>,
    /// When time alone could change the answer.
    pub next_look: Option<Time>,
}

/// One step and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlannedAction {
    /// The step's word.
    pub kind: Cow<'static, str>,
    /// The object, as `camera/NAME`.
    pub object: String,
    /// Why.
    pub reason: String,
}

/// Something that is wanted but not done yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeldAction {
    /// The step's word.
    pub kind: Cow<'static, str>,
    /// The object, as `camera/NAME`.
    pub object: String,
    /// One CamelCase word.
    pub reason: Cow<'static, str>,
    /// One sentence.
    pub message: String,
    /// When time alone ends it.
    pub until: Option<Time>,
}

impl Plan {
    /// A plan together with the state that it was made in.
    pub fn of((plan, snapshot): &(plan::Plan, Arc<Snapshot>)) -> Self {
        let view = View { snapshot: Arc::clone(snapshot), redactor: Redactor::default() };
        view.plan(plan)
    }
}

impl View {
    /// A plan made in this state.
    pub fn plan(&self, plan: &plan::Plan) -> Plan {
        let action = |planned: &plan::Planned| PlannedAction {
            kind: planned.action.kind().into(),
            object: planned.action.object(),
            reason: self.text(&planned.reason),
        };
        Plan {
            at: self.snapshot.at.wall.into(),
            generation: self.snapshot.desired.generation,
            actions: plan.actions.iter().map(action).collect(),
            held: self.held(plan),
            next_look: plan.next_look.map(|at| self.wall(at)),
        }
    }

    /// What is held back: a set of manifests that waits for confirmation, then the plan's own.
    pub fn held(&self, plan: &plan::Plan) -> Vec<HeldAction> {
        let held = |held: &plan::Held| HeldAction {
            kind: held.kind.into(),
            object: held.object.clone(),
            reason: held.reason.into(),
            message: self.text(&held.message),
            until: held.until.map(|at| self.wall(at)),
        };
        let set = self.snapshot.config.held.as_ref().map(|set| HeldAction {
            kind: "ApplyManifests".into(),
            object: "config".to_owned(),
            reason: "RemovalGuard".into(),
            message: format!(
                "{}; to let it through: camserver confirm {}",
                set.message, set.digest
            ),
            until: None,
        });
        set.into_iter().chain(plan.held.iter().map(held)).collect()
    }
}
