//! What must hold of a hull at any instant, and between two instants.
//!
//! Checked after every step; after one that can change a single number, what is said of that
//! ([`Hull::step`] says which). A broken invariant is a bug of this library: the hull stops with a
//! report, it does not panic. `--cfg no_invariants` compiles all of this out, so that the
//! simulator can be measured by its own checks alone.

use crate::hull::Hull;
use crate::ids::{Boot, EntryId, LogIndex, NodeId, Term};
use crate::states::State;
use crate::time::Time;

/// States an invariant, with the values it is about; whoever it does not hold for is told.
macro_rules! require {
    ($holds:expr, $($statement:tt)+) => {
        if !$holds {
            return Err(Telling::of(format_args!($($statement)+)));
        }
    };
}

/// What is compared before and after a step, and within one instant.
#[cfg_attr(no_invariants, expect(dead_code, reason = "nothing is compared"))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before {
    boot: Boot,
    term: Term,
    vote: Option<NodeId>,
    leads: bool,
    commit: LogIndex,
    handed_out: LogIndex,
    applied: LogIndex,
    durable: LogIndex,
    last: EntryId,
    forgotten: LogIndex,
    transferring_to: Option<NodeId>,
    promised_until: Time,
}

impl Before {
    pub(crate) fn of(hull: &Hull) -> Self {
        let (common, state) = hull.parts();
        Self {
            boot: common.hard.boot,
            term: common.hard.term,
            vote: common.hard.vote,
            leads: matches!(state, State::Leader(_)),
            commit: common.commit_index,
            handed_out: common.applying.handed_out(),
            applied: common.applying.applied(),
            durable: common.disk.durable_index(),
            last: common.last(),
            forgotten: common.entries.snapshot().index,
            transferring_to: hull.transferring_to(),
            promised_until: common.promised_until,
        }
    }
}

#[cfg(no_invariants)]
pub(crate) fn check(_hull: &mut Hull, _before: &Before) {}

#[cfg(no_invariants)]
pub(crate) fn applied(_common: &mut crate::common::Common, _before: LogIndex) {}

#[cfg(no_invariants)]
pub(crate) fn durable(_common: &mut crate::common::Common, _before: LogIndex) {}

#[cfg(no_invariants)]
pub(crate) fn arrow(
    _common: &mut crate::common::Common,
    _from: crate::states::Role,
    _to: crate::states::Role,
) {
}

#[cfg(no_invariants)]
pub(crate) fn follows(
    _common: &mut crate::common::Common,
    _next: &crate::configuration::Configuration,
) {
}

#[cfg(not(no_invariants))]
mod leading;

#[cfg(not(no_invariants))]
use checks::Telling;
#[cfg(not(no_invariants))]
pub(crate) use checks::{applied, arrow, check, durable, follows};

#[cfg(not(no_invariants))]
mod checks {
    use alloc::string::String;
    use core::fmt;

    use super::Before;
    use super::leading::{followers_hold, leader_holds, lease_holds, reads_hold};
    use crate::chunk::Chunk;
    use crate::common::Common;
    use crate::configuration::Configuration;
    use crate::error::{BrokenInvariant, Fault};
    use crate::hull::Hull;
    use crate::ids::LogIndex;
    use crate::rules::reconfigure;
    use crate::states::{Role, State};

    /// Checks everything after a step. The first statement that does not hold stops the hull.
    pub(crate) fn check(hull: &mut Hull, before: &Before) {
        if all_holds::<Unsaid>(hull, before).is_err() {
            tell(hull, before);
        }
    }

    /// Stops the hull, and says what it was that does not hold.
    #[cold]
    fn tell(hull: &mut Hull, before: &Before) {
        let statement = all_holds::<String>(hull, before).err().unwrap_or_default();
        stop(hull.common_mut(), statement);
    }

    /// What is made of a statement that does not hold.
    pub(super) trait Telling {
        fn of(statement: fmt::Arguments<'_>) -> Self;
    }

    /// Nothing. Each step is checked like this: of values that may have to be put into words, none
    /// could stay where a comparison needs it. What is broken is looked for once more, to be told.
    struct Unsaid;

    impl Telling for Unsaid {
        fn of(_statement: fmt::Arguments<'_>) -> Self {
            Self
        }
    }

    impl Telling for String {
        fn of(statement: fmt::Arguments<'_>) -> Self {
            alloc::fmt::format(statement)
        }
    }

    /// What the state machine has applied grows, and is what it was handed and might be.
    #[inline]
    pub(crate) fn applied(common: &mut Common, before: LogIndex) {
        let (applied, handed_out) = (common.applying.applied(), common.applying.handed_out());
        if !(before <= applied && applied <= handed_out && handed_out <= common.applicable()) {
            tell_applied(common, before);
        }
    }

    #[cold]
    #[inline(never)]
    fn tell_applied(common: &mut Common, before: LogIndex) {
        let (applied, handed_out) = (common.applying.applied(), common.applying.handed_out());
        let applicable = common.applicable();
        let statement = alloc::format!(
            "applied before {before} <= now {applied} <= handed out {handed_out} <= {applicable}"
        );
        stop(common, statement);
    }

