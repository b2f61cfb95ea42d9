//! What is on its way of a snapshot to one follower (Figure 13; paper 7).
//!
//! Values in, verdicts out: this knows neither messages nor the store.

use alloc::collections::VecDeque;
use core::hash::{Hash, Hasher};
use core::time::Duration;

use bytes::Bytes;

use crate::common::Common;
use crate::snapshot::{Snapshot, SnapshotId};
use crate::time::Time;

/// A snapshot on its way to a follower.
///
/// - `stored` is at most the snapshot's length.
/// - The parts in flight follow each other without a gap, the first where the follower has come to;
///   there are none while that is not known.
/// - What was read ahead begins where the last of them ends, when that is known, and is not empty.
#[derive(Clone, Debug)]
pub(crate) struct Transfer {
    snapshot: Snapshot,
    /// How much of it the follower has, unless something may have been lost since it said so.
    stored: Option<u64>,
    /// The most that the follower ever had, and since when.
    most: (u64, Time),
    /// A request to be answered before anything follows: the question what is there, or the one in
    /// answer to which all was there, and is put in place.
    asked: Option<u64>,
    /// Parts that are not answered yet, in the order sent.
    in_flight: VecDeque<Part>,
    /// Since when the transfer waits for the follower to say something.
    waiting_since: Option<Time>,
    /// What was read of the content and not sent yet, and where it begins.
    ahead: Option<(u64, Bytes)>,
    /// The job that reads what comes next, and from where.
    reading: Option<(u64, u64)>,
    /// Whether one such job has failed: another snapshot may do better.
    unreadable: bool,
}

/// A part that was sent.
#[derive(Clone, Copy, Hash, Debug)]
struct Part {
    request: u64,
    /// Where it ends in the content.
    end: u64,
}

/// How much may be under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// Parts.
    pub(super) requests: usize,
    /// Bytes of content sent or read ahead; a single part goes however long it is.
    pub(super) bytes: u64,
    /// Bytes of one part.
    pub(super) part: usize,
}

/// What is to be done next for a follower.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// Ask what it has.
    Ask,
    /// Send what was read.
    Send,
    /// Read on.
    Read {
        /// From here.
        from: u64,
    },
    /// Nothing, before something comes back.
    Wait,
}

/// What an answer says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Told {
    /// So many parts were taken.
    Taken {
        /// How many.
        parts: usize,
    },
    /// A part did not begin where the follower had come to, or it had no room: it and all behind it
    /// go out again, and so many were under way.
    Refused {
        /// How many.
        parts: usize,
    },
    /// It answers nothing that is still asked.
    Stale,
    /// Nobody can have so much.
    Impossible,
}

impl Transfer {
    pub(super) const fn new(snapshot: Snapshot, now: Time) -> Self {
        Self {
            snapshot,
            stored: None,
            most: (0, now),
            asked: None,
            in_flight: VecDeque::new(),
            waiting_since: None,
            ahead: None,
            reading: None,
            unreadable: false,
        }
    }

    pub(super) const fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    pub(crate) const fn id(&self) -> SnapshotId {
        self.snapshot.id
    }

    pub(super) const fn outstanding_since(&self) -> Option<Time> {
        self.waiting_since
    }

    /// How much of it the follower is known to have.
    pub(crate) fn stored(&self) -> u64 {
        self.stored.unwrap_or(0)
    }

    /// Where the next part to be sent begins, if that is known.
    fn sent(&self) -> Option<u64> {
        let stored = self.stored?;
        Some(self.in_flight.back().map_or(stored, |part| part.end))
    }

    /// The bytes of content that are not answered yet.
    fn unanswered(&self) -> u64 {
        self.sent().unwrap_or(0).saturating_sub(self.stored())
    }

    /// The bytes of content in memory: those on their way, and those read ahead.
    pub(crate) fn bytes(&self) -> usize {
        let ahead = self.ahead.as_ref().map_or(0, |(_, part)| part.len());
        usize::try_from(self.unanswered())
            .unwrap_or(usize::MAX)
            .saturating_add(ahead)
    }

    /// Whether what is under way follows what the follower has, and what was read follows that.
    #[cfg_attr(no_invariants, expect(dead_code, reason = "nothing is checked"))]
    pub(crate) fn is_in_order(&self) -> bool {
        let Some(mut end) = self.stored else {
            return self.in_flight.is_empty();
        };
        let follows = |part: &Part| core::mem::replace(&mut end, part.end) < part.end;
        let parts = self.in_flight.iter().all(follows);
        let ahead = self.ahead.as_ref();
        parts && ahead.is_none_or(|(at, part)| *at == end && !part.is_empty())
    }

    /// What is to be done next.
    pub(super) fn next_step(&self, window: &Window) -> Step {
        if self.asked.is_some() || self.unreadable {
            return Step::Wait;
        }
        let Some(from) = self.sent() else {
            return Step::Ask;
        };
        if self.ahead.is_some() {
            let full = self.in_flight.len() >= window.requests;
            return if full { Step::Wait } else { Step::Send };
        }
        let with_next = self.unanswered().saturating_add(window.part as u64);
        let full = !self.in_flight.is_empty() && with_next > window.bytes;
        if full || self.reading.is_some() || from >= self.snapshot.id.length {
            Step::Wait
        } else {
            Step::Read { from }
        }
    }

