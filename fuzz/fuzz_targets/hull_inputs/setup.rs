//! Who the nodes are, what they take part in at first, and how they are tuned.

use raft_core::checksum::crc32c;
use raft_core::configuration::{Configuration, Member, MemberRole};
use raft_core::hull::Setup;
use raft_core::ids::{Incarnation, NodeId, Peer};
use raft_core::settings::{Lease, Settings, SnapshotPolicy};

use crate::act::{Part, Plan};

/// Who there is: the part of each node, by its id less one. Not all of them need be hulls.
#[derive(Clone, Debug)]
pub(crate) struct Cast {
    parts: Vec<Part>,
    /// How many are hulls.
    pub(crate) hulls: u64,
}

impl Cast {
    pub(crate) fn of(plan: &Plan) -> Self {
        let hulls = plan.several.map_or(1, |several| 3 + several % 3);
        let mut parts = plan.parts.map_or([Part::Voter; 5], |parts| parts);
        // A hull alone still has others to wait for, unless it is the only voter.
        let is_only = hulls == 1 && plan.unusual & 128 != 0;
        let count = match hulls {
            1 if is_only => 1,
            1 => 3,
            several => usize::from(several),
        };
        // Somebody must be able to lead, and it is the first unless that one is alone with what is made up.
        let leads = if hulls == 1 && !is_only { 1 } else { 0 };
        parts[leads] = Part::Voter;
        let parts = parts.into_iter().take(count).collect();
        Self {
            parts: few_witnesses(parts),
            hulls: hulls.into(),
        }
    }

    /// The cluster as it is founded.
    pub(crate) fn founding(&self) -> Configuration {
        let ids = (1..).zip(&self.parts);
        Configuration::new(ids.filter_map(|(id, part)| {
            let role = match part {
                Part::Voter => MemberRole::Voter,
                Part::Learner => MemberRole::Learner,
                Part::Witness => MemberRole::Witness,
                Part::Outsider | Part::WitnessOutside => return None,
            };
            Some((NodeId::new(id), member(id, role)))
        }))
    }

    /// Whether a node is a witness, or would be one.
    pub(crate) fn is_witness(&self, id: u64) -> bool {
        let part = id.checked_sub(1).and_then(|at| self.parts.get(at as usize));
        part.is_some_and(|part| matches!(part, Part::Witness | Part::WitnessOutside))
    }

    pub(crate) fn setup(&self, id: u64, plan: &Plan) -> Setup {
        Setup {
            me: peer(id),
            founding: self.founding(),
            settings: settings(plan).into(),
            seed: id,
            checksum: crc32c,
            witness: self.is_witness(id),
        }
    }

    /// What a node is asked to take part in: mostly what it can.
    pub(crate) fn wanted(&self, id: u8, role: u8) -> (NodeId, Member) {
        let id = u64::from(id % 6) + 1;
        let roles = [MemberRole::Voter, MemberRole::Learner, MemberRole::Witness];
        let role = match roles[usize::from(role) % 3] {
            any if role >= 192 => any,
            _ if self.is_witness(id) => MemberRole::Witness,
            MemberRole::Witness => MemberRole::Voter,
            full => full,
        };
        (NodeId::new(id), member(id, role))
    }

    /// All nodes, each taking part in all that it can.
    pub(crate) fn everybody(&self) -> impl Iterator<Item = (NodeId, Member)> {
        (1..=self.hulls).map(|id| {
            let role = match self.is_witness(id) {
                true => MemberRole::Witness,
                false => MemberRole::Voter,
            };
            (NodeId::new(id), member(id, role))
        })
    }
}

pub(crate) fn peer(id: u64) -> Peer {
    Peer::new(NodeId::new(id), Incarnation::new(u128::from(id) * 1000))
}

fn member(id: u64, role: MemberRole) -> Member {
    let incarnation = peer(id).incarnation;
    Member {
        role,
        // The third is preferred to others, so that leaders hand over.
        priority: if id == 3 { 200 } else { 128 },
        ..Member::voter(incarnation)
    }
}

/// Makes voters of the witnesses that a founding would refuse.
fn few_witnesses(mut parts: Vec<Part>) -> Vec<Part> {
    let count = |parts: &[Part], part| parts.iter().filter(|other| **other == part).count();
    while count(&parts, Part::Witness) >= count(&parts, Part::Voter) {
        let surplus = parts.iter().rposition(|part| *part == Part::Witness);
        let Some(surplus) = surplus else { break };
        parts[surplus] = Part::Voter;
    }
    parts
}

fn settings(plan: &Plan) -> Settings {
    let mut settings = Settings {
        pre_vote: plan.pre_vote,
        check_quorum: plan.pre_vote,
        ..Settings::default()
    };
    let unusual = |bit: u8| plan.unusual & (1 << bit) != 0;
    if unusual(0) {
        settings.max_writes_in_flight = 1;
    }
    if unusual(1) {
        settings.max_appends_in_flight = 1;
    }
    if unusual(2) {
        settings.max_append_bytes = 100;
    }
    if unusual(3) {
        settings.max_bytes_in_flight = settings.max_append_bytes;
    }
    if unusual(4) {
        settings.max_cached_bytes = 0;
    }
    if unusual(5) {
        settings.max_applying_bytes = 100;
    }
    if unusual(6) {
        settings.max_payload_bytes = 256;
        settings.max_uncommitted_bytes = 256;
    }
    if unusual(8) {
        settings.snapshots = Some(SnapshotPolicy {
            after_entries: 3,
            after_bytes: 100,
        });
    }
    if unusual(9) {
        settings.snapshot_margin = 0;
    }
    if unusual(10) {
        settings.catch_up_timeout = settings.election_timeout;
        settings.max_pending_reads = 2;
    }
    if unusual(11) && plan.pre_vote {
        settings.quiescent_after = Some(settings.election_timeout);
    }
    settings.lease = has_lease(plan).then_some(Lease {
        duration: settings.election_timeout,
        max_drift_per_mille: 100,
    });
    settings
}

/// Whether reads are answered on the strength of clocks, which then must go alike.
pub(crate) fn has_lease(plan: &Plan) -> bool {
    plan.pre_vote && plan.unusual & 1 << 12 != 0
}
