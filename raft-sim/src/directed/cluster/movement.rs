//! What moves a cluster: messages that arrive, deadlines that pass.

use std::time::Duration;

use raft_core::hull::Input;
use raft_core::ids::NodeId;

use super::Cluster;
use crate::directed::action::Movement;
use crate::directed::error::DirectedError;
use crate::directed::happening::{Happening, Loss};
use crate::directed::pattern::{Link, Pattern, Which};
use crate::directed::trigger::Trigger;
use crate::directed::watches::{WatchId, end_of};

/// Where a movement ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reached {
    /// Where it was to end.
    End,
    /// At a breakpoint before.
    Breakpoint(WatchId),
}

impl Cluster {
    /// Delivers everything that can be, and the answers, and theirs, until nothing is left.
    ///
    /// # Errors
    ///
    /// The cluster does not come to rest.
    pub fn deliver_all(&mut self) -> Result<Reached, DirectedError> {
        self.go(&Movement::Deliver(Which::default()))
    }

    /// Delivers the messages that are meant and under way now, without the answers. What is held
    /// arrives too if the pattern names both ends of its link. A pattern that leaves everything
    /// open means [`Cluster::deliver_all`].
    ///
    /// # Errors
    ///
    /// The cluster does not come to rest.
    pub fn deliver(&mut self, which: impl Into<Which>) -> Result<Reached, DirectedError> {
        self.go(&Movement::Deliver(which.into()))
    }

    /// One message arrives, the oldest that can; when none can, the next deadline passes.
    ///
    /// # Errors
    ///
    /// There is neither.
    pub fn step(&mut self) -> Result<Reached, DirectedError> {
        self.go(&Movement::Step)
    }

    /// All clocks go on by `span`; deadlines pass in the order in which they fall due. Nothing
    /// arrives meanwhile.
    ///
    /// # Errors
    ///
    /// Deadlines keep passing without end.
    pub fn advance(&mut self, span: Duration) -> Result<Reached, DirectedError> {
        self.go(&Movement::Advance(span))
    }

    /// The same, but everything that is sent arrives before the next deadline passes.
    ///
    /// # Errors
    ///
    /// The cluster does not come to rest.
    pub fn run(&mut self, span: Duration) -> Result<Reached, DirectedError> {
        self.go(&Movement::Run(span))
    }

    /// Runs until a trigger fires, for `limit` at most.
    ///
    /// # Errors
    ///
    /// It has not fired by then.
    pub fn run_until(
        &mut self,
        trigger: Trigger,
        limit: Duration,
    ) -> Result<Reached, DirectedError> {
        self.go(&Movement::Until(Box::new(Movement::Run(limit)), trigger))
    }

    /// Delivers messages one by one until a trigger fires.
    ///
    /// # Errors
    ///
    /// It has not fired when nothing is left to deliver.
    pub fn deliver_until(&mut self, trigger: Trigger) -> Result<Reached, DirectedError> {
        let all = Movement::Deliver(Which::default());
        self.go(&Movement::Until(Box::new(all), trigger))
    }

    /// Moves the cluster. What a breakpoint has stopped goes on first.
    ///
    /// # Errors
    ///
    /// Those of the methods that the movement stands for.
    pub fn go(&mut self, movement: &Movement) -> Result<Reached, DirectedError> {
        self.begin();
        let end = match end_of(movement) {
            Some(watch) => Some(self.arm(watch)?),
            None => None,
        };
        let moved = self.settle().and_then(|()| self.go_on(movement));
        let reached = match (self.stopped_by, end) {
            (Some(stopped), Some(end)) if stopped == end => Ok(Reached::End),
            (Some(stopped), _) => Ok(Reached::Breakpoint(stopped)),
            (None, None) => Ok(Reached::End),
            (None, Some(end)) => Err(self.not_reached(end, movement)),
        };
        if let Some(end) = end {
            self.watches.forget(end);
        }
        moved.and(reached)
    }

    fn not_reached(&mut self, end: WatchId, movement: &Movement) -> DirectedError {
        let waiting = self.watches.forget(end);
        let what = match movement {
            Movement::Until(inner, _) if matches!(**inner, Movement::Deliver(_)) => {
                "nothing more can be delivered"
            }
            _ => "the time has passed",
        };
        DirectedError::NotReached {
            waiting: waiting.map(|left| left.to_string()).unwrap_or_default(),
            what,
        }
    }

    fn go_on(&mut self, movement: &Movement) -> Result<(), DirectedError> {
        let mut movement = movement;
        while let Movement::Until(inner, _) = movement {
            movement = inner;
        }
        if self.stopped_by.is_some() {
            return Ok(());
        }
        match movement {
            Movement::Deliver(which) if *which == Which::default() => self.deliver_to_rest(),
            Movement::Deliver(which) => self.deliver_these(which),
            Movement::Step => self.step_once(),
            Movement::Advance(span) => self.pass_time(*span, false),
            Movement::Run(span) => self.pass_time(*span, true),
            Movement::Until(..) => Ok(()),
        }
    }

