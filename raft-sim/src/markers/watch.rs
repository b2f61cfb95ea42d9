//! Who notices markers: fed with what the checks are fed with, before it becomes the past.
//!
//! A node's step may take in several letters. All of them are seen against the node as it was
//! before the step, which is exact for the first one; rare states are frequent enough for that.

use std::collections::{BTreeMap, BTreeSet};

use raft_core::ids::{LogIndex, NodeId, Term};
use raft_core::states::Role;

use super::snapshots::Sent;
use super::{Marker, Reached};
use crate::by_node::ByNode;
use crate::checkers::{Model, NodeModel, Observation, View};
use crate::spy::{Answered, Fact, Found, Passing, Says, Talk, WriteFact};

/// Notices markers in one world.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    pub(crate) reached: Reached,
    nodes: ByNode<Past>,
    last_elected: Option<NodeId>,
    /// The commands that leaders have put into logs, by session and serial.
    commands: BTreeSet<(u64, u64)>,
}

/// What is remembered of one node.
#[derive(Debug, Default)]
struct Past {
    /// The last term in which it asked for votes.
    asked_in: Term,
    /// The terms it has led.
    led: BTreeSet<Term>,
    /// The latest term in which its vote was asked for in this step.
    vote_sought_in: Term,
    /// Whether it was roused from silence, and has heard no leader since.
    roused: bool,
    /// Its last grant.
    granted: Option<(Term, NodeId)>,
    /// Whether it has a hull.
    has_hull: bool,
    /// Of snapshots, the last part that it sent each other node.
    parts: BTreeMap<NodeId, Sent>,
}

impl Watch {
    /// Something passes between a node and the network or its log.
    pub(crate) fn passing(
        &mut self,
        node: NodeId,
        before: Option<&Observation>,
        passing: &Passing,
        model: &Model,
    ) {
        match passing {
            Passing::Sent(talk) => self.sent(node, before, talk, model),
            Passing::Taken(talk) => {
                if let Some(before) = before {
                    if matches!(talk.says, Says::Append { .. } | Says::Heartbeat { .. }) {
                        self.nodes.or_default(node).roused = false;
                    }
                    let asked = before.quiet && talk.says == Says::PreVote;
                    self.reached.mark_if(asked, Marker::SilentAskedForVote);
                    self.taken(before, talk);
                    if matches!(talk.says, Says::RequestVote { .. }) {
                        let past = self.nodes.or_default(node);
                        past.vote_sought_in = past.vote_sought_in.max(talk.term);
                    }
                    self.taken_append(before, talk, model.node(node));
                    self.offered(before, talk, model.node(node));
                    self.part_answered(node, talk);
                }
            }
            Passing::ConnectionLost(peer) => {
                let led = before.is_some_and(|before| {
                    before.role == Role::Follower && before.leader == Some(*peer)
                });
                self.reached.mark_if(led, Marker::ConnectionToLeaderLost);
            }
            Passing::Read => self.reached.mark(Marker::EntriesReadBack),
            Passing::Resumed => self.reached.mark(Marker::SnapshotResumed),
            Passing::Garbled | Passing::NamedItself => {}
        }
    }

    /// A client asks a node for a linearizable read.
    pub(crate) fn read_wanted(&mut self, node: NodeId, model: &Model) {
        let Some(own) = model.node(node) else {
            return;
        };
        let behind = own.applied_count < model.applied().len();
        self.reached.mark_if(behind, Marker::ReadMustWait);
        let Some(leader) = own
            .observation
            .as_ref()
            .filter(|seen| seen.role == Role::Leader)
        else {
            return;
        };
        let replaced = leads(model).any(|other| other.term > leader.term);
        self.reached.mark_if(replaced, Marker::ReadAtReplacedLeader);
        let committed = own.log.entry(leader.commit);
        let own_entry = committed.is_some_and(|entry| entry.entry.id.term == leader.term);
        self.reached.mark_if(!own_entry, Marker::ReadBeforeOwnEntry);
    }

