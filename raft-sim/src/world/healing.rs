//! The end of a world: all faults end, a majority runs, and then there must be progress.
//!
//! Every client must get an answer to a new operation, and all running nodes must have applied
//! the same. How long that takes is nobody's fault as long as something more is done ([`Progress`]);
//! when nothing is, for a time that is long beside everything that may be waited for, what is still
//! missing is missing for good.

use std::time::Duration;

use raft_core::time::Time;

use super::World;
use super::calm::Calm;
use super::event::Event;
use super::progress::Progress;
use super::rest::Rests;
use crate::checkers::{Violation, property};
use crate::lot::Key;
use crate::nemesis::Loss;
use crate::process::Node;
use crate::subject::Subject;
use crate::trace::What;

/// How far a world has healed.
#[derive(Debug)]
pub(super) struct Healing {
    /// How far it has come.
    progress: Progress,
    /// Which clients have had an answer since.
    answered: Vec<bool>,
    /// Whether everything is as it should be.
    over: bool,
    /// The time without a reason for elections, once it has begun.
    pub(super) calm: Option<Calm>,
    /// Whether all else is done, and somebody is preferred to who leads.
    pub(super) awaits_preferred: bool,
    /// What comes after that.
    pub(super) rests: Rests,
}

impl Healing {
    /// Whether everything is as it should be.
    pub(super) const fn is_over(&self) -> bool {
        self.over
    }

    /// A client had an answer.
    pub(super) fn answer(&mut self, client: usize) {
        if let Some(answered) = self.answered.get_mut(client) {
            *answered = true;
        }
    }

    /// It is busy again.
    pub(super) fn begin_again(&mut self, now: Time) {
        self.progress = Progress::from(now);
    }

    /// A client needs another answer.
    pub(super) fn need(&mut self, client: usize) {
        if let Some(answered) = self.answered.get_mut(client) {
            *answered = false;
        }
    }

    /// Whether this client still needs an answer.
    pub(super) fn needs(&self, client: usize) -> bool {
        self.answered.get(client).is_some_and(|answered| !answered)
    }
}

