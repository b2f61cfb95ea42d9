//! What a cluster at rest may cost: heartbeats and their answers, entries offered now and then to
//! nodes that are not there, and nothing else; and no bytes kept for an answer that has come.
//!
//! The bounds follow from what the protocol must send: a heartbeat a round to each follower by the
//! leader's own clock, an answer to each. What Raft allows on top is allowed for: messages sent twice,
//! and heartbeats sent at twice the rate.

use std::time::Duration;

use raft_core::ids::LogIndex;

use super::World;
use crate::checkers::{Violation, property};
use crate::network::{KINDS, node_id};
use crate::process::Node;
use crate::subject::Subject;

/// What there was when a rest began.
#[derive(Debug, Default)]
pub(super) struct Idle {
    /// How many messages of each kind were sent on each link.
    sent: Vec<[u64; KINDS.len()]>,
    /// How many of them had entries.
    entries: Vec<u64>,
    /// How often processes were started.
    starts: u64,
    /// Where the longest log ended, if some node had still asked for something of its own, such as its
    /// session: that may be on its way for long.
    asked_at: Option<LogIndex>,
}

impl<S: Subject> World<'_, S> {
    /// What was sent so far.
    pub(super) fn sent_so_far(&self) -> Idle {
        Idle {
            sent: self.network.sent(),
            entries: self.network.entries_sent(),
            starts: self.counters.starts,
            asked_at: self.asks().then(|| self.longest_log()),
        }
    }

    /// Whether some node has asked for something and not heard of it.
    fn asks(&self) -> bool {
        let mut statuses = self.nodes.iter().filter_map(Node::status);
        statuses.any(|status| status.requests > 0)
    }

    /// Where the longest log ends.
    fn longest_log(&self) -> LogIndex {
        let hulls = self.nodes.iter().filter_map(Node::hull);
        let ends = hulls.map(|hull| hull.last().index);
        ends.max().unwrap_or_default()
    }

    /// Whether a process was started since, such as one that was to be down for longer than the
    /// faults lasted: it has to catch up, and nothing can be said of the rest.
    pub(super) const fn has_started_since(&self, before: &Idle) -> bool {
        self.counters.starts > before.starts
    }

    /// Whether another node is who it is to this one: a member, in the life that it has now.
    fn knows(&self, node: usize, other: usize) -> bool {
        let hull = self.nodes.get(node).and_then(Node::hull);
        let other = self.nodes.get(other).and_then(|other| other.me);
        hull.zip(other)
            .is_some_and(|(hull, other)| hull.configuration().admits(other))
    }

    /// Looks at what a rest of this length has cost.
    pub(super) fn check_idle(&self, before: &Idle, lasted: Duration) -> Result<(), Violation> {
        let count = self.nodes.len();
        let interval = self.plan.tuning.heartbeat_interval;
        let fastest = self.plan.nodes.iter().map(|node| node.clock_drift).max();
        let rounds = rounds(self.speaks(lasted), interval, fastest.unwrap_or(0));
        let (sent, entries) = (self.network.sent(), self.network.entries_sent());
        let appended = before
            .asked_at
            .map_or(0, |last| self.longest_log().distance_from(last));
        for link in 0..count * count {
            let (from, to) = (link / count, link % count);
            // Who lost its disk answers to no letter that was meant for the life before.
            let there = self.nodes.get(to).is_some_and(Node::is_up) && self.is_member(to);
            // Who is to join goes on asking how the cluster began.
            let from_node = self.nodes.get(from);
            let joins = from_node.is_some_and(|node| !node.founded || node.wiped);
            // Who does not know of its removal asks the leader that it knew for what clients had
            // asked of it, until their time is over.
            let removed = !self.is_member(from);
            // Nor is it told by another that was removed: where a later member alone knows, the two go on asking
            // and refusing. Nor by one that it knows by an earlier life: that is not who is asked.
            let gone = removed && !(self.is_member(to) && self.knows(from, to));
            let mut cost = cost_of(&sent, &before.sent, link);
            cost.extend(entries_of(&entries, &before.entries, link));
            let dear = (cost.into_iter()).find(|&(what, times)| {
                let asks = joins && what == "Genesis" || removed && what == "Forward";
                let asks_gone = gone && matches!(what, "PreVote" | "PreVoteReply");
                !asks && !asks_gone && times > most_of(what, rounds, there, appended)
            });
            if let Some((what, times)) = dear {
                let text = format!(
                    "in a rest of {lasted:?}, {} sent {} {times} messages of kind {what}, and {} \
                     are more than enough: a heartbeat goes out every {interval:?}",
                    node_id(from),
                    node_id(to),
                    most_of(what, rounds, there, appended),
                );
                return Err(self.violation(property::IDLE, text));
            }
        }
        self.check_bytes_in_flight()?;
        self.check_what_is_kept()?;
        self.check_bytes_in_memory()
    }

    /// For how much of a rest a leader may go on speaking: for all of it, unless it may fall silent
    /// and everybody is there to be told so.
    fn speaks(&self, lasted: Duration) -> Duration {
        // Who lost its disk is not the member that it was: nobody can tell that one.
        let is_told = |node: &Node<S::Machine>| {
            let lost = !self.is_member(node.number) && self.checks.belongs(node.id(), None);
            node.is_up() && !lost
        };
        let all = self.nodes.iter().all(is_told);
        let silence = self.plan.tuning.quiescent_after.filter(|_| all);
        silence.map_or(lasted, |after| {
            lasted.min(after + self.plan.tuning.election_timeout * 2)
        })
    }

    /// All is applied: snapshots were taken when they were due, and nobody who runs needs more of a
    /// log than what they do not stand for.
    fn check_what_is_kept(&self) -> Result<(), Violation> {
        for hull in self.nodes.iter().filter_map(Node::hull) {
            let mut followers = (0..self.nodes.len()).map(node_id);
            // Who is not there may be sent an older one, as long as it takes.
            let sends = followers.any(|follower| hull.snapshot_sent(follower).is_some());
            let done = hull.applied_index() == hull.last().index;
            let settled = done && !sends && !hull.is_witness() && hull.fault().is_none();
            if let Some(text) = self.checks.kept_at_rest(hull).filter(|_| settled) {
                let text = format!("in a cluster at rest, {} {text}", hull.me().id);
                return Err(self.violation(property::IDLE, text));
            }
        }
        Ok(())
    }

    /// All is durable and applied: no more entries stay in memory than the settings allow.
    fn check_bytes_in_memory(&self) -> Result<(), Violation> {
        for hull in self.nodes.iter().filter_map(Node::hull) {
            let last = hull.last().index;
            // A witness applies nothing, and one that was removed may never know what is committed.
            let done_with = match hull.is_witness() {
                true => hull.commit_index(),
                false => hull.applied_index(),
            };
            let applied = done_with == last;
            let done = applied && hull.durable_index() == last;
            let (bytes, most) = (hull.cached_bytes(), hull.settings().max_cached_bytes);
            if done && bytes > most {
                let text = format!(
                    "in a cluster at rest, {} keeps {bytes} bytes of entries in memory, of at \
                     most {most}",
                    hull.me().id
                );
                return Err(self.violation(property::IDLE, text));
            }
        }
        Ok(())
    }

    /// Nothing was sent to nodes that run that could still be unanswered: nothing may be kept for
    /// it. (What those get that are not there may be offered again for as long as it takes.)
    fn check_bytes_in_flight(&self) -> Result<(), Violation> {
        for hull in self.nodes.iter().filter_map(Node::hull) {
            let there = |&number: &usize| self.nodes.get(number).is_some_and(Node::is_up);
            for follower in (0..self.nodes.len()).filter(there) {
                let bytes = hull.bytes_in_flight(node_id(follower)).unwrap_or(0);
                if bytes > 0 {
                    let text = format!(
                        "in a cluster at rest, {} keeps {bytes} bytes for answers of {}",
                        hull.me().id,
                        node_id(follower)
                    );
                    return Err(self.violation(property::IDLE, text));
                }
            }
        }
        Ok(())
    }
}