    /// The last parts of snapshots that this node sent.
    pub(super) fn parts_of(&mut self, node: NodeId) -> &mut BTreeMap<NodeId, Sent> {
        &mut self.nodes.or_default(node).parts
    }

    fn sent(&mut self, node: NodeId, before: Option<&Observation>, talk: &Talk, model: &Model) {
        let past = self.nodes.or_default(node);
        match talk.says {
            Says::RequestVote { .. } => past.asked_in = talk.term,
            Says::RequestVoteReply { granted: true } => {
                let again = past.granted == Some((talk.term, talk.peer));
                past.granted = Some((talk.term, talk.peer));
                self.reached.mark_if(again, Marker::VoteRepeated);
            }
            Says::RequestVoteReply { granted: false } => {
                let free = model.node(node).is_some_and(|own| {
                    own.durable.hard.term == talk.term && own.durable.hard.vote.is_none()
                });
                self.reached.mark_if(free, Marker::FreeVoteRefused);
            }
            Says::PreVoteReply { granted: true, .. } => {
                let led = leads(model).next().is_some();
                self.reached
                    .mark_if(led, Marker::PreVoteGrantedBesideLeader);
            }
            Says::PreVoteReply { granted: false, .. } => {
                let led = before.is_some_and(|before| before.leader.is_some());
                self.reached.mark_if(led, Marker::PreVoteRefusedForLeader);
            }
            Says::AppendReply(Answered::Conflict { refused, hint }) => {
                let last = model.node(node).map(|own| own.log.last_index());
                let short = last.is_some_and(|last| last < refused);
                let why = if short {
                    Marker::LacksPrevious
                } else {
                    Marker::ContradictsPrevious
                };
                self.reached.mark(why);
                let skipped = hint.index.next() < refused;
                self.reached.mark_if(skipped, Marker::HintSkipped);
            }
            Says::PreVote
            | Says::Append { .. }
            | Says::AppendReply(_)
            | Says::Heartbeat { .. }
            | Says::HeartbeatReply { .. }
            | Says::TimeoutNow { .. }
            | Says::Removed { .. }
            | Says::InstallReply(_) => {}
            Says::Install { .. } => self.part_sent(node, talk),
        }
    }

    /// A letter that is no append is taken in.
    fn taken(&mut self, before: &Observation, talk: &Talk) {
        let old = talk.term < before.term;
        let same = talk.term == before.term;
        let later = talk.term > before.term;
        let led = before.role == Role::Leader;
        let marker = match (talk.says, before.role) {
            (Says::Heartbeat { .. }, Role::Follower) if old => Marker::FollowerGotOldHeartbeat,
            (Says::AppendReply(Answered::Matched(index)), Role::Leader) if old => {
                let known = before.matches.iter().find(|known| known.0 == talk.peer);
                let more = known.is_some_and(|known| index > known.1.index);
                self.reached.mark_if(more, Marker::OldAcknowledgementOfMore);
                Marker::OldAcknowledgement
            }
            (Says::AppendReply(Answered::Conflict { .. }), Role::Leader) if old => {
                Marker::OldRefusal
            }
            (Says::AppendReply(answered), Role::Leader) if same => {
                let Some(known) = before.matches.iter().find(|known| known.0 == talk.peer) else {
                    return;
                };
                match answered {
                    Answered::Matched(index) if index < known.1.index => {
                        Marker::RepeatedAcknowledgement
                    }
                    Answered::Conflict { refused, .. } if refused <= known.1.index => {
                        Marker::LateRefusal
                    }
                    Answered::Lost { .. } => Marker::LossTold,
                    Answered::Matched(_) | Answered::Conflict { .. } | Answered::Stale => return,
                }
            }
            (Says::TimeoutNow { .. }, Role::Follower) if same => Marker::ToldToTakeOver,
            (Says::TimeoutNow { .. }, _) if old => Marker::ToldTooLate,
            (Says::RequestVoteReply { granted: true }, _) if old => Marker::StaleGrant,
            (Says::RequestVoteReply { granted: true }, Role::Leader) if same => {
                Marker::GrantAfterWin
            }
            (Says::RequestVoteReply { granted: true }, Role::Follower) if same => {
                Marker::GrantAfterYielding
            }
            (Says::RequestVoteReply { .. }, Role::Candidate) if later => {
                Marker::CandidateToldOfLaterTerm
            }
            (Says::PreVoteReply { granted: false, .. }, Role::PreCandidate) if later => {
                Marker::PreVoteRefusalTaughtTerm
            }
            (Says::PreVoteReply { .. }, Role::Follower | Role::Candidate | Role::Leader) => {
                Marker::LatePreVoteReply
            }
            (Says::RequestVote { .. }, Role::Leader) if same => Marker::LeaderAskedForVote,
            (Says::HeartbeatReply { .. } | Says::AppendReply(_), _) if later && led => {
                Marker::LeaderToldOfLaterTerm
            }
            _ => return,
        };
        self.reached.mark(marker);
    }

