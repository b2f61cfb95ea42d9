//! The change of members that a leader drives (paper 6; thesis 4.1, 4.2, 4.3).
//!
//! What is to come stands in the log ([`reconfigure`]), and this file only does the next step when
//! the one before it is committed. What is here beside the log is who asked, and how far new
//! members have come: a later leader begins with neither and goes on all the same.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

use crate::chunk::ChunkBuilder;
use crate::common::Common;
use crate::configuration::Configuration;
use crate::hull::{Doubt, Outcome, Reconfigure, Refusal, Withdrawal};
use crate::ids::{EntryId, LogIndex, NodeId, Term, Ticket};
use crate::invariants;
use crate::rules::catch_up::{Patience, Rounds, Seen, Verdict};
use crate::rules::reconfigure;
use crate::states::Next;
use crate::time::Time;
use crate::trace::EventKind;

use super::attendance::Attendance;
use super::progress::Progress;
use super::{Leader, is_quorum_alone};

/// Who waits for the change under way, and how far its new members have come.
///
/// - All of it is empty while the configuration in force is settled and committed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Membership {
    /// Who asked for the change, if that was on this leader.
    wanted: Option<Ticket>,
    /// Who asked to give it up.
    cancelled: Option<Ticket>,
    /// Why it is given up; the entry that says so is in the log.
    withdrawn: Option<Withdrawal>,
    /// The members that the change waits for.
    rounds: BTreeMap<NodeId, Rounds>,
}

impl Membership {
    /// The change is over, and committed as `id`.
    fn settle(&mut self, common: &mut Common, id: EntryId) {
        if self.is_idle() {
            return;
        }
        let Self {
            wanted,
            cancelled,
            withdrawn,
            rounds: _,
        } = core::mem::take(self);
        match (wanted, withdrawn) {
            (Some(ticket), Some(why)) => {
                common.resolved().decided(ticket, Outcome::Withdrawn(why));
            }
            // [S6.28] The new members' own majority holds it: the change is complete.
            (Some(ticket), None) => common.resolved().committed(ticket, id),
            (None, _) => {}
        }
        if let Some(ticket) = cancelled {
            common.resolved().committed(ticket, id);
        }
    }

    /// Whether nobody waits for anything.
    fn is_idle(&self) -> bool {
        let Self {
            wanted,
            cancelled,
            withdrawn,
            rounds,
        } = self;
        wanted.is_none() && cancelled.is_none() && withdrawn.is_none() && rounds.is_empty()
    }

    /// Gives the tickets back unresolved: a later leader goes on from what is in the log.
    pub(super) fn abandon(self, common: &mut Common, term: Term, why: Doubt) {
        let since = common.configurations.active_since();
        let id = EntryId::new(term, since.unwrap_or(LogIndex::ZERO));
        // One by one: they are of one entry, and not of entries that follow each other.
        for ticket in self.wanted.into_iter().chain(self.cancelled) {
            common.resolved().unknown(ticket, id, why);
        }
    }

    /// What counts in [`crate::hull::Hull::fingerprint`].
    pub(super) fn fingerprint(&self, common: &Common, into: &mut impl Hasher) {
        let Self {
            wanted,
            cancelled,
            withdrawn,
            rounds,
        } = self;
        (wanted, cancelled, withdrawn).hash(into);
        for (node, rounds) in rounds {
            node.hash(into);
            rounds.ages(common.now, &patience(common)).hash(into);
        }
    }
}

impl Leader {
    /// Begins to change the members, or refuses.
    pub(crate) fn reconfigure(&mut self, common: &mut Common, wish: Reconfigure) {
        let Reconfigure { ticket, target } = wish;
        let current = &common.configuration().members;
        let first = reconfigure::begin(current, &target);
        let objection = self
            .untimely(common)
            .or_else(|| reconfigure::objection(current, &target).map(Refusal::Target))
            .or_else(|| too_large(common, &first));
        if let Some(refusal) = objection {
            common.resolved().refused(ticket, refusal);
            return;
        }
        self.membership = Membership {
            wanted: Some(ticket),
            ..Membership::default()
        };
        self.append_configuration(common, &first);
    }