    /// What is durable grows, and lies in the log. Nothing else that is said of it could be broken by
    /// its growing.
    #[inline]
    pub(crate) fn durable(common: &mut Common, before: LogIndex) {
        let durable = common.disk.durable_index();
        if !(before <= durable && durable <= common.last().index) {
            tell_durable(common, before);
        }
    }

    #[cold]
    #[inline(never)]
    fn tell_durable(common: &mut Common, before: LogIndex) {
        let (durable, last) = (common.disk.durable_index(), common.last());
        let statement =
            alloc::format!("durable before {before} <= now {durable}, in the log, to {last}");
        stop(common, statement);
    }

    /// The role changes along Figure 4's arrows.
    pub(crate) fn arrow(common: &mut Common, from: Role, to: Role) {
        if !from.may_become(to) {
            let statement = alloc::format!("Figure 4 has an arrow from {from:?} to {to:?}");
            stop(common, statement);
        }
    }

    /// A leader appends a configuration only when the one before it is committed, and an entry of its
    /// own term; and only one whose quorums have a node in common with each of that one's.
    pub(crate) fn follows(common: &mut Common, next: &Configuration) {
        let active = common.configuration();
        let fits = reconfigure::may_follow(active, next);
        let own = common.entries.term_at(common.commit_index) == Some(common.term());
        let committed = common.is_configuration_committed() && own;
        if !(fits && committed) {
            let statement =
                alloc::format!("{next:?} may follow {active:?}, committed in term: {committed}");
            stop(common, statement);
        }
    }

    #[cold]
    fn stop(common: &mut Common, statement: String) {
        let out = common.out.there();
        let last_inputs = out.map(|out| out.events.last_inputs());
        common.stop(Fault::Invariant(BrokenInvariant {
            statement,
            last_inputs: last_inputs.unwrap_or_default(),
        }));
    }

    #[inline(never)]
    fn all_holds<T: Telling>(hull: &Hull, before: &Before) -> Result<(), T> {
        let now = Before::of(hull);
        let (common, state) = hull.parts();
        between_instants(&now, before)?;
        log_between_instants(&now, before)?;
        terms_hold(common, &now, before)?;
        indexes_hold(common, &now)?;
        log_holds(common, state, &now)?;
        memory_holds(common, state, &now)?;
        match state {
            State::Leader(leader) => {
                leader_holds(common, leader, before)?;
                followers_hold(common, leader)?;
                reads_hold(common, leader)?;
                lease_holds(common, leader)?;
            }
            State::Follower(_) | State::PreCandidate(_) | State::Candidate(_) => {}
        }
        quiet_holds(common, state)
    }

    fn between_instants<T: Telling>(now: &Before, before: &Before) -> Result<(), T> {
        require!(
            now.boot == before.boot,
            "the boot stays {}: {}",
            before.boot,
            now.boot
        );
        require!(
            now.term >= before.term,
            "the term {} is no less than {}",
            now.term,
            before.term
        );
        require!(
            now.term > before.term || before.vote.is_none() || now.vote == before.vote,
            "the vote of {} stays {:?}: {:?}",
            now.term,
            before.vote,
            now.vote
        );
        require!(
            now.commit >= before.commit,
            "the commit index {} is no less than {}",
            now.commit,
            before.commit
        );
        require!(
            now.applied >= before.applied,
            "the applied index {} is no less than {}",
            now.applied,
            before.applied
        );
        require!(
            now.promised_until >= before.promised_until,
            "what was promised until {:?} is kept: {:?}",
            before.promised_until,
            now.promised_until
        );
        Ok(())
    }

    /// What is known of terms fits together, whenever the log was touched.
    fn terms_hold<T: Telling>(common: &Common, now: &Before, before: &Before) -> Result<(), T> {
        if (now.last, now.forgotten) == (before.last, before.forgotten) {
            return Ok(());
        }
        require!(
            common.entries.is_in_order(),
            "the terms up to the last entry {} are told by their first entries: {:?}",
            now.last,
            common.entries
        );
        require!(
            common.entries.is_counted_right(),
            "what is in memory of the log up to {} is counted right: {:?}",
            now.last,
            common.entries
        );
        Ok(())
    }

    fn log_between_instants<T: Telling>(now: &Before, before: &Before) -> Result<(), T> {
        let (last, last_before) = (now.last.index, before.last.index);
        let led = before.leads && now.leads;
        let hands_over =
            now.transferring_to.is_some() && now.transferring_to == before.transferring_to;
        require!(
            now.forgotten >= before.forgotten,
            "what was forgotten, up to {}, does not come back: {}",
            before.forgotten,
            now.forgotten
        );
        require!(
            !led || last >= last_before,
            "a leader's log only grows: {last} is no less than {last_before}"
        );
        require!(
            !hands_over || last == last_before,
            "who hands over appends nothing: {last} is {last_before}"
        );
        require!(
            last >= before.commit,
            "what was committed stays: {last} is no less than {}",
            before.commit
        );
        Ok(())
    }