    /// The follower is asked what it has.
    pub(super) const fn note_asked(&mut self, request: u64, now: Time) {
        self.asked = Some(request);
        self.waiting_since = Some(now);
    }

    /// The store is asked to read on.
    pub(super) const fn note_reading(&mut self, job: u64, from: u64) {
        self.reading = Some((job, from));
    }

    /// The next part, and where it begins, to be sent under this number.
    pub(super) fn take_part(
        &mut self,
        request: u64,
        room: usize,
        now: Time,
    ) -> Option<(u64, Bytes)> {
        // [F13.IS.10] Each part begins where the one before it ends.
        let (offset, mut part) = self.ahead.take()?;
        let rest = part.split_off(part.len().min(room));
        let end = offset.saturating_add(part.len() as u64);
        if !rest.is_empty() {
            self.ahead = Some((end, rest));
        }
        self.in_flight.push_back(Part { request, end });
        self.waiting_since.get_or_insert(now);
        Some((offset, part))
    }

    /// Whether job `number` is the present one that reads.
    pub(super) fn reads_under(&self, number: u64) -> bool {
        self.reading.is_some_and(|(job, _)| job == number)
    }

    /// What comes next was read, or could not be.
    pub(super) fn on_read(&mut self, part: Option<&Bytes>) {
        let Some((_, from)) = self.reading.take() else {
            return;
        };
        match part {
            // The follower may have said since that it has more, or less.
            Some(part) => self.keep_ahead(from, part),
            None => self.unreadable = true,
        }
    }

    /// Keeps what was read from `at` on, from where the next part begins, if that lies within.
    fn keep_ahead(&mut self, at: u64, part: &Bytes) {
        self.ahead = self.sent().and_then(|sent| {
            let skipped = usize::try_from(sent.checked_sub(at)?).ok()?;
            (skipped < part.len()).then(|| (sent, part.slice(skipped..)))
        });
    }

    /// The follower says in answer to this request that it has so much.
    pub(super) fn on_stored(&mut self, request: u64, stored: u64, now: Time) -> Told {
        let mut parts = self.in_flight.iter();
        let part = parts.find(|part| part.request == request).copied();
        if part.is_none() && self.asked != Some(request) {
            return Told::Stale;
        }
        let length = self.snapshot.id.length;
        if stored > length {
            return Told::Impossible;
        }
        let before = self.in_flight.len();
        self.asked = None;
        let told = if part.is_some_and(|part| stored < part.end) {
            self.in_flight.clear();
            Told::Refused { parts: before }
        } else {
            // Also what is answered together with it, or by a follower that has it from elsewhere.
            self.in_flight.retain(|part| part.end > stored);
            let parts = before.saturating_sub(self.in_flight.len());
            Told::Taken { parts }
        };
        if stored == length {
            // It is put in place now; the answer to the same request says when it is.
            self.asked = Some(request);
        }
        if stored > self.most.0 {
            self.most = (stored, now);
        }
        self.stored = Some(stored);
        let waits = self.asked.is_some() || !self.in_flight.is_empty();
        self.waiting_since = waits.then_some(now);
        if let Some((at, part)) = self.ahead.take() {
            self.keep_ahead(at, &part);
        }
        told
    }

    /// What was sent may be lost, and the follower may have been restarted: it is asked again.
    pub(super) fn suspect_loss(&mut self) {
        self.stored = None;
        self.asked = None;
        self.in_flight.clear();
        self.waiting_since = None;
    }

    /// Whether the snapshot can't be read, or the follower has got no further for so long that the
    /// log need not be kept for it: it may answer heartbeats for ever with a store that can't be
    /// written to.
    pub(super) fn is_stalled(&self, common: &Common) -> bool {
        let (_, since) = self.most;
        self.unreadable || is_too_long(common, since)
    }

    /// What counts in [`crate::hull::Hull::fingerprint`].
    pub(super) fn fingerprint(&self, age: impl Fn(Time) -> Duration, into: &mut impl Hasher) {
        let Self {
            snapshot,
            stored,
            most: (most, since),
            asked,
            in_flight,
            waiting_since,
            ahead,
            reading,
            unreadable,
        } = self;
        (snapshot, stored, asked, in_flight, ahead).hash(into);
        reading.map(|(_, from)| from).hash(into);
        (most, age(*since), unreadable).hash(into);
        waiting_since.map(age).hash(into);
    }
}

/// Whether a follower that gets no further since then has had the log kept for it for long enough.
pub(super) fn is_too_long(common: &Common, since: Time) -> bool {
    let timeout = common.settings.election_timeout;
    common.now.since(since) >= timeout.saturating_mul(STALLED_AFTER)
}

/// Of election timeouts. Long beside what any part takes, so that who is slow is not begun with anew;
/// short beside what a log grows by meanwhile.
const STALLED_AFTER: u32 = 10;