    fn step_once(&mut self) -> Result<(), DirectedError> {
        if let Some(number) = self.next_letter() {
            return self.arrive(number);
        }
        let (after, id) = self.next_deadline().ok_or(DirectedError::AtRest)?;
        self.pass(after, |_| true);
        self.let_time_out(id)?;
        self.settle()
    }

    fn deliver_to_rest(&mut self) -> Result<(), DirectedError> {
        while let Some(number) = self.next_letter() {
            self.spend(1, "messages keep being sent")?;
            self.arrive(number)?;
            if self.stopped_by.is_some() {
                break;
            }
        }
        Ok(())
    }

    fn deliver_these(&mut self, which: &Which) -> Result<(), DirectedError> {
        let most = if which.first { 1 } else { usize::MAX };
        let awake = |to| self.nodes.get(&to).is_none_or(|node| !node.paused);
        let meant = self.network.numbers(&which.pattern, awake);
        for number in meant.into_iter().take(most) {
            self.arrive(number)?;
            if self.stopped_by.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// The oldest message that can be delivered.
    fn next_letter(&self) -> Option<u64> {
        let awake = |to| self.nodes.get(&to).is_none_or(|node| !node.paused);
        self.network.next(awake)
    }

    /// A message arrives, unless something has taken it away meanwhile.
    fn arrive(&mut self, number: u64) -> Result<(), DirectedError> {
        let receiver = self.network.letter(number).map(|message| message.to.id);
        let Some(to) = receiver else {
            return Ok(());
        };
        if self.nodes.get(&to).is_some_and(|node| node.paused) {
            return Ok(());
        }
        let Some(message) = self.network.take(number) else {
            return Ok(());
        };
        let loss = if self.network.is_cut(Link::of(&message)) {
            Some(Loss::Cut)
        } else if self.nodes.get(&to).is_none_or(|node| node.hull.is_none()) {
            Some(Loss::Down)
        } else {
            None
        };
        if let Some(why) = loss {
            self.note(Happening::Lost { message, why });
            return self.settle();
        }
        self.node(to)?.step(Input::Message(message.clone()))?;
        self.note(Happening::Arrived(message));
        self.stepped(to);
        self.settle()
    }

    fn next_deadline(&self) -> Option<(Duration, NodeId)> {
        self.nodes
            .iter()
            .filter_map(|(id, node)| Some((node.until_deadline()?, *id)))
            .min()
    }

    /// Lets deadlines pass in the order in which they fall due; when `delivering`, all that is sent
    /// arrives before the next.
    fn pass_time(&mut self, span: Duration, delivering: bool) -> Result<(), DirectedError> {
        let mut left = span;
        let mut at_once = 0;
        for _ in 0..MAX_DEADLINES {
            if delivering {
                self.deliver_to_rest()?;
            }
            if self.stopped_by.is_some() {
                return Ok(());
            }
            let Some((after, id)) = self.next_deadline().filter(|(after, _)| *after <= left) else {
                self.pass(left, |_| true);
                return Ok(());
            };
            // A clock that can't go on lets the same deadline pass for ever.
            at_once = if after.is_zero() { at_once + 1 } else { 0 };
            if at_once == MAX_AT_ONCE {
                break;
            }
            self.pass(after, |_| true);
            left -= after;
            self.let_time_out(id)?;
            self.settle()?;
            if self.stopped_by.is_some() {
                return Ok(());
            }
        }
        Err(DirectedError::Restless {
            what: "deadlines keep passing",
        })
    }

    pub(super) fn lose_now(&mut self, which: &Which) -> Result<(), DirectedError> {
        for message in self.network.take_all(which) {
            let why = Loss::Wanted;
            self.note(Happening::Lost { message, why });
        }
        Ok(())
    }
}

/// For a pattern, the whole of what it means.
impl Cluster {
    /// Loses the messages that are meant and under way.
    ///
    /// # Errors
    ///
    /// An action attached to their loss can't be done.
    pub fn lose(&mut self, which: impl Into<Which>) -> Result<(), DirectedError> {
        self.perform(super::Action::Lose(which.into()))
    }

    /// Messages of this pattern do not arrive before they are released.
    ///
    /// # Errors
    ///
    /// Too much is held.
    pub fn hold(&mut self, pattern: Pattern) -> Result<(), DirectedError> {
        self.perform(super::Action::Hold(pattern))
    }

    /// Ends a hold of exactly this pattern; the one that matches everything ends all.
    ///
    /// # Errors
    ///
    /// Nothing of the kind is held.
    pub fn release(&mut self, pattern: Pattern) -> Result<(), DirectedError> {
        self.perform(super::Action::Release(pattern))
    }
}

/// Deadlines that pass in one call before a cluster counts as restless.
const MAX_DEADLINES: usize = 5_000;
/// Deadlines that pass without any clock going on before a cluster counts as restless.
const MAX_AT_ONCE: usize = 200;
