//! Which voters an answer is about, and how many of them it takes.

use raft_core::configuration::MemberRole;
use raft_core::explain::Half;
use raft_core::ids::NodeId;

use super::Seen;

/// Whether this half is one of the configuration's, it takes so many of it, and those listed are of it
/// and too few.
pub(super) fn is_so(seen: &Seen<'_>, half: &Half, needed: usize, listed: &[NodeId]) -> bool {
    let configuration = seen.hull.configuration();
    let voters = half.voters();
    let joint = configuration.is_joint();
    let mut halves = configuration.halves();
    let there = match half {
        Half::All(_) if joint => None,
        Half::All(_) => halves.next(),
        Half::Incoming(_) | Half::Outgoing(_) if !joint => None,
        Half::Incoming(_) => halves.next(),
        Half::Outgoing(_) => halves.nth(1),
    };
    let votes = |role: MemberRole| matches!(role, MemberRole::Voter | MemberRole::Witness);
    let same = there.is_some_and(|members| {
        let there = members.iter().filter(|(_, member)| votes(member.role));
        there.map(|(id, _)| id).eq(voters)
    });
    same && needed == voters.len() / 2 + 1
        && listed.len() < needed
        && listed.iter().all(|id| voters.contains(id))
}
