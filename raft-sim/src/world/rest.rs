//! Rests: a healed cluster with nothing to do stays as it is, and then does one thing more at the
//! first try.
//!
//! Busy clients hide what a cluster forgets to do by itself: whatever comes next sets it going
//! again. So nobody asks for anything for a while, then one client asks one node for one thing,
//! and nothing else happens until it is answered. Now and then the leader is asked to hand over
//! before, which nothing keeps it from doing.

use raft_core::ids::Term;
use raft_core::states::Role;
use raft_core::time::Time;

use super::World;
use super::event::Event;
use super::idle::Idle;
use crate::checkers::{Violation, property};
use crate::lot::Key;
use crate::network::node_id;
use crate::process::Node;
use crate::subject::Subject;
use crate::workload::Manner;

/// How far the rests of a healed world are.
#[derive(Debug)]
pub(super) struct Rests {
    left: u8,
    stage: Stage,
    /// What was sent before the present rest.
    before: Idle,
}

/// What a healed world is at.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// Clients ask, or something is still to be done.
    Busy,
    /// Nobody asks for anything.
    Resting { until: Time, leader: Leader },
    /// This leader was asked to hand over to that node.
    HandingOver { from: Leader, to: usize, by: Time },
    /// One client has asked for one thing.
    Asking { client: usize, by: Time },
}

/// Who leads, and since which term.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Leader {
    node: usize,
    term: Term,
}

impl Rests {
    /// So many rests, the first not yet begun.
    pub(super) fn new(left: u8) -> Self {
        Self {
            left,
            stage: Stage::Busy,
            before: Idle::default(),
        }
    }

    /// Whether nobody may ask for anything but what a rest has asked for.
    pub(super) const fn are_on(&self) -> bool {
        !matches!(self.stage, Stage::Busy)
    }

    /// Whether leadership is being handed over because a rest has asked for it.
    pub(super) const fn hand_over(&self) -> bool {
        matches!(self.stage, Stage::HandingOver { .. })
    }
}