    /// Gives up the change under way, or refuses.
    pub(crate) fn cancel_reconfigure(&mut self, common: &mut Common, ticket: Ticket) {
        let back = reconfigure::withdraw(common.configuration());
        let refusal = match (self.transferring_to(), back) {
            (Some(to), _) => Refusal::Transferring { to },
            _ if !self.has_committed(common) => Refusal::TermNotCommitted,
            (None, None) => Refusal::NothingToCancel,
            _ if !common.is_configuration_committed() => Refusal::ChangeUnderWay {
                since: active_since(common),
            },
            (None, Some(back)) => {
                self.membership.cancelled = Some(ticket);
                self.withdraw(common, Withdrawal::Cancelled, &back);
                return;
            }
        };
        common.resolved().refused(ticket, refusal);
    }

    /// Does the next step of a change, if the one before it is committed.
    pub(crate) fn advance_membership(&mut self, common: &mut Common) -> Next {
        let may_lead = common.configurations.standing().may_lead;
        let is_settled = common.configuration().is_settled();
        // Nearly always nobody changes anything.
        if is_settled && may_lead && self.membership.is_idle() {
            return Next::Stay;
        }
        if !common.is_configuration_committed() || !self.has_committed(common) {
            return Next::Stay;
        }
        if is_settled {
            let since = active_since(common);
            let term = common.entries.term_at(since).unwrap_or_default();
            self.membership.settle(common, EntryId::new(term, since));
            if may_lead {
                return Next::Stay;
            }
            // [S6.36] The new members can do without this node now, and not before: until then
            // its log may be the only one with which anyone could lead.
            common.event(
                "S6.36",
                EventKind::Removed {
                    configuration: since,
                },
            );
            self.nominate(common);
            return Next::Follower;
        }
        // Who hands over appends nothing: the next leader goes on, or this one when that fails.
        if self.transferring_to().is_some() {
            return Next::Stay;
        }
        let active = common.configuration().clone();
        match self.observe_new_members(common, &active) {
            Ok(caught_up) => {
                if let Some(next) = reconfigure::next(&active, caught_up) {
                    self.append_configuration(common, &next);
                }
            }
            Err(node) => {
                if let Some(back) = reconfigure::withdraw(&active) {
                    self.withdraw(common, Withdrawal::NotCaughtUp { node }, &back);
                }
            }
        }
        Next::Stay
    }

    /// Whether all new members that the change waits for have caught up; the one that never will,
    /// if there is one.
    fn observe_new_members(
        &mut self,
        common: &Common,
        active: &Configuration,
    ) -> Result<bool, NodeId> {
        let awaited = reconfigure::awaited(active);
        self.membership
            .rounds
            .retain(|node, _| awaited.contains(node));
        let patience = patience(common);
        let mut all = true;
        for node in awaited {
            let seen = self.seen(common, node);
            let rounds = self.membership.rounds.entry(node);
            let rounds = rounds.or_insert_with(|| Rounds::begin(&seen));
            match rounds.observe(&seen, &patience) {
                Verdict::CaughtUp => {}
                Verdict::Behind => all = false,
                Verdict::TooSlow => return Err(node),
            }
        }
        Ok(all)
    }

    /// Why the change under way is given up, if this leader has decided that.
    pub(crate) const fn withdrawn(&self) -> Option<Withdrawal> {
        self.membership.withdrawn
    }

    /// The new members that had not caught up when they were last looked at, and how far each has
    /// come. Once the voters are touched, nobody is waited for any more.
    pub(crate) fn catching_up(&self, common: &Common, now: Time) -> Vec<(NodeId, Rounds)> {
        let awaited = reconfigure::awaited(common.configuration());
        let patience = patience(common);
        let rounds = self.membership.rounds.iter();
        rounds
            .filter(|(node, rounds)| {
                awaited.contains(*node) && !rounds.has_caught_up(now, &patience)
            })
            .map(|(node, rounds)| (*node, *rounds))
            .collect()
    }

