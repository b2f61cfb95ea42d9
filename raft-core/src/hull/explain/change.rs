//! Computing why a change of members is not over.

use alloc::vec;
use alloc::vec::Vec;

use super::own_first;
use crate::common::Common;
use crate::explain::NotChanged;
use crate::hull::Hull;
use crate::ids::LogIndex;
use crate::rules::catch_up::MAX_LONG_ROUNDS;
use crate::states::State;
use crate::states::leader::Leader;
use crate::time::Time;

impl Hull {
    /// Why the change of members that is under way is not over: all that is known of it here. Empty
    /// when none is under way: the configuration in force is settled and known to be committed.
    /// `now` is what ages are told by.
    pub fn why_not_changed(&self, now: Time) -> Vec<NotChanged> {
        let common = &self.common;
        let now = common.now.max(now);
        let over = common.configuration().is_settled() && common.is_configuration_committed();
        if over {
            return Vec::new();
        }
        if let Some(fault) = common.fault.as_deref() {
            return vec![NotChanged::Stopped(fault.clone())];
        }
        match (&self.state, self.leader()) {
            (State::Leader(leader), _) => of_leader(common, leader, now),
            (_, Some(leader)) => vec![NotChanged::LeaderDrives { leader }],
            (_, None) => vec![NotChanged::NobodyLeads],
        }
    }
}

fn of_leader(common: &Common, leader: &Leader, now: Time) -> Vec<NotChanged> {
    let mut why = Vec::new();
    if let Some(to) = leader.transferring_to() {
        why.push(NotChanged::HandingOver { to });
    }
    let first = own_first(common);
    if let Some(first) = first.filter(|first| common.commit_index < *first) {
        why.push(NotChanged::NewLeader { first });
    }
    why.extend(leader.withdrawn().map(NotChanged::GivenUp));
    if !common.is_configuration_committed() {
        let index = common.configurations.active_since();
        let index = index.unwrap_or(LogIndex::ZERO);
        why.push(NotChanged::NotCommitted { index });
    }
    let patience = common.settings.catch_up_timeout;
    for (node, rounds) in leader.catching_up(common, now) {
        why.push(NotChanged::CatchingUp {
            node,
            matched: leader.matched(common, node),
            last: common.last().index,
            long_rounds: rounds.long_rounds(),
            limit: MAX_LONG_ROUNDS,
            still: rounds.still(now),
            patience,
        });
    }
    why
}