impl<S: Subject> World<'_, S> {
    /// Everything is done. Begins a rest if there is one left and the cluster is ready for it;
    /// answers whether the world is over.
    pub(super) fn rest_or_end(&mut self) -> bool {
        let now = self.schedule.now();
        // A node that was told of a lost connection looks for votes a little later.
        let settled = self.network.settled_from();
        let settled = settled.after(self.plan.tuning.election_timeout);
        let lasts = self.plan.ending.rest;
        let leader = self.leader_of_all();
        let before = self.sent_so_far();
        // A stall that began before may still cost a node the lead.
        let holds = self.nodes.iter().any(|node| node.disk.holds());
        let Some(healing) = &mut self.healing else {
            return false;
        };
        // What was sent before the faults were over may still have to say something.
        if healing.rests.left == 0 || settled > now.after(lasts + lasts) {
            return true;
        }
        let Some(leader) = leader.filter(|_| settled <= now && !holds) else {
            return false;
        };
        healing.rests.left -= 1;
        let until = now.after(lasts);
        healing.rests.stage = Stage::Resting { until, leader };
        healing.rests.before = before;
        self.schedule.at(until, Event::Inspect);
        self.tell(None, format_args!("all is done; the world rests"));
        self.record_note(None, format_args!("all is done; the world rests"));
        false
    }

    /// Whether a disk that is slow with two of the operations of a write, and not quick with another, takes as
    /// long as a leader waits for it.
    fn disks_may_stall(&self) -> bool {
        let disk = &self.plan.disk;
        disk.slow.is_some() && disk.slow_most * 3 > self.plan.tuning.stalled_write_after
    }

    /// Looks at a world that rests, or at what it was asked after that.
    pub(super) fn look_at_rest(&mut self) -> Result<(), Violation> {
        let now = self.schedule.now();
        let stage = self
            .healing
            .as_ref()
            .map_or(Stage::Busy, |healing| healing.rests.stage);
        match stage {
            Stage::Resting { until, leader } if now >= until => {
                let disturbed = self
                    .healing
                    .as_ref()
                    .is_some_and(|healing| self.has_started_since(&healing.rests.before));
                let leads = self.leader_of_all();
                let gave_up = !disturbed && leads != Some(leader) && self.disks_may_stall();
                if gave_up || disturbed && leads.is_none() {
                    // Who leads now, or came back meanwhile, has not told all yet.
                    self.be_busy();
                    return Ok(());
                }
                if disturbed {
                    return self.ask_once();
                }
                if leads != Some(leader) {
                    let text = format!(
                        "nobody asked for anything and nothing failed, yet {}, the leader of {}, \
                         did not go on leading: {}",
                        node_id(leader.node),
                        leader.term,
                        self.describe()
                    );
                    return Err(self.violation(property::LIVENESS, text));
                }
                if let Some(healing) = &self.healing {
                    self.check_idle(&healing.rests.before, self.plan.ending.rest)?;
                }
                match self.hand_over_at_rest(leader) {
                    true => Ok(()),
                    false => self.ask_once(),
                }
            }
            Stage::HandingOver { from, to, by } if now >= by => self.judge_handover(from, to),
            Stage::Asking { client, by } => {
                let waits = self
                    .healing
                    .as_ref()
                    .is_some_and(|healing| healing.needs(client));
                if waits && now >= by {
                    let text = format!(
                        "client {client} asked a cluster at rest, and was not answered at once: {}",
                        self.describe()
                    );
                    return Err(self.violation(property::LIVENESS, text));
                }
                if !waits {
                    self.be_busy();
                }
                Ok(())
            }
            Stage::Resting { .. } | Stage::HandingOver { .. } | Stage::Busy => Ok(()),
        }
    }

    /// Asks the leader of a cluster at rest to hand over, now and then; answers whether it did.
    fn hand_over_at_rest(&mut self, from: Leader) -> bool {
        let now = self.schedule.now();
        let mut lot = Key::Ask.lot(self.plan.seed, &[now.as_nanos(), 1]);
        let Some(node) = self.nodes.get(from.node) else {
            return false;
        };
        let (Some(hull), Some(handle)) = (node.hull(), node.handle()) else {
            return false;
        };
        let voters = hull.configuration();
        let others = self.nodes.iter().map(|other| (other.number, other.is_up()));
        let able = |number: usize| {
            let votes = voters.votes(node_id(number));
            let there = self.is_member(number) && !self.plan.is_witness(number);
            number != from.node && votes && there
        };
        let fit: Vec<usize> = others
            .filter(|(number, up)| *up && able(*number))
            .map(|(number, _)| number)
            .collect();
        let chosen = fit.get(lot.below(fit.len() as u64) as usize).copied();
        let Some(to) = chosen.filter(|_| lot.chance(400)) else {
            return false;
        };
        drop(handle.hand_over(Some(node_id(to))));
        self.checks.asked_to_hand_over(node_id(from.node));
        let before = self.sent_so_far();
        if let Some(healing) = &mut self.healing {
            healing.rests.before = before;
        }
        // A word, a vote that is written, an answer: no more than what a command takes.
        let by = now.after(self.plan.tuning.election_timeout * 3 / 2);
        self.set_stage(Stage::HandingOver { from, to, by });
        self.schedule.at(by, Event::Inspect);
        true
    }

    /// A leader at rest was asked to hand over to a node that has everything: that one leads the next
    /// term by now.
    fn judge_handover(&mut self, from: Leader, to: usize) -> Result<(), Violation> {
        let disturbed = self
            .healing
            .as_ref()
            .is_some_and(|healing| self.has_started_since(&healing.rests.before));
        if disturbed {
            self.be_busy();
            return Ok(());
        }
        let look = self.nodes.get(to).and_then(Node::look);
        let took_over =
            look.is_some_and(|look| look.role == Role::Leader && look.term == from.term.next());
        if took_over {
            return self.ask_once();
        }
        let text = format!(
            "nothing failed, and {}, the leader of {}, was asked to hand over to {}, which does not lead \
             the next term: {}",
            node_id(from.node),
            from.term,
            node_id(to),
            self.describe()
        );
        Err(self.violation(property::LEADER_TRANSFER, text))
    }

    /// The client that a rest has asked for something has its answer.
    pub(super) fn end_asking(&self, client: usize) {
        let asked = self.healing.as_ref().is_some_and(|healing| {
            matches!(healing.rests.stage, Stage::Asking { client: asked, .. } if asked == client)
        });
        if asked {
            self.schedule.at(self.schedule.now(), Event::Inspect);
        }
    }

    /// One client asks one running node for one thing. It has no session: such a client asks once
    /// and waits for what the node says.
    fn ask_once(&mut self) -> Result<(), Violation> {
        let now = self.schedule.now();
        let mut lot = Key::Ask.lot(self.plan.seed, &[now.as_nanos()]);
        let plain: Vec<usize> = (0..self.clients.len())
            .filter(|&client| {
                self.clients
                    .get(client)
                    .is_some_and(|one| one.plan.lasting && one.plan.manner == Manner::Plain)
            })
            .collect();
        let running: Vec<usize> = (0..self.nodes.len())
            .filter(|&node| self.nodes.get(node).is_some_and(Node::is_up))
            .filter(|&node| self.is_member(node))
            // A witness answers nobody.
            .filter(|&node| !self.plan.is_witness(node))
            .collect();
        let client = plain.get(lot.below(plain.len() as u64) as usize).copied();
        let node = running
            .get(lot.below(running.len() as u64) as usize)
            .copied();
        let (Some(client), Some(node)) = (client, node) else {
            self.be_busy();
            return Ok(());
        };
        if let Some(one) = self.clients.get_mut(client) {
            one.plan.home = node as u8;
        }
        // Sooner than a node sends again what was lost: nothing is.
        let by = now.after(self.plan.tuning.election_timeout * 3 / 2);
        if let Some(healing) = &mut self.healing {
            healing.need(client);
        }
        self.set_stage(Stage::Asking { client, by });
        self.schedule.at(by, Event::Inspect);
        self.probe(client)
    }

    /// Clients may ask again, if there is something to ask for.
    fn be_busy(&mut self) {
        let now = self.schedule.now();
        if let Some(healing) = &mut self.healing {
            healing.begin_again(now);
        }
        self.set_stage(Stage::Busy);
        self.schedule.at(now, Event::Inspect);
    }

    fn set_stage(&mut self, stage: Stage) {
        if let Some(healing) = &mut self.healing {
            healing.rests.stage = stage;
        }
    }

    /// The one leader that all running nodes follow, if its log is committed and it knows that they
    /// hold it: otherwise it still has to ask.
    fn leader_of_all(&self) -> Option<Leader> {
        let mut running = self.running_members();
        if !self.is_led_as_preferred() {
            return None;
        }
        let (node, leads) = running.clone().find_map(|node| {
            let look = node.look().filter(|look| look.role == Role::Leader)?;
            Some((node.number, look))
        })?;
        let hull = self.nodes.get(node).and_then(Node::hull)?;
        let agreed = running.all(|other| {
            let known = hull.match_index(node_id(other.number));
            if other.number != node && known != Some(leads.last) {
                return false;
            }
            other.look().is_some_and(|look| {
                look.term == leads.term
                    && look.last == leads.commit
                    && (look.role == Role::Follower || other.number == node)
            })
        });
        agreed.then_some(Leader {
            node,
            term: leads.term,
        })
    }
}
