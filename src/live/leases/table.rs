//! Leases in force, and those that ended lately: a state without clock and without anybody to
//! tell.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::model::lease::{EndReason, EndedLease, Lease, LeaseId, ViewKind};
use crate::model::server::AdmissionSpec;
use crate::model::time::{Mono, Now};

/// Ended leases that are remembered at most.
const ENDED_MAX: usize = 1000;
/// And for how long.
pub(super) const ENDED_FOR: Duration = Duration::from_hours(1);

/// Why a lease cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LeaseError {
    /// There is none of this name, or it ended long ago.
    #[error("there is no such lease")]
    Unknown,
    /// It is somebody else's.
    #[error("the lease is somebody else's")]
    NotYours,
    /// It ended.
    #[error("the lease has ended: {}", .0.as_str())]
    Ended(EndReason),
}

/// The leases.
#[derive(Debug, Default)]
pub(super) struct LeaseTable {
    live: BTreeMap<LeaseId, Lease>,
    ended: VecDeque<EndedLease>,
}

/// When a lease that is granted or renewed at `now` ends.
pub(super) fn expiry(kind: ViewKind, spec: &AdmissionSpec, now: Mono) -> Mono {
    now.plus(match kind {
        ViewKind::Modal => spec.lease_ttl,
        ViewKind::Suggest => spec.grace,
    })
}

impl LeaseTable {
    /// Those in force, in no special order.
    pub(super) fn leases(&self) -> impl Iterator<Item = &Lease> {
        self.live.values()
    }

    pub(super) fn insert(&mut self, lease: Lease) {
        self.live.insert(lease.id.clone(), lease);
    }

    /// The lease, where it is in force and this user's.
    pub(super) fn get(&self, id: &LeaseId, user: &str) -> Result<&Lease, LeaseError> {
        let lease = match self.live.get(id) {
            Some(lease) => Ok(lease),
            None => Err(self.ended(id).ok_or(LeaseError::Unknown)?),
        };
        let owner = lease.map_or_else(|ended| &ended.lease.user, |lease| &lease.user);
        if **owner != *user {
            return Err(LeaseError::NotYours);
        }
        lease.map_err(|ended| LeaseError::Ended(ended.reason))
    }

    /// The lease in force with this short name.
    pub(super) fn by_short(&self, short: &str) -> Result<LeaseId, LeaseError> {
        if let Some(lease) = self.live.values().find(|lease| lease.id.short() == short) {
            return Ok(lease.id.clone());
        }
        let ended = self.ended.iter().rev().find(|ended| ended.lease.id.short() == short);
        Err(ended.map_or(LeaseError::Unknown, |ended| LeaseError::Ended(ended.reason)))
    }

    /// As it is, or as it was.
    pub(super) fn any(&self, id: &LeaseId) -> Option<(&Lease, Option<(Now, EndReason)>)> {
        let live = self.live.get(id).map(|lease| (lease, None));
        live.or_else(|| self.ended(id).map(|ended| (&ended.lease, Some((ended.at, ended.reason)))))
    }

    fn ended(&self, id: &LeaseId) -> Option<&EndedLease> {
        self.ended.iter().rev().find(|ended| ended.lease.id == *id)
    }

    /// Takes a sign of life, and where wanted the wish to go on.
    pub(super) fn touch(
        &mut self,
        id: &LeaseId,
        spec: &AdmissionSpec,
        now: Mono,
        renew: bool,
    ) -> Option<Lease> {
        let lease = self.live.get_mut(id)?;
        lease.heartbeat = now;
        if renew || lease.kind == ViewKind::Suggest {
            lease.expires = expiry(lease.kind, spec, now);
        }
        Some(lease.clone())
    }

    /// A socket is open on it, or no longer.
    pub(super) fn watched(&mut self, id: &LeaseId, watched: bool) -> Option<Lease> {
        let lease = self.live.get_mut(id)?;
        lease.watched = watched;
        Some(lease.clone())
    }

    pub(super) fn end(&mut self, id: &LeaseId, reason: EndReason, now: Now) -> Option<EndedLease> {
        let lease = Lease { watched: false, ..self.live.remove(id)? };
        let ended = EndedLease { lease, reason, at: now };
        self.remember(ended.clone());
        Some(ended)
    }

    /// Remembers an end, and forgets the oldest ones.
    pub(super) fn remember(&mut self, ended: EndedLease) {
        let now = ended.at.mono;
        self.ended.push_back(ended);
        while self.ended.len() > ENDED_MAX
            || self.ended.front().is_some_and(|old| now.since(old.at.mono) > ENDED_FOR)
        {
            self.ended.pop_front();
        }
    }
}
