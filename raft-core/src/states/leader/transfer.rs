//! Handing over leadership: a state of the leader with an end (thesis 3.10).
//!
//! Nothing of it outlives the office: it is a part of [`Leader`], and goes when that does.

use core::hash::{Hash, Hasher};
use core::time::Duration;

use super::Leader;
use super::progress::{Mode, Progress};
use crate::common::Common;
use crate::hull::{NotHandedOver, Outcome, Refusal, Transfer};
use crate::ids::{LogIndex, NodeId, Ticket};
use crate::message::{Body, TimeoutNow};
use crate::rules::transfer::{self, Successor};
use crate::time::Time;
use crate::trace::EventKind;

/// Leadership on its way to another node.
#[derive(Clone, Debug)]
pub(super) struct Handover {
    /// Who asked for it; nobody, when the leader itself prefers another.
    ticket: Option<Ticket>,
    to: NodeId,
    deadline: Time,
    /// The last round in which the other was told to take over.
    told: Option<u64>,
}

/// A follower that is preferred as a leader, and how long it has kept up.
#[derive(Clone, Copy, Debug)]
struct Favourite {
    id: NodeId,
    since: Time,
}

/// What a leader knows of followers that should lead in its place.
#[derive(Clone, Debug, Default)]
pub(super) struct Preference {
    favourite: Option<Favourite>,
    /// The commit index when the last round began: who holds it now keeps up.
    committed: LogIndex,
    /// How often it has tried, to no avail.
    failures: u32,
}

impl Handover {
    /// What counts in [`crate::hull::Hull::fingerprint`].
    pub(super) const fn identity(&self) -> (Option<Ticket>, NodeId, Option<u64>) {
        (self.ticket, self.to, self.told)
    }
}

impl Preference {
    /// What counts in [`crate::hull::Hull::fingerprint`].
    pub(super) fn fingerprint(&self, into: &mut impl Hasher) {
        let Self {
            favourite,
            committed,
            failures,
        } = self;
        let favourite = favourite.map(|favourite| favourite.id);
        (favourite, committed, failures).hash(into);
    }
}

impl Leader {
    /// To whom leadership is being handed over.
    pub(crate) fn transferring_to(&self) -> Option<NodeId> {
        self.handover.as_ref().map(|handover| handover.to)
    }

    /// Whether that one, if there is one, is followed and may lead: as when it was chosen, since no
    /// change of members begins, goes on or is taken back while leadership is handed over.
    #[cfg_attr(no_invariants, expect(dead_code, reason = "nothing is checked"))]
    pub(crate) fn hands_over_to_whom_it_may(&self, common: &Common) -> bool {
        let to = self.transferring_to();
        to.is_none_or(|to| self.followers.contains_key(&to) && may_take_over(common, to))
    }

    /// Whether that one was told to take over.
    pub(crate) fn has_told_to_take_over(&self) -> bool {
        let told = self.handover.as_ref().and_then(|handover| handover.told);
        told.is_some()
    }

    /// When handing over has failed.
    pub(super) fn transfer_deadline(&self) -> Option<Time> {
        self.handover.as_ref().map(|handover| handover.deadline)
    }

    /// Begins to hand over as it is asked to, or says why not.
    pub(crate) fn transfer(&mut self, common: &mut Common, request: Transfer) {
        match self.successor(common, request.to) {
            Ok(to) => self.begin_transfer(common, to, Some(request.ticket)),
            Err(refusal) => common.resolved().refused(request.ticket, refusal),
        }
    }

    fn begin_transfer(&mut self, common: &mut Common, to: NodeId, ticket: Option<Ticket>) {
        self.handover = Some(Handover {
            ticket,
            to,
            deadline: common.now.after(common.settings.election_timeout),
            told: None,
        });
        common.event("T3.10.15", EventKind::TransferBegan { to });
    }

    /// Who is to lead, if that can be.
    fn successor(&self, common: &Common, to: Option<NodeId>) -> Result<NodeId, Refusal> {
        if let Some(to) = self.transferring_to() {
            return Err(Refusal::Transferring { to });
        }
        let Some(node) = to else {
            let followers = self.followers.iter();
            let fit = followers.filter_map(|(id, progress)| fit(common, *id, progress));
            return transfer::fittest(fit).ok_or(Refusal::NobodyToLead);
        };
        if node == common.me.id {
            return Err(Refusal::AlreadyLeads);
        }
        match self.followers.find(&node) {
            Some(_) if !may_take_over(common, node) => Err(Refusal::MayNotLead { node }),
            Some(progress) if !is_heard(common, progress) => Err(Refusal::NobodyToLead),
            Some(_) => Ok(node),
            None => Err(Refusal::MayNotLead { node }),
        }
    }

    /// Gives up handing over when its time is over. Whether it did.
    pub(super) fn check_transfer(&mut self, common: &mut Common) -> bool {
        let Some(Handover {
            to,
            deadline,
            ticket,
            ..
        }) = self.handover
        else {
            return false;
        };
        if common.now < deadline {
            return false;
        }
        // [T3.10.23] It has not come about in an election timeout: lead on, and take proposals.
        self.handover = None;
        common.event("T3.10.23", EventKind::TransferEnded { to });
        if let Some(ticket) = ticket {
            let outcome = Outcome::NotHandedOver(NotHandedOver::TimedOut { to });
            common.resolved().decided(ticket, outcome);
        }
        true
    }

