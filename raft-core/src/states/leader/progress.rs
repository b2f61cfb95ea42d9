//! What a leader knows of one follower (Figure 2 nextIndex and matchIndex).

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};
use core::mem::discriminant;
use core::time::Duration;

use crate::chunk::Chunk;
use crate::common::Common;
use crate::ids::{LogIndex, Peer};
use crate::time::Time;

use super::lease::Promised;
use super::parts::Transfer;

/// One follower, as its leader sees it.
///
/// - `matched < next`, and `next` is at most one past the leader's last entry.
/// - `matched` only grows: in one term a follower's log never loses what it acknowledged, unless
///   its disk does, and then it says so.
/// - In `Replicate`, `in_flight` ascends by request, and `bytes` is the sum of what it pins.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    pub(super) peer: Peer,
    /// Figure 2's matchIndex: held durably by the follower.
    pub(super) matched: LogIndex,
    /// Figure 2's nextIndex: the next entry to send.
    pub(super) next: LogIndex,
    pub(super) mode: Mode,
    /// How many requests may follow each other before the first is answered, if the settings allow
    /// as many: fewer after a refusal, one more with each answer that moves something.
    pub(super) window: usize,
    /// The number of the last request sent to it in this term.
    pub(super) request: u64,
    /// When the follower last said anything in this term.
    heard: Time,
    /// The last heartbeat round that it answered in this term.
    answered: u64,
    /// What it has promised, if anything.
    pub(super) promised: Promised,
    /// Whether a heartbeat is due to it.
    pub(super) heartbeat_due: bool,
    /// The commit index it was last told.
    pub(super) told_commit: LogIndex,
    /// The last request sent before a loss was heard of, or before it was added again: what it and those
    /// before it were answered may be lost since.
    pub(super) before_loss: u64,
    /// What follows a snapshot that it has put in place, until it has that too.
    pub(super) sequel: Option<Sequel>,
    /// The load under way for entries that are no longer in memory.
    pub(super) loading: Option<u64>,
    /// What that load brought.
    pub(super) loaded: Vec<Chunk>,
    /// For a witness, the last entry that it may be told of. It is sent no payloads.
    pub(super) witness: Option<LogIndex>,
    /// Whether it votes in a half of the configuration in force.
    pub(super) votes: bool,
}

/// What the log is kept for, for a follower that was sent a snapshot: the entries since, which it lacks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sequel {
    /// The last entry when the snapshot was put in place.
    pub(super) last: LogIndex,
    /// Since when it has got no further.
    pub(super) since: Time,
}

/// How entries are sent to a follower.
#[derive(Clone, Debug)]
pub(crate) enum Mode {
    /// Where the logs agree is not known: one request at a time.
    Probe {
        /// The request that is not answered yet, and when it was sent.
        outstanding: Option<(u64, Time)>,
        /// Whether to risk entries with the probe. After a silence they are more likely to be
        /// there already than to be missing.
        with_entries: bool,
    },
    /// The logs agree up to `next`: requests follow each other without waiting.
    Replicate {
        /// Requests not answered yet, in the order sent.
        in_flight: VecDeque<InFlight>,
        /// The bytes of memory they keep alive.
        bytes: usize,
    },
    /// The entries it lacks are no longer in the log: it gets a snapshot, part by part.
    Snapshot(Box<Transfer>),
}

/// A request with entries that is not answered yet.
#[derive(Clone, Debug)]
pub(crate) struct InFlight {
    pub(super) request: u64,
    pub(super) last: LogIndex,
    pub(crate) bytes: usize,
    pub(super) sent: Time,
}

impl Progress {
    /// A follower of which nothing is known but that it may have all the leader had when it was
    /// elected.
    pub(crate) const fn new(peer: Peer, next: LogIndex, now: Time) -> Self {
        Self {
            peer,
            // [F2.STATE.8] Nothing is known to match.
            matched: LogIndex::ZERO,
            next,
            mode: Mode::Probe {
                outstanding: None,
                with_entries: true,
            },
            window: usize::MAX,
            request: 0,
            heard: now,
            answered: 0,
            promised: Promised::NONE,
            // [F2.LEAD.1] The first heartbeat goes out at once.
            heartbeat_due: true,
            told_commit: LogIndex::ZERO,
            before_loss: 0,
            sequel: None,
            loading: None,
            loaded: Vec::new(),
            witness: None,
            votes: true,
        }
    }

    /// The same, with requests numbered on from there. Answers to those up to there are of who it was before.
    pub(super) fn numbered_after(self, spent: u64) -> Self {
        Self {
            request: spent,
            before_loss: spent,
            ..self
        }
    }

    pub(crate) const fn peer(&self) -> Peer {
        self.peer
    }

    pub(crate) const fn matched(&self) -> LogIndex {
        self.matched
    }

    pub(crate) const fn next(&self) -> LogIndex {
        self.next
    }

    /// The bytes that requests not answered yet keep alive.
    pub(crate) fn bytes_in_flight(&self) -> usize {
        match &self.mode {
            Mode::Probe { .. } => 0,
            Mode::Snapshot(transfer) => transfer.bytes(),
            Mode::Replicate { bytes, .. } => *bytes,
        }
    }

