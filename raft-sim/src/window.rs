//! One session as its client keeps it: who is in it, and which of its commands are still open.
//!
//! A client that pipelines is several [`crate::client::Client`]s, one for each command it keeps
//! under way, that share one window. A window knows nothing of nodes or time.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

/// A window, shared by the clients that submit under it.
pub(crate) type Shared = Rc<RefCell<Window>>;

/// A session and its commands under way.
#[derive(Debug, Default)]
pub(crate) struct Window {
    session: Option<u64>,
    last_serial: u64,
    /// The serials that are neither answered nor given up.
    open: BTreeSet<u64>,
}

/// What a command is called in its session: for good, however often it is tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ticket {
    pub(crate) session: u64,
    pub(crate) serial: u64,
    /// All below were answered or given up when it was last tried.
    pub(crate) settled: u64,
}

impl Window {
    /// Whether there is a session.
    pub(crate) const fn has_session(&self) -> bool {
        self.session.is_some()
    }

    /// A session was opened. One that is already there stays: the new one then harms nobody.
    pub(crate) fn enter(&mut self, session: u64) {
        if self.session.is_none() {
            *self = Self {
                session: Some(session),
                ..Self::default()
            };
        }
    }

    /// The ticket of a new command; `None` without a session.
    pub(crate) fn draw(&mut self) -> Option<Ticket> {
        let session = self.session?;
        self.last_serial += 1;
        let serial = self.last_serial;
        self.open.insert(serial);
        Some(self.renew(Ticket {
            session,
            serial,
            settled: 0,
        }))
    }

    /// The session and what is settled in it, for a word that its client is there; `None` without one.
    pub(crate) fn settled(&self) -> Option<(u64, u64)> {
        let lowest = self.open.first().copied();
        Some((self.session?, lowest.unwrap_or(self.last_serial + 1)))
    }

    /// This session is no more, as its client has heard.
    pub(crate) fn end(&mut self, session: u64) {
        if self.session == Some(session) {
            *self = Self::default();
        }
    }

    /// The ticket as the next try has it. Of a session that was left, nothing more is settled.
    pub(crate) fn renew(&self, ticket: Ticket) -> Ticket {
        let lowest = self.open.first().copied();
        let settled = lowest
            .filter(|_| self.session == Some(ticket.session))
            .unwrap_or(ticket.settled);
        Ticket { settled, ..ticket }
    }

    /// The command is answered or given up.
    pub(crate) fn close(&mut self, ticket: Ticket) {
        if self.session == Some(ticket.session) {
            self.open.remove(&ticket.serial);
        }
    }

    /// The command's session is no more, as one of its commands has heard. The others under way
    /// hear it for themselves.
    pub(crate) fn leave(&mut self, ticket: Ticket) {
        self.end(ticket.session);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serials(window: &Window, ticket: Ticket) -> (u64, u64, u64) {
        let Ticket {
            session,
            serial,
            settled,
        } = window.renew(ticket);
        (session, serial, settled)
    }

    #[test]
    fn the_lowest_open_command_says_what_is_settled() {
        let mut window = Window::default();
        assert_eq!(window.draw(), None);
        window.enter(7);
        let tickets: Vec<Ticket> = (0..3).filter_map(|_| window.draw()).collect();
        let &[first, second, third] = tickets.as_slice() else {
            panic!("three tickets were drawn");
        };
        window.close(second);
        assert_eq!(serials(&window, third), (7, 3, 1));
        window.close(first);
        assert_eq!(serials(&window, third), (7, 3, 3));
        assert_eq!(window.settled(), Some((7, 3)));
        window.close(third);
        assert_eq!(window.settled(), Some((7, 4)), "nothing is open");
        window.end(8);
        assert!(window.has_session(), "another one ended");
        window.end(7);
        assert_eq!(window.settled(), None);
    }

    #[test]
    fn a_command_of_a_session_that_was_left_settles_nothing_more() {
        let mut window = Window::default();
        window.enter(7);
        window.enter(8);
        let (first, second) = (window.draw(), window.draw());
        let (Some(first), Some(second)) = (first, second) else {
            panic!("two tickets were drawn");
        };
        window.leave(first);
        assert!(!window.has_session());
        window.enter(9);
        let other = window.draw().map(|ticket| serials(&window, ticket));
        assert_eq!(other, Some((9, 1, 1)));
        window.close(second);
        window.leave(second);
        assert!(window.has_session());
        assert_eq!(serials(&window, second), (7, 2, 1));
    }
}
