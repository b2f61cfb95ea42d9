//! Clients that have nothing to ask for a while and say that they are there, so that their
//! sessions do not end for want of use.
//!
//! A word that is lost is not said again before the plan has it said again: a client that is
//! unlucky for long loses its session like one that says nothing, and is told so.

use std::task::{Context, Poll};

use super::World;
use crate::checkers::Violation;
use crate::checkers::sessions::Ending;
use crate::client::Kept;
use crate::markers::Marker;
use crate::network::node_id;
use crate::process::Node;
use crate::subject::Subject;

impl<S: Subject> World<'_, S> {
    /// A client says to a node that it is there.
    pub(super) fn say_it_is_there(&mut self, number: usize) {
        let count = self.nodes.len();
        let Some(client) = self.clients.get_mut(number) else {
            return;
        };
        let first = client.next_listener(count);
        let mut all = (0..count).map(|ahead| (first + ahead) % count.max(1));
        // A witness answers nobody.
        let Some(node) = all.find(|node| !self.plan.is_witness(*node)) else {
            return;
        };
        let Some(handle) = self.nodes.get(node).and_then(Node::handle) else {
            return;
        };
        if client.keep(node, handle) {
            let said = "says that it is there";
            self.tell(Some(node), format_args!("client {number} {said}"));
            self.record_note(Some(node), format_args!("client {number} {said}"));
        }
    }

    /// Looks what came of it.
    pub(super) fn poll_keeping(&mut self, number: usize) -> Result<(), Violation> {
        let Some(client) = self.clients.get_mut(number) else {
            return Ok(());
        };
        let Some(told) = client.keeping.as_ref().map(|keeping| keeping.node) else {
            return Ok(());
        };
        let waker = client.waker.clone();
        let Poll::Ready(kept) = client.poll_keeping(&mut Context::from_waker(&waker)) else {
            return Ok(());
        };
        let (now, node) = (self.schedule.now(), node_id(told));
        match kept {
            Kept::Unknown => return Ok(()),
            Kept::Open(session) => {
                self.checks.told_kept(now, node, session)?;
                self.checks.mark(Marker::SessionKept);
            }
            Kept::Ended(session) => {
                let word = (session, 0);
                self.checks
                    .told_of_session(now, node, word, Ending::Expired)?;
                self.checks.mark(Marker::SessionKeptTooLate);
            }
        }
        let open = matches!(kept, Kept::Open(_));
        self.fold(u64::from(open));
        self.tell(
            Some(told),
            format_args!("client {number} hears that its session is open: {open}"),
        );
        Ok(())
    }

    /// A node is gone, and with it what it would have said to a client.
    pub(super) fn forget_keeping(&mut self, number: usize, node: usize) {
        if let Some(client) = self.clients.get_mut(number) {
            client.keeping.take_if(|keeping| keeping.node == node);
        }
    }
}