    /// A leader's letter is taken in.
    fn taken_append(&mut self, before: &Observation, talk: &Talk, own: Option<&NodeModel>) {
        let (old, same) = (talk.term < before.term, talk.term == before.term);
        let from_leader = matches!(talk.says, Says::Append { .. } | Says::Heartbeat { .. });
        match before.role {
            Role::Candidate if from_leader && same => self.reached.mark(Marker::CandidateMetLeader),
            Role::PreCandidate if from_leader && same => {
                self.reached.mark(Marker::PreCandidateMetLeader);
            }
            Role::Leader if from_leader && !old && !same => {
                self.reached.mark(Marker::LeaderHeardLaterLeader);
            }
            Role::Follower | Role::PreCandidate | Role::Candidate | Role::Leader => {}
        }
        let Says::Append {
            previous,
            last,
            commit,
            bytes: _,
            pinned: _,
        } = talk.says
        else {
            return;
        };
        let candidate = before.role == Role::Candidate;
        self.reached
            .mark_if(candidate && old, Marker::CandidateGotOldAppend);
        if before.role != Role::Follower || !same {
            return;
        }
        let held = own.and_then(|own| own.log.entry(last.index));
        let known = last.index > previous.index && held.is_some_and(|held| held.entry.id == last);
        self.reached.mark_if(known, Marker::AppendHeldAlready);
        let below = last.index > LogIndex::ZERO && last.index < before.commit;
        self.reached.mark_if(below, Marker::AppendBelowCommit);
        let beyond = commit > last.index && commit > before.last.index;
        self.reached.mark_if(beyond, Marker::CommitBeyondEntries);
    }

    /// A spy saw something that the model does not know yet.
    pub(crate) fn fact(&mut self, node: NodeId, own: Option<&NodeModel>, fact: &Fact) {
        match (fact, own) {
            (Fact::Begun(write), Some(own)) => self.begun(node, own, write),
            (Fact::Opened(found), Some(own)) => self.opened(own, found),
            (Fact::Restored(_), _) => {
                let runs = self.nodes.find(&node).is_some_and(|past| past.has_hull);
                self.reached.mark_if(runs, Marker::RestoredByFollower);
            }
            (Fact::LogFailed, _) => self.reached.mark(Marker::LogFailed),
            _ => {}
        }
    }

