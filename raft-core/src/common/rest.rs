//! Memory that is kept for what comes next, and given back when nothing comes.

use alloc::collections::VecDeque;

use super::Common;
use super::out::Out;

impl Common {
    /// Whether nothing was appended or committed for an election timeout.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.now >= self.busy.after(self.settings.election_timeout)
    }

    /// Gives back the memory of queues in which nothing stands: whoever holds many hulls at rest pays
    /// for each of them. While there is work it stays, or each proposal would ask for it anew.
    pub(crate) fn give_back(&mut self) {
        self.random.give_back();
        self.applying.give_back();
        self.configurations.give_back();
        self.snapshots.give_back();
        self.entries.give_back();
        self.disk.give_back();
        self.out.give_back(Out::is_empty);
    }
}

/// Gives back the memory of a queue, if nothing stands in it.
pub(crate) fn give_back<T>(queue: &mut VecDeque<T>) {
    if queue.is_empty() && queue.capacity() > 0 {
        *queue = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever holds many groups pays for each: what there mostly is none of lies aside.
    #[test]
    fn what_every_hull_has_is_small() {
        let bytes = size_of::<Common>();
        assert!(bytes <= 432, "{bytes} bytes");
    }

    #[test]
    fn an_empty_queue_gives_its_memory_back_and_another_keeps_it() {
        let mut queue = VecDeque::from([1]);
        give_back(&mut queue);
        assert_eq!(queue, [1]);
        queue.clear();
        give_back(&mut queue);
        assert_eq!(queue.capacity(), 0);
    }
}
