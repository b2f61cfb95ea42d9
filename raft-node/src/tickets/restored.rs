//! What becomes of requests when a snapshot takes the place of the state: the entries it stands for
//! are never applied here, so that whoever waits for one of them has to be found in the sessions.

use super::{Key, Source, Tickets, Uncertain};
use crate::session::{CONTROL_SESSION, NO_SERIAL, Recalled, Sessions};
use crate::state_machine::StateMachine;

impl Tickets {
    /// Answers all whose commands the snapshot knows, and has all go on that it need not know.
    pub(crate) fn on_restored<S: StateMachine>(&mut self, sessions: &Sessions<S>) {
        self.find_openings(sessions);
        let names: Vec<(u64, u64)> = self.by_command.keys().copied().collect();
        for (session, serial) in names {
            if session == CONTROL_SESSION {
                continue;
            }
            match sessions.recall(session, serial) {
                // Sessions keep no account of words that their clients are there.
                Recalled::Answered(_) | Recalled::NotYet if serial == NO_SERIAL => {
                    self.say_again(session);
                }
                Recalled::Answered(answer) => self.on_applied(session, serial, answer),
                Recalled::NotYet => {}
                Recalled::SessionGone => self.lose_track(session, serial),
            }
        }
        let own = self.own.number();
        let ended = own.is_some_and(|own| sessions.recall(own, 0) == Recalled::SessionGone);
        if let Some(session) = own.filter(|_| ended) {
            // Whatever was ever sent has its outcome by now; the rest goes under a new session.
            self.on_own_session_ended(session);
        }
    }

    /// Sessions that were opened among the entries the snapshot stands for.
    fn find_openings<S: StateMachine>(&mut self, sessions: &Sessions<S>) {
        for (opener, session) in sessions.opened() {
            self.on_opened(opener, session);
        }
        // One that is committed and not found was ended among the same entries.
        let openings = self
            .by_command
            .range((CONTROL_SESSION, 0)..(CONTROL_SESSION + 1, 0));
        let keys: Vec<Key> = openings.map(|(_, key)| *key).collect();
        for key in keys {
            if self.request(key).is_some_and(super::Request::is_committed) {
                self.make_ready(key);
            }
        }
    }

    /// A word that is committed may be among the entries the snapshot stands for, and then it is
    /// never applied here. It goes out once more, which does no harm; any other does so by itself.
    fn say_again(&mut self, session: u64) {
        let key = self.by_command.get(&(session, NO_SERIAL)).copied();
        let is_committed = |key: &Key| self.request(*key).is_some_and(super::Request::is_committed);
        if let Some(key) = key.filter(is_committed) {
            self.make_ready(key);
        }
    }

    /// A command whose session has ended: whether before the command was applied or after it,
    /// nobody can say any more, unless it never was in any log.
    fn lose_track(&mut self, session: u64, serial: u64) {
        let Some(key) = self.by_command.get(&(session, serial)).copied() else {
            return;
        };
        let Some(request) = self.request(key) else {
            return;
        };
        let proposed_for_others = matches!(request.source, Source::Node { .. });
        if request.is_exposed() && !proposed_for_others {
            self.end_overdue(key, Uncertain::Skipped);
        }
    }
}
