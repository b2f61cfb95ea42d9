//! Preferred leaders: where members have priorities, a healed world is not done before one leads that
//! nobody who could is preferred to, and from then on that one goes on leading (`calm.rs`, `rest.rs`).

use std::time::Duration;

use raft_core::states::Role;

use super::World;
use crate::markers::Marker;
use crate::process::Node;
use crate::subject::Subject;

impl<S: Subject> World<'_, S> {
    /// Whether somebody leads, and nobody is preferred to it who runs, and could lead.
    pub(super) fn is_led_as_preferred(&self) -> bool {
        if !self.plan.has_priorities() {
            return true;
        }
        let mut hulls = self.running_members().filter_map(Node::hull);
        let Some(leader) = hulls.find(|hull| hull.role() == Role::Leader) else {
            return false;
        };
        let members = &leader.configuration().members;
        let own = members.get(&leader.me().id).map(|member| member.priority);
        // Who lacks what it once held may not campaign before it has that again.
        let mut others = self.running_members().filter(|node| !node.is_in_repair());
        !others.any(|node| {
            let member = members.get(&node.id());
            member.is_some_and(|member| member.role.may_lead() && Some(member.priority) > own)
        })
    }

    /// Takes note of whether a healed world waits for somebody else to lead.
    pub(super) fn await_preferred(&mut self, done: bool) -> bool {
        let preferred = self.is_led_as_preferred();
        let Some(healing) = self.healing.as_mut().filter(|_| done) else {
            return preferred;
        };
        if std::mem::replace(&mut healing.awaits_preferred, !preferred) && preferred {
            self.checks.mark(Marker::PreferredLeads);
        }
        preferred
    }

    /// How long a leader may keep others waiting that are preferred to it: as often as it tried in vain
    /// while there were faults, it waits for longer.
    pub(super) fn preference_span(&self) -> Duration {
        let patience = self.plan.tuning.hand_over_after.unwrap_or_default();
        patience * LONGEST_WAIT
    }
}

/// So many times what it waits for at first.
const LONGEST_WAIT: u32 = 64;