    fn begun(&mut self, node: NodeId, own: &NodeModel, write: &WriteFact) {
        match own.witness {
            true => self.witness_begins(own, write),
            false => self.forgetting(own, write),
        }
        let past = self.nodes.or_default(node);
        let leads = past.led.contains(&write.hard.term);
        for entry in write.append.iter().filter(|_| leads) {
            let named = entry.session > 0 && entry.id.term == write.hard.term;
            let again = named && !self.commands.insert((entry.session, entry.serial));
            self.reached.mark_if(again, Marker::CommandTwiceInLog);
        }
        let later = write.hard.term > own.log.hard.term && !write.append.is_empty();
        self.reached.mark_if(later, Marker::TermWithEntries);
        self.reached
            .mark_if(own.writes_under_way() >= 2, Marker::ManyWrites);
        let Some(from) = write.truncate_from else {
            return;
        };
        self.reached
            .mark_if(!write.append.is_empty(), Marker::SuffixReplaced);
        let last = own.log.last_index();
        self.reached.mark_if(last > from, Marker::LongSuffixCut);
        let durable = own.durable.last_index() >= from;
        self.reached.mark_if(durable, Marker::DurableEntriesCut);
        let writing = own.writes_under_way() > 0 && own.durable.last_index() < last && from <= last;
        self.reached.mark_if(writing, Marker::CutWhileWriting);
        let proposed = own
            .log
            .entry(last)
            .is_some_and(|last| past.led.contains(&last.entry.id.term));
        self.reached.mark_if(proposed, Marker::OwnProposalsCut);
    }

    fn opened(&mut self, own: &NodeModel, found: &Found) {
        self.found_stored(found);
        let lost = found.last < own.log.last_index();
        self.reached.mark_if(lost, Marker::EntriesLostByCrash);
        let kept = found.last > own.durable.last_index();
        self.reached.mark_if(kept, Marker::EntriesKeptByCrash);
        let written = own.log.hard;
        let older = (found.hard.term, found.hard.vote) != (written.term, written.vote);
        self.reached.mark_if(older, Marker::HardStateLostByCrash);
    }

    /// A node has made a step.
    pub(crate) fn look(&mut self, view: &View<'_>) {
        self.nodes.or_default(view.node).has_hull = view.after.is_some();
        let (Some(before), Some(after)) = (view.before, view.after) else {
            return;
        };
        if before.boot != after.boot {
            return;
        }
        if after.elected_with.is_some() {
            self.elected(view, after);
            self.elected_by_witness(view, after);
        }
        if after.role == Role::Leader {
            self.committed_by_witness(view, after);
        }
        self.silent(view.node, before, after);
        self.campaigned(view, before, after);
        self.learned(before, after, view.model.node(view.node));
        let past = self.nodes.or_default(view.node);
        let ignored = core::mem::take(&mut past.vote_sought_in) > after.term;
        let hears = before.role == Role::Follower && after.leader.is_some();
        self.reached
            .mark_if(ignored && hears, Marker::VoteIgnoredForLeader);
        let leap = after.term > before.term.next();
        self.reached.mark_if(leap, Marker::TermLeap);
        let gave_up = before.role == Role::Leader
            && after.role == Role::Follower
            && before.term == after.term
            && after.fault.is_none();
        self.reached.mark_if(gave_up, Marker::SteppedDownAlone);
    }

    /// Nodes that expect nothing of each other, and no longer do.
    fn silent(&mut self, node: NodeId, before: &Observation, after: &Observation) {
        let leads = (before.role, after.role) == (Role::Leader, Role::Leader);
        let past = self.nodes.or_default(node);
        if before.role == Role::Follower && before.quiet && !after.quiet {
            past.roused = after.role == Role::Follower && after.term == before.term;
        }
        let campaigns = after.role == Role::PreCandidate && core::mem::take(&mut past.roused);
        self.reached.mark_if(campaigns, Marker::SilentLeaderGone);
        let fell = leads && !before.quiet && after.quiet;
        self.reached.mark_if(fell, Marker::FellSilent);
        let wanted = leads && before.quiet && !after.quiet;
        self.reached.mark_if(wanted, Marker::WantedAgain);
    }

