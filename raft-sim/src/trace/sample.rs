//! A small recording, made by hand: a little of everything, for the tests of what draws it.

use std::borrow::Cow;

use raft_core::ids::{LogIndex, NodeId, Term};
use raft_core::time::Time;

use super::{
    Broken, Fate, Follower, Happening, Line, LogChange, Recording, Said, Sent, State, Step, Struck,
    VERSION, View, What,
};

/// Two nodes, an election, a command, a lost letter, a cut, a crash, and a property that breaks.
pub(crate) fn recording() -> Recording {
    let mut told = Teller::default();
    told.at(1, 1, What::Started).at(1, 2, What::Started);
    told.step((2, 1), "F2.CAN.1", state("candidate", 1, 0), &[]);
    told.send((2, 1), 2, "RequestVote", Fate::Travels);
    told.arrive(3, 2, 1, 1);
    told.step((3, 2), "F2.RV.2", voted(state("follower", 1, 0), 1), &[]);
    told.send((3, 2), 1, "RequestVoteReply", Fate::Travels);
    told.arrive(5, 1, 2, 2);
    told.step(
        (5, 1),
        "F2.CAN.5",
        leads(state("leader", 1, 1)),
        &[(1, "no-op")],
    );
    told.send((5, 1), 2, "AppendEntries", Fate::Lost);
    let cut = Struck {
        fault: 0,
        name: "Cut".to_owned(),
        text: "Cut { .. }".to_owned(),
        links: vec![(NodeId::new(1), NodeId::new(2))],
    };
    told.world(6, What::Struck(cut));
    told.world(
        7,
        What::Asked {
            client: 0,
            operation: 4,
            text: "k1+5".to_owned(),
        },
    );
    told.at(7, 1, What::Turned { client: 0 });
    let why = "crashes and loses all that was not synced".to_owned();
    told.at(8, 2, What::Stopped { why });
    told.world(9, What::Over { fault: 0 });
    told.end(10)
}

fn state(role: &'static str, term: u64, last: u64) -> State {
    State {
        role: Cow::Borrowed(role),
        term: Term::new(term),
        last: LogIndex::new(last),
        ..State::default()
    }
}

fn voted(state: State, vote: u64) -> State {
    State {
        vote: Some(NodeId::new(vote)),
        ..state
    }
}

fn leads(state: State) -> State {
    State {
        commit: LogIndex::new(1),
        followers: vec![Follower {
            node: NodeId::new(2),
            matched: LogIndex::ZERO,
            next: LogIndex::new(1),
        }],
        ..voted(state, 1)
    }
}

#[derive(Default)]
struct Teller {
    happenings: Vec<Happening>,
    letters: u64,
}

impl Teller {
    fn push(&mut self, ms: u64, node: Option<u64>, what: What) -> &mut Self {
        self.happenings.push(Happening {
            number: self.happenings.len() as u64,
            at: Time::from_millis(ms),
            node: node.map(NodeId::new),
            what,
        });
        self
    }

    fn at(&mut self, ms: u64, node: u64, what: What) -> &mut Self {
        self.push(ms, Some(node), what)
    }

    fn world(&mut self, ms: u64, what: What) {
        self.push(ms, None, what);
    }

    fn step(
        &mut self,
        (ms, node): (u64, u64),
        rule: &'static str,
        state: State,
        log: &[(u64, &str)],
    ) {
        let line = |(term, text): &(u64, &str)| Line {
            term: Term::new(*term),
            text: (*text).to_owned(),
        };
        let change = LogChange {
            first: LogIndex::new(1),
            from: LogIndex::new(1),
            lines: log.iter().map(line).collect(),
        };
        let said = Said {
            rule: Cow::Borrowed(rule),
            text: format!("is {} in {}", state.role, state.term),
        };
        let step = Step {
            events: vec![said],
            state: Some(state),
            log: (!log.is_empty()).then_some(change),
        };
        self.at(ms, node, What::Stepped(step));
    }

    fn send(&mut self, (ms, from): (u64, u64), to: u64, kind: &'static str, fate: Fate) {
        self.letters += 1;
        let sent = Sent {
            letter: self.letters,
            to: NodeId::new(to),
            kind: Cow::Borrowed(kind),
            term: Some(Term::new(1)),
            text: "last 0@T0".to_owned(),
            fields: [(Cow::Borrowed("last"), "0@T0".to_owned())].into(),
            fate,
            copy: None,
        };
        self.at(ms, from, What::Sent(sent));
    }

    fn arrive(&mut self, ms: u64, to: u64, from: u64, letter: u64) {
        let from = NodeId::new(from);
        let taken = true;
        self.at(
            ms,
            to,
            What::Arrived {
                letter,
                from,
                taken,
            },
        );
    }

    fn end(&mut self, ms: u64) -> Recording {
        let property = "leader_completeness".to_owned();
        let text = "1@T1 is committed, but n2 lacks it".to_owned();
        let what = What::Violated {
            property: property.clone(),
            text: text.clone(),
        };
        self.at(ms, 2, what);
        Recording {
            version: VERSION,
            name: "Seed 47".to_owned(),
            seed: 47,
            replay: "raft-sim replay 47".to_owned(),
            settings: vec![("nodes".to_owned(), "2".to_owned())],
            clients: 1,
            start: vec![View::new(NodeId::new(1)), View::new(NodeId::new(2))],
            happenings: std::mem::take(&mut self.happenings),
            violation: Some(Broken {
                property,
                node: Some(NodeId::new(2)),
                at: Time::from_millis(ms),
                text,
            }),
            ..Recording::default()
        }
    }
}