    fn indexes_hold<T: Telling>(common: &Common, now: &Before) -> Result<(), T> {
        let &Before {
            commit,
            handed_out,
            applied,
            durable,
            last,
            forgotten,
            ..
        } = now;
        require!(
            commit <= last.index,
            "commit {commit} lies in the log, to {last}"
        );
        require!(
            durable <= last.index,
            "durable {durable} lies in the log, to {last}"
        );
        require!(
            applied <= handed_out && handed_out <= commit.min(durable.max(forgotten)),
            "applied {applied} <= handed out {handed_out} <= commit {commit}, durable {durable}"
        );
        require!(
            now.term >= last.term,
            "the term {} is no less than the last entry's, {last}",
            now.term
        );
        let stored = || {
            common
                .snapshots
                .stored()
                .map(|snapshot| snapshot.id.last.index)
        };
        require!(
            forgotten == LogIndex::ZERO
                || (forgotten <= handed_out && forgotten <= stored().unwrap_or(LogIndex::ZERO))
                || (common.witness && forgotten <= commit),
            "what was forgotten, up to {forgotten}, was handed out, up to {handed_out}, and is in \
             the snapshot stored, up to {:?}",
            stored()
        );
        let (promised, kept) = (common.promised_until, common.hard.promise);
        require!(
            promised <= common.now || promised <= common.now.after(kept.span()),
            "after a crash now, what is promised until {promised:?} would be kept: {kept:?}"
        );
        Ok(())
    }

    /// What is kept of the log fits what the log is; and a witness leads nobody and applies
    /// nothing, and has no payload, where the others have all.
    fn log_holds<T: Telling>(common: &Common, state: &State, now: &Before) -> Result<(), T> {
        let last = now.last;
        let (chunks, _) = common.entries.cache();
        let newest = chunks.back();
        require!(
            newest.is_none_or(|chunk| chunk.last_id() == last),
            "what is in memory ends at the last entry {last}: {:?}",
            newest.map(Chunk::last_id)
        );
        let in_form = newest.is_none_or(|chunk| common.keeps_form(chunk));
        let is_follower = matches!(state, State::Follower(_));
        let idle = is_follower && now.handed_out <= now.forgotten;
        require!(
            in_form && (!common.witness || idle),
            "with payloads: {}, a node's last entry is so: {in_form}; it is {:?} and has applied \
             up to {}",
            !common.witness,
            state.role(),
            now.handed_out
        );
        let since = common.configurations.active_since();
        require!(
            since.is_none_or(|index| now.forgotten < index && index <= last.index),
            "the configuration of {since:?} stands in the log, to {last}"
        );
        Ok(())
    }

    /// What is in memory beyond the budget waits for the disk; what the state machine has is known; and
    /// there is one message of each kind for a peer, and an acknowledgement for each batch under way.
    fn memory_holds<T: Telling>(common: &Common, state: &State, now: &Before) -> Result<(), T> {
        let (chunks, bytes) = common.entries.cache();
        let needed = |chunk: &Chunk| chunk.last_index() > now.durable;
        // What else is in memory need not be counted while entries are few.
        if !common.is_little(bytes) {
            let limit = common.room_for_entries(state.bytes_under_way(common));
            require!(
                bytes <= limit || chunks.front().is_none_or(needed),
                "of {bytes} bytes in memory, with {limit} allowed, all wait for the disk"
            );
        }
        require!(
            common.applying.is_counted_right() && common.snapshots.is_counted_right(),
            "what is handed out, and what lies between snapshots, is counted right: {:?}, {:?}",
            common.applying,
            common.snapshots
        );
        let limit = common
            .settings
            .max_writes_in_flight
            .saturating_add(MOST_BESIDE);
        let longest = || common.out.there().map_or(0, |out| out.outbox.longest());
        require!(
            common.messages_waiting() <= limit || longest() <= limit,
            "{} messages wait, of at most {limit}",
            longest()
        );
        Ok(())
    }

    /// What may wait for one peer beside an acknowledgement for each write under way: four more of those, and
    /// one each of nine other kinds.
    const MOST_BESIDE: usize = 13;

    /// Whoever waits for nothing has nothing to wait for.
    #[inline(always)]
    fn quiet_holds<T: Telling>(common: &Common, state: &State) -> Result<(), T> {
        let (commit, last) = (common.commit_index, common.last().index);
        let holds = match state {
            State::Leader(leader) if leader.is_quiet() => {
                let farewell = leader.farewell();
                let mut followers = leader.followers().values();
                farewell.is_some_and(|farewell| farewell <= leader.round())
                    && followers.all(|progress| progress.matched() == last)
                    && commit == last
            }
            State::Follower(follower) if follower.is_quiet() => {
                follower.leader().is_some() && commit == last
            }
            State::Follower(_)
            | State::PreCandidate(_)
            | State::Candidate(_)
            | State::Leader(_) => true,
        };
        require!(
            holds,
            "who is quiet has committed {commit} of {last}, all its followers hold that, and its \
             leader took leave: {state:?}"
        );
        Ok(())
    }
}

#[cfg(test)]
#[cfg(not(no_invariants))]
mod tests;