    /// What is kept alive for it beside the entries in memory, of which `first` is the first.
    pub(crate) fn bytes_beside(&self, first: LogIndex) -> usize {
        let under_way = match &self.mode {
            Mode::Probe { .. } => 0,
            Mode::Snapshot(transfer) => transfer.bytes(),
            Mode::Replicate { in_flight, .. } => {
                let older = in_flight.iter().take_while(|sent| sent.last < first);
                older.map(|sent| sent.bytes).fold(0, usize::saturating_add)
            }
        };
        let loaded = self.loaded.iter().map(Chunk::pinned_bytes);
        loaded.fold(under_way, usize::saturating_add)
    }

    pub(crate) const fn heard(&self) -> Time {
        self.heard
    }

    pub(crate) const fn mode(&self) -> &Mode {
        &self.mode
    }

    pub(crate) fn hear(&mut self, now: Time) {
        self.heard = self.heard.max(now);
    }

    /// Takes note of an answered round; late and doubled answers change nothing.
    pub(crate) fn answer(&mut self, round: u64) {
        self.answered = self.answered.max(round);
    }

    /// The last heartbeat round that it answered.
    pub(crate) const fn answered(&self) -> u64 {
        self.answered
    }

    /// What it has promised.
    pub(crate) const fn promised(&self) -> &Promised {
        &self.promised
    }

    /// What counts in [`crate::hull::Hull::fingerprint`]. Times count as ages, up to where older
    /// makes no difference.
    pub(crate) fn fingerprint(&self, common: &Common, into: &mut impl Hasher) {
        let Self {
            peer,
            matched,
            next,
            mode,
            window,
            request,
            before_loss,
            sequel,
            heard,
            // It counts while a read waits for it: `Reads` says so.
            answered: _,
            promised,
            heartbeat_due,
            told_commit,
            loading,
            loaded,
            witness,
            // The configuration says so.
            votes: _,
        } = self;
        let age = |at: Time, most: Duration| common.now.since(at).min(most);
        (peer, matched, next, request, heartbeat_due, told_commit).hash(into);
        (before_loss, loading.is_some(), loaded, witness).hash(into);
        (*window)
            .min(common.settings.max_appends_in_flight)
            .hash(into);
        if common.settings.lease.is_some() {
            promised.fingerprint(common.now, into);
        }
        if common.settings.check_quorum {
            age(*heard, common.settings.election_timeout).hash(into);
        }
        sequel.map(|sequel| sequel.last).hash(into);
        let unanswered = |sent| age(sent, common.settings.resend_after);
        match mode {
            Mode::Probe {
                outstanding,
                with_entries,
            } => {
                let outstanding = outstanding.map(|(request, sent)| (request, unanswered(sent)));
                (outstanding, with_entries).hash(into);
            }
            Mode::Replicate { in_flight, bytes } => {
                bytes.hash(into);
                for sent in in_flight {
                    (sent.request, sent.last, sent.bytes, unanswered(sent.sent)).hash(into);
                }
            }
            Mode::Snapshot(transfer) => transfer.fingerprint(unanswered, into),
        }
        discriminant(mode).hash(into);
    }

    /// The last entry that may be sent to it now.
    ///
    /// Who does not vote gets what is committed (docs/deviations.md, members): it may be asked for its vote by
    /// a configuration that it does not hold yet, and must not refuse it for an entry that nobody holds who may
    /// lead.
    pub(crate) fn sendable(&self, common: &Common) -> LogIndex {
        let last = match self.votes {
            true => common.last().index,
            false => common.commit_index,
        };
        self.witness.map_or(last, |bound| last.min(bound))
    }

    /// The last entry that was sent without waiting for an answer and has none.
    #[cfg_attr(no_invariants, expect(dead_code, reason = "nothing is checked"))]
    pub(crate) fn sent_through(&self) -> LogIndex {
        match &self.mode {
            Mode::Replicate { in_flight, .. } => in_flight.back().map(|sent| sent.last),
            Mode::Probe { .. } | Mode::Snapshot(_) => None,
        }
        .unwrap_or_default()
    }

    /// For a witness, the last entry that it may be told of.
    pub(crate) const fn witness(&self) -> Option<LogIndex> {
        self.witness
    }

    /// Whether it votes in a half of the configuration in force.
    pub(crate) const fn votes(&self) -> bool {
        self.votes
    }

    /// Whether `number` is the load this follower waits for.
    pub(crate) fn awaits(&self, number: u64) -> bool {
        self.loading == Some(number)
    }

    /// What was sent may be lost. The next request probes without entries: if they did arrive,
    /// none is sent twice.
    pub(crate) fn suspect_loss(&mut self) {
        if let Mode::Snapshot(transfer) = &mut self.mode {
            transfer.suspect_loss();
            return;
        }
        self.mode = Mode::Probe {
            outstanding: None,
            with_entries: false,
        };
    }
}
