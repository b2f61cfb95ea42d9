//! Clients and what they see: from the moment an operation of the plan is due to the moment its
//! client knows what became of it, written into the history.

use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use raft_node::clock::Clock;

use super::World;
use super::event::Event;
use crate::checkers::{Fate, Violation, property};
use crate::client::{Conclusion, Current, Outcome};
use crate::linearizable::{self, Verdict};
use crate::lot::Key;
use crate::markers::Marker;
use crate::network::node_id;
use crate::subject::{Asking, Subject};
use crate::trace::What;
use crate::workload::{Action, Manner};

impl<S: Subject> World<'_, S> {
    /// An operation of the plan is due.
    pub(super) fn operation(&mut self, number: usize) -> Result<(), Violation> {
        let Some(operation) = self.plan.operations.get(number) else {
            return Ok(());
        };
        let number_of_client = operation.client as usize;
        if operation.action == Action::Keep {
            self.say_it_is_there(number_of_client);
            return self.poll_client(number_of_client);
        }
        let Some(client) = self.clients.get_mut(number_of_client) else {
            return Ok(());
        };
        if client.queue.len() < MOST_WAITING {
            client.queue.push_back(number);
        }
        self.go_on(number_of_client)
    }

    /// A client that needs an answer in the healed world asks for something, if it is idle.
    pub(super) fn probe(&mut self, client: usize) -> Result<(), Violation> {
        let place = self.plan.operations.len() + self.counters.operations as usize;
        match self.clients.get_mut(client) {
            Some(asking) if asking.current.is_none() && asking.queue.is_empty() => {
                asking.queue.push_back(place);
            }
            Some(_) | None => {}
        }
        self.go_on(client)
    }

    /// Looks whether a client has an answer.
    pub(super) fn poll_client(&mut self, number: usize) -> Result<(), Violation> {
        let Some(client) = self.clients.get_mut(number) else {
            return Ok(());
        };
        let waker = client.waker.clone();
        let asked = client.current.as_ref().map(|current| current.node);
        let told = client.keeping.as_ref().map(|keeping| keeping.node);
        // A paused node's answers stay in it.
        let is_paused = |node: Option<usize>| {
            let node = node.and_then(|node| self.nodes.get(node));
            node.is_some_and(|node| node.pauses > 0)
        };
        let (keeps_answer, keeps_word) = (is_paused(asked), is_paused(told));
        if keeps_answer || keeps_word {
            self.schedule.after(LATER, Event::Look { client: number });
        }
        if !keeps_word {
            self.poll_keeping(number)?;
        }
        let Some(client) = self.clients.get_mut(number).filter(|_| !keeps_answer) else {
            return Ok(());
        };
        match client.poll(&mut Context::from_waker(&waker)) {
            Poll::Pending => Ok(()),
            Poll::Ready(Outcome::SessionOpened) => self.turn(number),
            Poll::Ready(Outcome::Answered(reply)) => self.answered(number, reply),
            Poll::Ready(Outcome::Read { reply, due, seen }) => {
                let now = self.schedule.now();
                let node = node_id(asked.unwrap_or_default());
                self.checks.read_answered(now, node, due, seen)?;
                self.answered(number, reply)
            }
            Poll::Ready(Outcome::Failed(conclusion)) => self.conclude(number, conclusion),
            Poll::Ready(Outcome::TimedOut(conclusion)) => {
                self.had_its_time(number)?;
                self.conclude(number, conclusion)
            }
            Poll::Ready(Outcome::Ended { command, ending }) => {
                let now = self.schedule.now();
                let node = node_id(asked.unwrap_or_default());
                self.checks.told_of_session(now, node, command, ending)?;
                self.conclude(number, ending.conclusion())
            }
        }
    }

    /// A client is told that its time is over: it has had that, by the clock of the node that it asked.
    fn had_its_time(&self, number: usize) -> Result<(), Violation> {
        let client = self.clients.get(number);
        let Some(current) = client.and_then(|client| client.current.as_ref()) else {
            return Ok(());
        };
        let Some(node) = self.nodes.get(current.node) else {
            return Ok(());
        };
        let least = self.plan.tuning.request_timeout;
        let waited = node.clock.now().since(current.since);
        if waited >= least {
            return Ok(());
        }
        let text = format!(
            "client {number} is told after {waited:?} of {} that its time is over, which is {least:?}",
            node.id()
        );
        Err(self.violation(property::TICKETS, text))
    }

    /// A client has waited long enough for what it asked of a node.
    pub(super) fn lose_patience(&mut self, number: usize, attempt: u64) -> Result<(), Violation> {
        let Some(client) = self.clients.get_mut(number) else {
            return Ok(());
        };
        if client.attempt != attempt {
            return Ok(());
        }
        let Some(current) = &mut client.current else {
            return Ok(());
        };
        if current.waiting.take().is_none() {
            // It only rested before it tries again.
            return self.turn(number);
        }
        self.lost(number)
    }

    /// A node is gone: whoever waits for it will never hear from it.
    pub(super) fn desert(&mut self, node: usize) -> Result<(), Violation> {
        for number in 0..self.clients.len() {
            self.forget_keeping(number, node);
            let waits = self
                .clients
                .get_mut(number)
                .and_then(|client| client.current.as_mut())
                .filter(|current| current.node == node)
                .is_some_and(|current| current.waiting.take().is_some());
            if waits {
                self.lost(number)?;
            }
        }
        Ok(())
    }

    /// What a client waited for will never come.
    fn lost(&mut self, number: usize) -> Result<(), Violation> {
        let now = self.schedule.now();
        let submission = self
            .clients
            .get_mut(number)
            .and_then(|client| client.current.as_mut())
            .and_then(|current| current.submission.take());
        match submission {
            Some(submission) => {
                self.checks.resolved(now, submission, Fate::Lost)?;
                self.follow(number, Conclusion::Doubtful)
            }
            None => self.follow(number, Conclusion::Harmless),
        }
    }

    /// A client takes its next operation, if it has none and one waits.
    fn go_on(&mut self, number: usize) -> Result<(), Violation> {
        let waiting = self
            .clients
            .get_mut(number)
            .filter(|client| client.current.is_none())
            .and_then(|client| client.queue.pop_front());
        let Some(place) = waiting else {
            return Ok(());
        };
        let (operation, planned) = self.plan.operation(place);
        let lot = Key::Command.lot(self.plan.seed, &[operation]);
        let Ok(asking) = self.subject.step(operation, &planned, lot) else {
            let text = format!("operation {operation} can't be encoded");
            return Err(self.violation(property::NO_PANIC, text));
        };
        let Asking { asked, read } = asking;
        self.counters.operations += 1;
        if read.is_none() {
            self.checks.begun(&asked.command);
        }
        if self.trace.is_some() {
            let what = planned.action;
            self.tell(
                None,
                format_args!("client {number} begins {operation}: {what:?}"),
            );
        }
        if let Some(recorder) = &self.recorder {
            let meaning = self.subject.describe(&asked);
            let text = meaning.unwrap_or_else(|| format!("{:?}", planned.action));
            recorder.means(asked.command.clone(), text.clone());
            self.record(None, || What::Asked {
                client: number as u64,
                operation,
                text,
            });
        }
        let entry = self
            .history
            .invoke(number as u64, self.schedule.now(), asked.clone());
        if let Some(client) = self.clients.get_mut(number) {
            client.current = Some(Current::new(entry, asked, read));
        }
        self.turn(number)
    }

    /// A client turns to a node, the next one each time.
    fn turn(&mut self, number: usize) -> Result<(), Violation> {
        let now = self.schedule.now();
        let count = self.nodes.len();
        let waits = self.is_session_on_its_way(number);
        let healed = self.healing.is_some();
        let Some(client) = self.clients.get_mut(number) else {
            return Ok(());
        };
        client.attempt += 1;
        let attempt = client.attempt;
        if waits {
            let client = number;
            self.schedule
                .after(LATER * 4, Event::Patience { client, attempt });
            return Ok(());
        }
        // Who is no member can't answer for the cluster, and need not know it.
        let first = client.next_node(count);
        let mut all = (0..count).map(|ahead| (first + ahead) % count.max(1));
        let lives: Vec<_> = self.nodes.iter().map(super::Node::incarnation).collect();
        let life = |node: usize| lives.get(node).copied().flatten();
        let member = |node: &usize| self.checks.belongs(node_id(*node), life(*node));
        let answers = |node: &usize| !self.plan.is_witness(*node);
        let node = all.find(|node| answers(node) && (!healed || member(node)));
        let node = node.unwrap_or(first);
        // Whoever asks again as often in a busy cluster as in an idle one keeps it busy.
        let tries = client.current.as_ref().map_or(0, |current| current.tries);
        let patience = client.plan.patience * (1 << tries.min(5));
        let asked = self.nodes.get(node);
        let hull = asked.and_then(super::Node::hull);
        let Some(handle) = asked.and_then(super::Node::handle) else {
            // Nobody answers there: on to the next one.
            return self.rest(number, LATER);
        };
        let reads = client
            .current
            .as_ref()
            .is_some_and(|one| one.read.is_some());
        let due = match reads {
            true => Some(self.checks.read_wanted(node_id(node), hull)),
            false => None,
        };
        let since = asked.map(|node| node.clock.now()).unwrap_or_default();
        let submitted = client.turn_to((node, since), handle, due);
        self.record(Some(node), || What::Turned {
            client: number as u64,
        });
        let Some(client) = self.clients.get_mut(number) else {
            return Ok(());
        };
        if let Some(payload) = submitted {
            let submission = self.checks.submitted(now, node_id(node), &payload);
            if let Some(current) = &mut client.current {
                current.submission = Some(submission);
            }
        }
        let patience = match client.plan.manner {
            Manner::Session => patience,
            // Without a session there is nothing to do but wait for what the node says.
            Manner::Plain => LONG_PATIENCE,
        };
        let client = number;
        self.schedule
            .after(patience, Event::Patience { client, attempt });
        self.poll_client(number)
    }

    /// Whether a client needs a session that another is about to open for both.
    fn is_session_on_its_way(&self, number: usize) -> bool {
        self.clients.get(number).is_some_and(|client| {
            client.lacks_session() && self.clients.iter().any(|other| other.opens_for(client))
        })
    }

    /// A client tries again a little later, at the next node.
    fn rest(&mut self, number: usize, mut span: Duration) -> Result<(), Violation> {
        let Some(client) = self.clients.get_mut(number) else {
            return Ok(());
        };
        client.attempt += 1;
        let attempt = client.attempt;
        if let Some(current) = &mut client.current {
            current.tries += 1;
            // A cluster without a leader is not asked ever faster.
            span *= 1 << current.tries.min(DOUBLINGS);
            if current.tries > MOST_TRIES && self.healing.is_none() {
                return self.give_up(number);
            }
        }
        let client = number;
        self.schedule
            .after(span, Event::Patience { client, attempt });
        Ok(())
    }

    /// The node said why there is no answer.
    fn conclude(&mut self, number: usize, conclusion: Conclusion) -> Result<(), Violation> {
        let now = self.schedule.now();
        let submission = self
            .clients
            .get_mut(number)
            .and_then(|client| client.current.as_mut())
            .and_then(|current| current.submission.take());
        match conclusion {
            Conclusion::Expired => self.checks.mark(Marker::SessionEnded),
            Conclusion::Doubtful => self.checks.mark(Marker::FateUnknown),
            Conclusion::Forgotten => self.checks.mark(Marker::ReplyForgotten),
            Conclusion::Harmless | Conclusion::Refused => {}
        }
        if let Some(submission) = submission {
            let fate = match conclusion {
                Conclusion::Harmless | Conclusion::Refused | Conclusion::Expired => Fate::Refused,
                Conclusion::Doubtful | Conclusion::Forgotten => Fate::Unknown,
            };
            self.checks.resolved(now, submission, fate)?;
        }
        self.follow(number, conclusion)
    }

    /// What a client does after a try without answer.
    fn follow(&mut self, number: usize, conclusion: Conclusion) -> Result<(), Violation> {
        let Some(client) = self.clients.get_mut(number) else {
            return Ok(());
        };
        let session = client.plan.manner == Manner::Session;
        let Some(current) = &mut client.current else {
            return Ok(());
        };
        current.doubtful |= matches!(conclusion, Conclusion::Doubtful | Conclusion::Forgotten);
        match conclusion {
            Conclusion::Harmless => self.rest(number, LATER),
            Conclusion::Doubtful if session => self.rest(number, LATER),
            Conclusion::Expired if !current.doubtful => {
                client.leave_session();
                self.rest(number, LATER)
            }
            Conclusion::Expired => {
                client.leave_session();
                self.give_up(number)
            }
            Conclusion::Doubtful | Conclusion::Refused | Conclusion::Forgotten => {
                self.give_up(number)
            }
        }
    }

    /// A client gives its operation up.
    fn give_up(&mut self, number: usize) -> Result<(), Violation> {
        let Some(client) = self.clients.get_mut(number) else {
            return Ok(());
        };
        client.attempt += 1;
        let attempt = client.attempt;
        let doubtful = match client.finish() {
            Some(current) if !current.doubtful => {
                self.history.refuse(current.entry);
                false
            }
            Some(_) | None => true,
        };
        self.tell(
            None,
            format_args!("client {number} gives up, in doubt: {doubtful}"),
        );
        self.record(None, || What::GaveUp {
            client: number as u64,
            doubtful,
        });
        // Whatever comes next comes with an event of its own: no client tries without pause.
        let client = number;
        self.schedule
            .after(LATER, Event::Patience { client, attempt });
        Ok(())
    }

    /// A client has its answer.
    fn answered(&mut self, number: usize, reply: Bytes) -> Result<(), Violation> {
        let now = self.schedule.now();
        let Some(client) = self.clients.get_mut(number) else {
            return Ok(());
        };
        client.attempt += 1;
        let Some(current) = client.finish() else {
            return Ok(());
        };
        if let Some(submission) = current.submission {
            self.checks.resolved(now, submission, Fate::Answered)?;
        }
        if current.doubtful {
            self.checks.mark(Marker::RetryAnswered);
        }
        self.subject.returned(&current.asked, &reply);
        self.fold(u64::from(crc32c::crc32c(&reply)));
        self.tell(None, format_args!("client {number} has its answer"));
        self.record(Some(current.node), || What::Answered {
            client: number as u64,
            text: self.subject.describe_reply(&reply).unwrap_or_default(),
        });
        self.history.answer(current.entry, now, reply);
        self.counters.answered += 1;
        if let Some(healing) = &mut self.healing {
            healing.answer(number);
        }
        self.end_asking(number);
        self.go_on(number)
    }

    /// Whether what clients saw could have come from one copy of the app.
    pub(super) fn judge_history(&mut self) -> Result<(), Violation> {
        self.check_snapshots()?;
        let Ok(model) = self.subject.model() else {
            let text = "the app's first state can't be encoded".to_owned();
            return Err(self.violation(property::NO_PANIC, text));
        };
        // Whether what clients saw can be explained is for the check to say; the log only shows
        // where to look first.
        self.place_history();
        match linearizable::check(&model, &self.history, linearizable::EFFORT) {
            Verdict::Linearizable => Ok(()),
            Verdict::Undecided => {
                self.undecided = true;
                Ok(())
            }
            Verdict::NotLinearizable(text) => Err(self.violation(property::LINEARIZABILITY, text)),
        }
    }
}

/// How long a client rests before it tries again.
const LATER: Duration = Duration::from_millis(15);

/// How long a client without a session waits: longer than any node tries.
const LONG_PATIENCE: Duration = Duration::from_secs(60);

/// How often an operation is tried while there are faults.
const MOST_TRIES: u32 = 12;

/// How often a client's rest between two tries doubles.
const DOUBLINGS: u32 = 4;

/// How many operations wait for one client; what comes beyond is not done.
const MOST_WAITING: usize = 60;