impl<S: Subject> World<'_, S> {
    /// Ends all faults.
    pub(super) fn heal(&mut self) -> Result<(), Violation> {
        self.tell(None, format_args!("all faults are over"));
        self.record(None, || What::Healed);
        self.network.heal();
        self.armed.clear();
        let mut broken = Vec::new();
        for node in &mut self.nodes {
            if !node.disk.heal() {
                broken.push(node.number);
            }
            node.clock.be_punctual();
            node.rare.end();
            node.slow = None;
            node.resume_for_good();
        }
        for number in 0..self.nodes.len() {
            let build = self
                .nodes
                .get_mut(number)
                .and_then(|node| node.build.take());
            if build.is_some() && self.nodes.get(number).is_some_and(Node::is_up) {
                self.take_down(number, Loss::Process)?;
            }
        }
        // A failed sync that a log has not met yet would end its node in the midst of peace.
        for number in broken {
            if self.nodes.get(number).is_some_and(Node::is_up) {
                self.take_down(number, Loss::Torn)?;
            }
        }
        // Some worlds have to do without a leader at first, and some with a majority.
        if let Some(loss) = self.plan.ending.blackout {
            for node in 0..self.nodes.len() {
                if self.nodes.get(node).is_some_and(Node::is_up) {
                    self.take_down(node, loss)?;
                }
            }
        }
        self.healing = Some(Healing {
            progress: Progress::from(self.schedule.now()),
            answered: self.clients.iter().map(|one| !one.plan.lasting).collect(),
            over: false,
            calm: None,
            awaits_preferred: false,
            rests: Rests::new(self.plan.ending.rests),
        });
        let founded = self.nodes.iter().all(|node| node.founded);
        self.start_down(!founded || self.plan.ending.all);
        for client in &mut self.clients {
            client.queue.clear();
        }
        self.schedule.after(Duration::ZERO, Event::Inspect);
        Ok(())
    }

    /// How long a healed world may take until something more is done.
    fn healing_span(&self) -> Duration {
        // Who lost its disk while it was to become a voter is waited for in vain, for so long.
        let wiped = self.plan.founders > 0 && self.nodes.iter().any(|node| node.wipes > 0);
        let in_vain = match wiped {
            true => self.plan.tuning.settings().catch_up_timeout,
            false => Duration::ZERO,
        };
        MARGIN + self.plan.tuning.election_timeout * ELECTIONS + in_vain + self.preference_span()
    }

    /// Looks whether the world has come to rest, and sees to it that it can.
    pub(super) fn inspect(&mut self) -> Result<(), Violation> {
        self.count_calm()?;
        if self
            .healing
            .as_ref()
            .is_some_and(|healing| healing.rests.are_on())
        {
            return self.look_at_rest();
        }
        self.start_down(false);
        for client in 0..self.clients.len() {
            if self
                .healing
                .as_ref()
                .is_some_and(|healing| healing.needs(client))
            {
                self.probe(client)?;
            }
        }
        let answered = self
            .healing
            .as_ref()
            .is_some_and(|healing| healing.answered.iter().all(|&answered| answered));
        let idle = self.clients.iter().all(|client| client.current.is_none());
        let done = answered && idle && self.agrees() && self.is_settled();
        let over = self.await_preferred(done) && done && self.rest_or_end();
        if self
            .healing
            .as_ref()
            .is_some_and(|healing| healing.rests.are_on())
        {
            return Ok(());
        }
        let late = self.is_late();
        if late && !over && self.is_progress_owed() {
            return Err(self.violation(property::LIVENESS, self.describe()));
        }
        // Where none is owed, what was done by now is all there is.
        let over = over || late;
        if let Some(healing) = &mut self.healing {
            healing.over = over;
        }
        if !over {
            self.schedule.after(GLANCE, Event::Inspect);
        }
        Ok(())
    }

    /// Whether nothing more was done for longer than anything may take. Who gets on, however
    /// slowly, has not stalled; and what counts as getting on comes to an end.
    fn is_late(&mut self) -> bool {
        let (now, sight) = (self.schedule.now(), self.sight());
        let span = self.healing_span();
        self.healing.as_mut().is_some_and(|healing| {
            let since = healing.progress.stalled_since(&sight, now);
            now > since.after(span)
        })
    }

    /// Whether all nodes that run have a hull, and those that apply anything have applied the same.
    fn agrees(&self) -> bool {
        let mut running = self.running_members();
        let Some(Some(first)) = running.clone().next().map(Node::look) else {
            return false;
        };
        running.all(|node| {
            let applies = !self.plan.is_witness(node.number);
            node.look().is_some_and(|look| {
                look.commit == first.commit && (!applies || look.applied == look.commit)
            })
        })
    }

    /// Starts nodes that are down: all, or as many as a majority needs, any of them; more, if a witness
    /// knows of what those lack.
    fn start_down(&mut self, all: bool) {
        let majority = self.nodes.len() / 2 + 1;
        let mut order: Vec<usize> = (0..self.nodes.len()).collect();
        order.sort_by_key(|&node| Key::Heal.lot(self.plan.seed, &[node as u64]).number());
        for number in order {
            // Whose disk was lost runs, but only to learn that it is no member.
            // Whose log is being repaired votes for none who lacks what it lost: it is there beside a
            // majority of others.
            let useful = (self.nodes.iter()).filter(|node| {
                node.is_up() && !node.is_gone() && !node.spoiled && !node.is_in_repair()
            });
            let up = useful.count();
            if all || up < majority || !self.has_heir() {
                self.start(number);
            }
        }
    }
}

/// What a healed world may take, beside elections: for what nodes and clients wait out.
const MARGIN: Duration = Duration::from_secs(15);

/// As many election timeouts may pass until there is a leader that all follow.
const ELECTIONS: u32 = 40;

/// How often a healed world is looked at.
const GLANCE: Duration = Duration::from_millis(100);
