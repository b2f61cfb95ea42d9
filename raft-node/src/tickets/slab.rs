//! Where requests stand: slots that are used again, each life of a slot with a generation.

use raft_core::ids::Ticket;

use super::Request;

/// A slot in one of its lives; doubles as the hull's ticket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Key {
    slot: u32,
    generation: u32,
}

impl Key {
    pub(super) const fn ticket(self) -> Ticket {
        Ticket::new((self.generation as u64) << 32 | self.slot as u64)
    }

    #[expect(clippy::cast_possible_truncation, reason = "takes a packed pair apart")]
    pub(super) const fn of_ticket(ticket: Ticket) -> Self {
        Self {
            slot: ticket.get() as u32,
            generation: (ticket.get() >> 32) as u32,
        }
    }
}

/// See the module.
///
/// - A slot stands in `free` exactly when it holds no request.
#[derive(Debug)]
pub(super) struct Slab {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    request: Option<Request>,
}

impl Slab {
    pub(super) const fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
        }
    }

    pub(super) fn insert(&mut self, request: Request) -> Key {
        if let Some(number) = self.free.pop() {
            if let Some(slot) = self.slots.get_mut(number as usize) {
                slot.request = Some(request);
                return Key {
                    slot: number,
                    generation: slot.generation,
                };
            }
        }
        // The limits on requests keep this far below 2^32.
        let slot = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        self.slots.push(Slot {
            generation: 0,
            request: Some(request),
        });
        Key {
            slot,
            generation: 0,
        }
    }

    pub(super) fn take(&mut self, key: Key) -> Option<Request> {
        let slot = self
            .slots
            .get_mut(key.slot as usize)
            .filter(|slot| slot.generation == key.generation)?;
        let request = slot.request.take()?;
        slot.generation = slot.generation.wrapping_add(1) & LAST_GENERATION;
        self.free.push(key.slot);
        Some(request)
    }

    pub(super) fn get(&self, key: Key) -> Option<&Request> {
        let slot = self.slots.get(key.slot as usize)?;
        let request = slot.request.as_ref();
        request.filter(|_| slot.generation == key.generation)
    }

    pub(super) fn edit(&mut self, key: Key) -> Option<&mut Request> {
        let slot = self.slots.get_mut(key.slot as usize)?;
        let request = slot.request.as_mut();
        request.filter(|_| slot.generation == key.generation)
    }

    /// The request in a slot, if there is one; slots count from 0 to [`Slab::slots`].
    pub(super) fn key_at(&self, slot: usize) -> Option<Key> {
        let found = self.slots.get(slot)?;
        found.request.as_ref()?;
        Some(Key {
            slot: u32::try_from(slot).ok()?,
            generation: found.generation,
        })
    }

    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn requests(&self) -> usize {
        self.slots.len().saturating_sub(self.free.len())
    }
}

/// Half of what would fit: tickets from 2^63 on are not of this slab. A busy slot is used that often
/// within hours, and begins again then.
const LAST_GENERATION: u32 = u32::MAX >> 1;

#[cfg(test)]
mod tests {
    use raft_core::time::Time;

    use super::*;
    use crate::tickets::{Source, State, Work};
    use crate::transfer::FIRST_TICKET;

    fn request() -> Request {
        Request {
            work: Work::Read { number: 1 },
            source: Source::Read,
            state: State::Ready,
            deadline: Time::ZERO,
            exposed: false,
            attempts: 0,
        }
    }

    #[test]
    fn a_slot_that_is_used_ever_so_often_makes_no_ticket_of_a_request_to_hand_over() {
        let mut slab = Slab::new();
        let first = slab.insert(request());
        slab.take(first).unwrap();
        slab.slots[0].generation = LAST_GENERATION;
        let last = slab.insert(request());
        assert!(last.ticket().get() < FIRST_TICKET);
        slab.take(last).unwrap();
        assert_eq!(slab.insert(request()), first);
        assert!(slab.get(last).is_none());
    }
}