/// How many heartbeats are due in this time by the fastest clock, which gains so many millionths,
/// and one at each end.
fn rounds(lasted: Duration, interval: Duration, drift: i32) -> u64 {
    let passed = lasted.as_nanos() * (1_000_000 + u128::from(drift.max(0).unsigned_abs()));
    let interval = interval.max(Duration::from_millis(1)).as_nanos() * 1_000_000;
    (passed / interval) as u64 + 2
}

/// How many messages of each kind were sent on a link since then.
fn cost_of(
    sent: &[[u64; KINDS.len()]],
    before: &[[u64; KINDS.len()]],
    link: usize,
) -> Vec<(&'static str, u64)> {
    let (Some(sent), Some(before)) = (sent.get(link), before.get(link)) else {
        return Vec::new();
    };
    let since = sent.iter().zip(before).map(|(sent, was)| sent - was);
    KINDS.into_iter().zip(since).collect()
}

fn entries_of(sent: &[u64], before: &[u64], link: usize) -> Option<(&'static str, u64)> {
    let (sent, was) = sent.get(link).zip(before.get(link))?;
    Some((ENTRIES, sent - was))
}

/// How many messages of this kind one node may send another in so many rounds, in which so many
/// entries were appended that had been asked for before.
fn most_of(kind: &str, rounds: u64, there: bool, appended: u64) -> u64 {
    match kind {
        // The paper's heartbeats are AppendEntries without entries.
        "Heartbeat" | "AppendEntries" => rounds * QUICKER * DOUBLED,
        // Each of those is answered, and the answer may be doubled as well.
        "HeartbeatReply" | "AppendEntriesReply" => rounds * QUICKER * DOUBLED * DOUBLED,
        // Who is not there may be offered entries or a snapshot as often as it is told who leads. Who is there
        // holds them all.
        ENTRIES | "InstallSnapshot" if !there => rounds * QUICKER * DOUBLED,
        ENTRIES | "Forward" | "ForwardReply" => FEW + appended * DOUBLED,
        _ => FEW,
    }
}

