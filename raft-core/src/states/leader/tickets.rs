//! Which proposals of this leader's are not committed yet.

use alloc::collections::VecDeque;

use crate::common::Common;
use crate::common::rest::give_back;
use crate::few::Few;
use crate::hull::Doubt;
use crate::ids::{EntryId, LogIndex, Term, Ticket};

/// The tickets of uncommitted proposals, batch by batch in the order of their entries.
#[derive(Clone, Hash, Debug, Default)]
pub(crate) struct Tickets {
    batches: VecDeque<Batch>,
    bytes: usize,
}

#[derive(Clone, Hash, Debug)]
struct Batch {
    /// The entry of the first ticket; the others' follow it.
    first: LogIndex,
    tickets: Few<Ticket>,
    bytes: usize,
}

impl Tickets {
    pub(crate) fn add(&mut self, first: LogIndex, tickets: Few<Ticket>, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.batches.push_back(Batch {
            first,
            tickets,
            bytes,
        });
    }

    /// Payload bytes proposed and not committed.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether the bytes are those of all that is open, which is looked at while that is little.
    #[cfg_attr(no_invariants, expect(dead_code, reason = "nothing is checked"))]
    pub(crate) fn is_counted_right(&self) -> bool {
        match self.batches.len() {
            0 => self.bytes == 0,
            1..=A_FEW => {
                let bytes = self.batches.iter().map(|batch| batch.bytes);
                bytes.fold(0, usize::saturating_add) == self.bytes
            }
            _ => true,
        }
    }

    /// Gives back the memory of what is empty.
    pub(crate) fn give_back(&mut self) {
        give_back(&mut self.batches);
    }

    /// Resolves all tickets whose entries are committed.
    pub(crate) fn resolve_through(&mut self, common: &mut Common) {
        let term = common.term();
        while let Some(batch) = self.batches.front_mut() {
            let committed = common.commit_index.next().distance_from(batch.first);
            let committed = usize::try_from(committed).unwrap_or(usize::MAX);
            if committed == 0 {
                break;
            }
            let first = EntryId::new(term, batch.first);
            if committed < batch.tickets.len() {
                let rest = batch.tickets.split_off(committed);
                let done = core::mem::replace(&mut batch.tickets, rest);
                batch.first = common.commit_index.next();
                common.resolved().committed(done, first);
                break;
            }
            self.bytes = self.bytes.saturating_sub(batch.bytes);
            common
                .resolved()
                .committed(core::mem::take(&mut batch.tickets), first);
            self.batches.pop_front();
        }
    }

    /// Gives all tickets back unresolved: their entries are in this log, and may be committed by
    /// a later leader or overwritten.
    /// `term` is the one they were appended in, which may be over.
    pub(crate) fn abandon(self, common: &mut Common, term: Term, why: Doubt) {
        for batch in self.batches {
            common
                .resolved()
                .unknown(batch.tickets, EntryId::new(term, batch.first), why);
        }
    }
}

/// So many batches are added up at each step.
const A_FEW: usize = 8;