    fn elected(&mut self, view: &View<'_>, after: &Observation) {
        let past = self.nodes.or_default(view.node);
        past.led.insert(after.term);
        let again = self.last_elected.replace(view.node) == Some(view.node);
        self.reached.mark_if(again, Marker::LeaderAgain);
        let others = || {
            let others = view.model.nodes().filter(|(id, _)| *id != view.node);
            others.filter_map(|(_, node)| node.observation.as_deref())
        };
        let rival = others().any(|one| one.role == Role::Candidate && one.term == after.term);
        self.reached.mark_if(rival, Marker::ElectedDespiteRival);
        let longer = others().any(|one| one.last.index >= after.last.index);
        self.reached.mark_if(longer, Marker::ElectedWithShorterLog);
        let two = leads(view.model).any(|one| one.term != after.term);
        self.reached.mark_if(two, Marker::TwoLeaders);
        // The last entry is its own no-op.
        let inherited = after.last.index.previous() > after.commit;
        self.reached.mark_if(inherited, Marker::InheritedEntries);
    }

    fn campaigned(&mut self, view: &View<'_>, before: &Observation, after: &Observation) {
        let candidate = before.role == Role::Candidate;
        let again = match after.role {
            Role::Candidate => after.term > before.term,
            Role::PreCandidate => after.term == before.term,
            Role::Follower | Role::Leader => false,
        };
        self.reached
            .mark_if(candidate && again, Marker::ElectionRanOut);
        if after.role == Role::Candidate && (!candidate || again) {
            let rival = view.model.nodes().any(|(id, node)| {
                id != view.node
                    && node
                        .observation
                        .as_ref()
                        .is_some_and(|one| one.role == Role::Candidate && one.term == after.term)
            });
            self.reached.mark_if(rival, Marker::RivalsInOneTerm);
        }
    }

    /// A node's commit index may have risen.
    fn learned(&mut self, before: &Observation, after: &Observation, own: Option<&NodeModel>) {
        let Some(first) = after.committed.first() else {
            return;
        };
        let leads = after.role == Role::Leader;
        self.reached
            .mark_if(leads && first.term < after.term, Marker::OldTermCommitted);
        let durable = own.map_or(LogIndex::ZERO, |own| own.durable.last_index());
        let early = if leads {
            Marker::CommittedBeforeOwnDisk
        } else {
            Marker::FollowerCommitBeforeDisk
        };
        self.reached.mark_if(after.commit > durable, early);
        let many = before.commit > LogIndex::ZERO && after.committed.len() >= MANY;
        self.reached.mark_if(many, Marker::CaughtUpAtOnce);
    }

    /// A node is about to be stopped.
    pub(crate) fn stopping(&mut self, node: NodeId, own: &NodeModel) {
        let past = self.nodes.or_default(node);
        past.has_hull = false;
        let Some(seen) = &own.observation else {
            let marker = if own.running {
                Marker::CrashBeforeFounding
            } else {
                Marker::CrashWhileOpening
            };
            return self.reached.mark(marker);
        };
        match seen.role {
            Role::Leader => {
                let silent = own.durable.last_id().term < seen.term;
                self.reached.mark_if(silent, Marker::CrashBeforeNoOp);
                let open = seen.last.index > seen.commit;
                self.reached.mark_if(open, Marker::CrashWithProposals);
            }
            Role::Candidate => {
                let silent = past.asked_in < seen.term;
                self.reached.mark_if(silent, Marker::CrashBeforeRequest);
            }
            Role::Follower | Role::PreCandidate => {
                let given = seen.vote.is_some_and(|vote| vote != node);
                let hard = own.durable.hard;
                let durable =
                    hard.term > seen.term || (hard.term, hard.vote) == (seen.term, seen.vote);
                self.reached
                    .mark_if(given && !durable, Marker::CrashWithUnsyncedVote);
            }
        }
    }
}

/// The nodes that lead, whatever their terms.
fn leads(model: &Model) -> impl Iterator<Item = &Observation> {
    let seen = model
        .nodes()
        .filter_map(|(_, node)| node.observation.as_deref());
    seen.filter(|one| one.role == Role::Leader)
}

/// So many entries at once are many.
const MANY: usize = 20;