/// What messages are called that carry entries.
const ENTRIES: &str = "AppendEntries with entries";

/// A leader may send heartbeats so many times as often as it was told to: twice gives a lost one
/// a second chance before anyone's patience ends.
const QUICKER: u64 = 2;

/// A message may be sent twice where once would do: Raft allows for networks that do that.
const DOUBLED: u64 = 2;

/// Messages of other kinds that may be on their way when a rest begins, or repeat themselves.
const FEW: u64 = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key_value::{KeyValue, KeyValueWorkload};
    use crate::plan::{Plan, Swarm};
    use crate::subject::AppSubject;

    use raft_core::ids::{Incarnation, Peer};
    use raft_core::time::Time;

    type TestWorld = World<'static, AppSubject<KeyValue, KeyValueWorkload>>;

    /// Three nodes, and nothing that happens to them.
    fn plan() -> Plan {
        let swarm = Swarm {
            nodes: Some(3),
            faults: false,
            ..Swarm::default()
        };
        Plan::draw(1, &swarm)
    }

    /// Lets the next thing happen.
    fn step(world: &mut TestWorld) {
        let event = world.schedule.next().unwrap();
        world.happen(event).unwrap();
        world.run_woken().unwrap();
    }

    /// The world of this plan at some time.
    fn at(plan: Plan, millis: u64) -> TestWorld {
        let mut world = World::new(plan, KeyValue::default, KeyValueWorkload::default());
        while world.schedule.now() < Time::from_millis(millis) {
            step(&mut world);
        }
        world
    }

    /// What is said of a busy world when `check` first says anything.
    fn said_of(check: impl Fn(&TestWorld) -> Result<(), Violation>) -> Option<Violation> {
        let mut world = at(plan(), 0);
        while world.schedule.now() < Time::from_millis(5_000) {
            step(&mut world);
            if let Err(violation) = check(&world) {
                return Some(violation);
            }
        }
        None
    }

    #[test]
    fn a_busy_cluster_is_not_taken_for_one_at_rest() {
        let never = Idle {
            asked_at: None,
            sent: vec![[0; KINDS.len()]; 9],
            entries: vec![0; 9],
            starts: 0,
        };
        let found = said_of(|world| world.check_idle(&never, Duration::from_millis(50))).unwrap();
        assert_eq!(found.property, property::IDLE);
        assert!(found.text.contains("messages of kind"), "{found:?}");
    }

    #[test]
    fn bytes_that_are_kept_for_an_answer_are_seen() {
        let found = said_of(World::check_bytes_in_flight).unwrap();
        assert_eq!(found.property, property::IDLE);
        assert!(found.text.contains("bytes for answers of n"), "{found:?}");
    }

    #[test]
    fn a_leader_may_speak_on_to_a_member_that_lost_its_disk() {
        let mut plan = plan();
        let quiescent_after = Duration::from_secs(1);
        plan.tuning.quiescent_after = Some(quiescent_after);
        let silent_after = quiescent_after + plan.tuning.election_timeout * 2;
        let rest = Duration::from_secs(60);
        let mut world = at(plan, 2_000);
        assert_eq!(world.speaks(rest), silent_after);
        // It runs, and it is another one.
        let lost = world.nodes.last_mut().unwrap();
        let another = Incarnation::new(99);
        lost.me = lost.me.map(|me| Peer::new(me.id, another));
        assert!(lost.is_up());
        assert_eq!(world.speaks(rest), rest);
    }

    #[test]
    fn a_quick_clock_has_more_rounds() {
        let of = |drift| rounds(Duration::from_secs(10), Duration::from_millis(100), drift);
        assert_eq!((of(0), of(-50_000), of(50_000)), (102, 102, 107));
    }

    #[test]
    fn what_is_doubled_and_answered_doubly_is_not_too_much_and_an_echo_is() {
        let rounds = 40;
        assert!(most_of("Heartbeat", rounds, true, 0) >= 2 * rounds);
        assert!(most_of("HeartbeatReply", rounds, true, 0) >= 4 * rounds);
        assert!(most_of("HeartbeatReply", rounds, true, 0) < 20 * rounds);
        assert!(most_of("AppendEntries", rounds, true, 0) >= 2 * rounds);
        assert!(most_of("AppendEntriesReply", rounds, true, 0) >= 4 * rounds);
        assert!(most_of(ENTRIES, rounds, true, 0) < rounds);
        assert!(most_of("InstallSnapshot", rounds, true, 0) < rounds);
        assert!(most_of("InstallSnapshot", rounds, false, 0) >= 2 * rounds);
        assert!(most_of(ENTRIES, rounds, false, 0) >= 2 * rounds);
        assert!(most_of("RequestVote", rounds, true, 0) < rounds);
        assert!(most_of(ENTRIES, rounds, true, 12) >= 12);
    }
}