    fn seen(&self, common: &Common, node: NodeId) -> Seen {
        Seen {
            matched: self.matched(common, node),
            last: common.last().index,
            now: common.now,
        }
    }

    fn withdraw(&mut self, common: &mut Common, why: Withdrawal, back: &Configuration) {
        self.membership.withdrawn = Some(why);
        self.membership.rounds.clear();
        self.append_configuration(common, back);
    }

    /// Appends a configuration, which is in force at once: who receives the log follows from it.
    fn append_configuration(&mut self, common: &mut Common, next: &Configuration) {
        invariants::follows(common, next);
        if is_quorum_alone(common) {
            // As with each look at the clock: nobody missed it until now.
            self.attendance = Attendance::new(common.now);
        }
        let mut record = ChunkBuilder::new();
        // It fits: what was too large was refused, and each later one holds less.
        if record.push_config(next).is_ok() {
            common.append_as_leader(record, self.log_time(common.now));
        }
        self.follow_configuration(common);
        // Other voters are asked from now on, or fewer.
        self.advance_reads(common);
    }

    /// Replicates to all that the configuration in force holds, and to nobody else.
    fn follow_configuration(&mut self, common: &Common) {
        // [S6.14] In a joint configuration to the members of both halves.
        let others = common.others();
        let spent = &mut self.spent;
        self.followers.retain(|_, progress| {
            let stays = others.contains(&progress.peer());
            if !stays {
                *spent = progress.request.max(*spent);
            }
            stays
        });
        let (next, now) = (common.last().index.next(), common.now);
        for peer in others {
            let begin = || Progress::new(peer, next, now).numbered_after(*spent);
            self.followers.ensure(peer.id, begin);
        }
        self.follow_roles(common);
    }

    /// What each follower is sent depends on what it is in the configuration in force.
    pub(super) fn follow_roles(&mut self, common: &Common) {
        let configuration = common.configuration();
        for (id, progress) in self.followers.iter_mut() {
            progress.votes = configuration.votes(*id);
        }
        self.follow_witnesses(common);
    }

    /// Why no change may begin now, if none may.
    fn untimely(&self, common: &Common) -> Option<Refusal> {
        // Entries would keep the one that is to lead from having them all.
        if let Some(to) = self.transferring_to() {
            return Some(Refusal::Transferring { to });
        }
        // [T4.1.31e] Before an entry of its own term is committed, a leader may not know of a
        // configuration that is: two that both follow the one before could decide side by side.
        if !self.has_committed(common) {
            return Some(Refusal::TermNotCommitted);
        }
        // [T4.3.27] One change at a time.
        let over = common.configuration().is_settled() && common.is_configuration_committed();
        (!over).then(|| Refusal::ChangeUnderWay {
            since: active_since(common),
        })
    }

    /// Whether an entry of this leader's own term is committed.
    fn has_committed(&self, common: &Common) -> bool {
        common.entries.term_at(common.commit_index) == Some(self.term)
    }
}

/// The index of the configuration in force; zero for the one before all entries.
fn active_since(common: &Common) -> LogIndex {
    let since = common.configurations.active_since();
    since.unwrap_or(LogIndex::ZERO)
}

fn too_large(common: &Common, configuration: &Configuration) -> Option<Refusal> {
    let mut encoded = Vec::new();
    configuration.encode(&mut encoded);
    let payload_bytes = encoded.len();
    let limit = common.settings.chunk_limits.max_payload_bytes as usize;
    (payload_bytes > limit).then_some(Refusal::TooLarge { payload_bytes })
}

fn patience(common: &Common) -> Patience {
    Patience {
        short_round: common.settings.election_timeout,
        standstill: common.settings.catch_up_timeout,
    }
}