    /// Whether `to` is to be told to take over, and was not in this round.
    pub(super) fn is_takeover_due(&self, common: &Common, to: NodeId) -> bool {
        let Some(handover) = &self.handover else {
            return false;
        };
        let caught_up =
            |progress: &Progress| transfer::is_caught_up(progress.matched(), common.last().index);
        handover.to == to
            && handover.told != Some(self.round)
            && self.followers.find(&to).is_some_and(caught_up)
    }

    /// Tells `to` to take over, if that is due.
    pub(super) fn take_takeover(&mut self, common: &Common, to: NodeId) -> Option<TimeoutNow> {
        if !self.is_takeover_due(common, to) {
            return None;
        }
        self.give_up_lease();
        // [T3.10.17] Tell it: in each round once, since it may be lost.
        let handover = self.handover.as_mut()?;
        handover.told = Some(self.round);
        Some(TimeoutNow {
            round: self.round,
            last: common.last(),
        })
    }

    /// Gives up office for good: whoever is fittest is told to take over, if it has everything.
    /// Otherwise, or if the word is lost, the others find out by themselves.
    pub(super) fn nominate(&mut self, common: &mut Common) {
        self.give_up_lease();
        let followers = self.followers.iter();
        let fit = followers.filter_map(|(id, progress)| fit(common, *id, progress));
        let last = common.last();
        let caught_up =
            fit.filter(|successor| transfer::is_caught_up(successor.matched, last.index));
        let chosen = transfer::fittest(caught_up).and_then(|to| self.followers.find(&to));
        if let Some(progress) = chosen {
            let round = self.round;
            common.say(
                progress.peer(),
                Body::TimeoutNow(TimeoutNow { round, last }),
            );
        }
    }

    /// What became of it, now that office is given up.
    pub(super) fn end_transfer(&mut self, common: &mut Common) {
        let Some(handover) = self.handover.take() else {
            return;
        };
        let deposed = common.term() > self.term;
        let outcome = if common.fault.is_some() {
            Outcome::NotHandedOver(NotHandedOver::Stopped)
        } else if deposed && handover.told.is_some() {
            Outcome::HandedOver { to: handover.to }
        } else {
            Outcome::NotHandedOver(NotHandedOver::LeadershipLost)
        };
        if let Some(ticket) = handover.ticket {
            common.resolved().decided(ticket, outcome);
        }
    }

    /// Hands over to a follower of a higher priority once that has kept up for long enough without
    /// a break. Called once a round.
    pub(super) fn yield_to_preferred(&mut self, common: &mut Common) {
        let (ahead, _) = common.configurations.standing().preferred;
        let Some(patience) = common.settings.hand_over_after.filter(|_| ahead > 0) else {
            return;
        };
        let committed = core::mem::replace(&mut self.preference.committed, common.commit_index);
        let best = self.preferred(common, committed);
        let favourite = best.map(|id| match self.preference.favourite {
            Some(favourite) if favourite.id == id => favourite,
            _ => Favourite {
                id,
                since: common.now,
            },
        });
        self.preference.favourite = favourite;
        let Some(Favourite { id, since }) = favourite else {
            return;
        };
        // Each attempt holds proposals up, so each one that failed is repeated later.
        let doubled = 1_u32 << self.preference.failures.min(MOST_DOUBLINGS);
        let patience: Duration = patience.saturating_mul(doubled);
        if self.handover.is_none() && common.now.since(since) >= patience {
            // [T3.10.10] The leader looks for one that is more suitable, and hands over to it.
            self.preference.failures = self.preference.failures.saturating_add(1);
            self.preference.favourite = None;
            self.begin_transfer(common, id, None);
        }
    }

    /// The most preferred of those that should lead rather than this node, and could: heard
    /// lately, and holding what was committed when the last round began.
    fn preferred(&self, common: &Common, committed: LogIndex) -> Option<NodeId> {
        let own = common.configuration().members.get(&common.me.id)?.priority;
        let followers = self.followers.iter();
        let fit = followers.filter_map(|(id, progress)| fit(common, *id, progress));
        let better =
            fit.filter(|one| one.priority > own && one.keeps_up && one.matched >= committed);
        // Which one does not change with every entry.
        transfer::fittest(better.map(|one| Successor {
            matched: committed,
            ..one
        }))
    }
}

/// What speaks for a follower as the next leader, if it may lead and was heard lately.
fn fit(common: &Common, id: NodeId, progress: &Progress) -> Option<Successor> {
    let member = common.configuration().members.get(&id)?;
    let able = may_take_over(common, id) && is_heard(common, progress);
    able.then_some(Successor {
        id,
        priority: member.priority,
        keeps_up: matches!(progress.mode(), Mode::Replicate { .. }),
        matched: progress.matched(),
    })
}

/// Whether the configuration lets `id` lead: the incoming one, while there are two. Who is on its
/// way out would only have to hand over again.
fn may_take_over(common: &Common, id: NodeId) -> bool {
    let member = common.configuration().members.get(&id);
    member.is_some_and(|member| member.role.may_lead())
}

fn is_heard(common: &Common, progress: &Progress) -> bool {
    common.now.since(progress.heard()) < common.settings.election_timeout
}

/// After so many failures the wait grows no more.
const MOST_DOUBLINGS: u32 = 6;
