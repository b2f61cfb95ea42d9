//! The end of requests whose time is over, and of the time of some who wait for one.

use raft_core::time::Time;

use super::slab::Key;
use super::{Asker, ReadVerdict, Request, Source, State, Tickets, Work, unsent};
use crate::error::{SubmitError, Uncertain};

impl Tickets {
    /// Gives a request whose time is over the outcome that is certain.
    pub(super) fn end_overdue(&mut self, key: Key, why: Uncertain) {
        let Some(request) = self.request(key) else {
            return;
        };
        match (&request.source, &request.work) {
            (Source::Desk { own, .. }, Work::Command { header, .. }) => {
                let abandoned = (*own && request.is_exposed()).then_some(header.serial);
                let error = request.without_outcome(why);
                if let Some(serial) = abandoned {
                    self.own.abandon(serial);
                }
                self.finish(key, Err(error));
            }
            (Source::Read, Work::Read { number }) => {
                let verdict = match why {
                    Uncertain::Removed => ReadVerdict::Removed,
                    Uncertain::TimedOut | Uncertain::Stopped | Uncertain::Skipped => {
                        ReadVerdict::TimedOut
                    }
                };
                self.reads.push((*number, verdict));
                self.remove(key);
            }
            // A ticket at the hull always comes back, and until then a second copy need not go.
            (Source::Node { .. }, _) if request.state == State::Proposed => {}
            (Source::Desk { .. } | Source::OwnSession | Source::Read | Source::Node { .. }, _) => {
                self.remove(key);
            }
        }
    }

    /// Tells those whose own time is over, while the request goes on for others. A serial of the own
    /// session stays with them: it is given up when nobody waits for it any more.
    pub(super) fn tell_overdue(&mut self, key: Key, now: Time) {
        let Some(request) = self.slab.edit(key) else {
            return;
        };
        let error = request.without_outcome(Uncertain::TimedOut);
        let Source::Desk { first, joined, .. } = &mut request.source else {
            return;
        };
        let outcomes = &mut self.outcomes;
        let mut waits_on = |asker: &Asker| {
            let waits_on = asker.until > now;
            if !waits_on {
                outcomes.push((asker.ask, Err(error)));
            }
            waits_on
        };
        *first = first.filter(&mut waits_on);
        joined.retain(waits_on);
    }
}

impl Request {
    /// Whether several have asked for it, each of whom has its own time.
    pub(super) fn is_joined(&self) -> bool {
        match &self.source {
            Source::Desk { joined, .. } => !joined.is_empty(),
            Source::OwnSession | Source::Read | Source::Node { .. } => false,
        }
    }

    /// What is said of a command that nothing was heard of.
    const fn without_outcome(&self, why: Uncertain) -> SubmitError {
        match &self.work {
            Work::Command { header, .. } if self.is_exposed() => SubmitError::Unknown {
                session: header.session,
                serial: header.serial,
                why,
            },
            Work::Command { .. } | Work::Read { .. } => unsent(why),
        }
    }
}
