//! Plays commands on a cluster, and says in words what came of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use raft_core::chunk::Chunk;
use raft_core::ids::{EntryId, LogIndex, NodeId};
use raft_core::settings::{Lease, Settings};

use super::command::{ClusterKind, Command, Show};
use super::{Impossible, print};
use crate::checkers::Violation;
use crate::directed::{
    Action, Cluster, DirectedError, Happening, Link, Look, Loss, Watch, WatchId,
};
use crate::trace::Recorder;

/// A cluster, if there is one yet, and what was not yet told of it.
#[derive(Debug, Default)]
pub(super) struct Player {
    cluster: Option<Cluster>,
    /// How many messages of each kind were sent since they were last counted.
    sent: BTreeMap<&'static str, u64>,
    /// The watches that have fired.
    fired: BTreeSet<WatchId>,
    /// What the checkers found, before the script says that it expects it.
    violation: Option<Violation>,
    /// Who listens.
    recorder: Option<Recorder>,
}

impl Player {
    /// One that tells what happens.
    pub(super) fn recorded_by(recorder: &Recorder) -> Self {
        Self {
            recorder: Some(recorder.clone()),
            ..Self::default()
        }
    }

    /// Does one command; answers what it printed.
    pub(super) fn perform(&mut self, command: Command) -> Result<Vec<String>, Impossible> {
        match command {
            Command::Cluster { nodes, kind } => {
                let founders = kind.founders.unwrap_or(nodes);
                let cluster = match kind.witnesses {
                    0 => Cluster::founded_by(founders, nodes, settings(kind)),
                    witnesses => Cluster::with_witnesses(witnesses, nodes, settings(kind)),
                };
                let mut cluster = cluster.map_err(Impossible::Directed)?;
                if let Some(recorder) = &self.recorder {
                    cluster.record(recorder);
                }
                let never = self.never_fired();
                *self = Self {
                    cluster: Some(cluster),
                    violation: self.violation.take(),
                    recorder: self.recorder.take(),
                    ..Self::default()
                };
                Ok(never)
            }
            Command::Act(action) => {
                let done = self.act(action);
                let lines = self.tell();
                done.map(|()| lines)
            }
            Command::Show(show) => self.show(show).map_err(Impossible::Directed),
            Command::Expect(property) => self.expect(property).map(|()| Vec::new()),
        }
    }

    /// What is violated, and the script did not expect.
    pub(super) fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// The watches that wait still and have never fired, a line each. What a story gives up waiting
    /// for it can `forget`.
    pub(super) fn never_fired(&self) -> Vec<String> {
        let watches = self.cluster.iter().flat_map(Cluster::watches);
        let idle = watches.filter(|(id, ..)| !self.fired.contains(id));
        idle.map(|(_, watch, _)| format!("never fired: {} {}", kind(watch), watch.trigger))
            .collect()
    }

    fn act(&mut self, action: Action) -> Result<(), Impossible> {
        let cluster = self.cluster.as_mut().ok_or(Impossible::NoCluster)?;
        cluster.perform(action).map_err(Impossible::Directed)
    }

    fn expect(&mut self, expected: &'static str) -> Result<(), Impossible> {
        match self.violation.take() {
            Some(violation) if violation.property == expected => Ok(()),
            found => {
                self.violation = found;
                Err(Impossible::NotViolated { expected })
            }
        }
    }

    fn tell(&mut self) -> Vec<String> {
        let happenings = self.cluster.as_mut().map(Cluster::take_happenings);
        let mut lines = Vec::new();
        for happening in happenings.unwrap_or_default() {
            match &happening {
                Happening::Sent(message) => {
                    *self.sent.entry(message.body.name()).or_default() += 1;
                }
                Happening::Fired { watch, .. } => {
                    self.fired.insert(*watch);
                }
                Happening::Violated(violation) => self.violation = Some(violation.clone()),
                _ => {}
            }
            lines.extend(in_words(&happening));
        }
        lines
    }

    fn show(&mut self, show: Show) -> Result<Vec<String>, DirectedError> {
        let Some(cluster) = &self.cluster else {
            return Ok(Vec::new());
        };
        match show {
            Show::Status => cluster.ids().map(|id| status(cluster, id)).collect(),
            Show::Log => cluster.ids().map(|id| log_line(cluster, id)).collect(),
            Show::Messages => Ok(messages(cluster)),
            Show::Watches => Ok(watches(cluster)),
            Show::Count => {
                let sent = std::mem::take(&mut self.sent).into_iter();
                Ok(sent
                    .map(|(kind, count)| format!("{count} {kind}"))
                    .collect())
            }
        }
    }
}

fn settings(kind: ClusterKind) -> Settings {
    let mut settings = Settings {
        pre_vote: !kind.plain,
        check_quorum: !kind.plain,
        ..Settings::default()
    };
    if kind.leases {
        settings.lease = Some(Lease {
            duration: Duration::from_millis(900),
            max_drift_per_mille: 200,
        });
    }
    if kind.forgetful {
        settings.snapshot_margin = 0;
        settings.max_append_bytes = 48;
    }
    if kind.single {
        settings.max_append_bytes = 1;
        settings.max_appends_in_flight = 1;
    }
    settings
}

/// What a reader is told; what is seen only by triggers is not.
fn in_words(happening: &Happening) -> Option<String> {
    Some(match happening {
        Happening::Arrived(message) => print::letter(message),
        Happening::Lost { message, why } => {
            let text = print::letter(message);
            match why {
                Loss::Wanted | Loss::Cut => format!("{text} (lost)"),
                Loss::Down => format!("{text} (lost: {} is down)", message.to.id),
            }
        }
        Happening::Event { node, event } => format!("  {node} {}", print::event(event)),
        Happening::Resolved { node, resolved } => format!("  {node} {}", print::resolved(resolved)),
        Happening::Applied { node, chunks } => {
            format!("  {node} applies {}", print::entries(chunks))
        }
        Happening::Fired { trigger, stops, .. } => {
            let what = if *stops { "stop" } else { "now" };
            format!("{what}: {trigger}")
        }
        Happening::Violated(violation) => {
            format!("VIOLATED {}: {}", violation.property, violation.text)
        }
        Happening::Sent(_)
        | Happening::Changed { .. }
        | Happening::LinksLost(_)
        | Happening::Paused { .. } => return None,
    })
}

fn status(cluster: &Cluster, id: NodeId) -> Result<String, DirectedError> {
    let Some(hull) = cluster.hull(id)? else {
        return Ok(format!("{id} down, {} on disk", cluster.last_on_disk(id)?));
    };
    let look = Look::at(hull);
    let name = |id: Option<NodeId>| id.map_or_else(|| "nobody".to_owned(), |id| id.to_string());
    let mut text = format!(
        "{id} {} in {}, voted for {}, follows {}, last {}, durable {}, committed {}, applied {}",
        print::role(look.role),
        look.term,
        name(look.vote),
        name(look.leader),
        hull.last(),
        look.durable,
        look.commit,
        look.applied,
    );
    if cluster.is_paused(id)? {
        text.push_str(", paused");
    }
    if let Some(fault) = hull.fault() {
        text.push_str(&format!(", stopped: {fault}"));
    }
    Ok(text)
}

/// The log; what is known to be committed stands before the bar.
fn log_line(cluster: &Cluster, id: NodeId) -> Result<String, DirectedError> {
    let chunks = cluster.log(id)?;
    let hull = cluster.hull(id)?;
    // The hull can be ahead of its log: what it has removed may still stand there.
    let stands = |entry: EntryId| {
        hull.is_some_and(|hull| {
            entry.index <= hull.commit_index() && hull.term_at(entry.index) == Some(entry.term)
        })
    };
    let entries = chunks.iter().flat_map(Chunk::entries);
    let committed = entries.map(|entry| entry.id).take_while(|id| stands(*id));
    let commit = committed.last().map_or(LogIndex::ZERO, |id| id.index);
    let parts = |from: LogIndex, to: LogIndex| {
        let views: Vec<_> = chunks
            .iter()
            .filter_map(|chunk| chunk.slice(from..to))
            .collect();
        print::entries(&views)
    };
    let committed = parts(LogIndex::ZERO, commit.next());
    let open = parts(commit.next(), LogIndex::new(u64::MAX));
    Ok(format!("{id} {committed} | {open}").trim_end().to_owned())
}

fn messages(cluster: &Cluster) -> Vec<String> {
    let line = |message| {
        let text = print::letter(message);
        if cluster.is_held(message) {
            return format!("{text} (held)");
        }
        match cluster.is_paused(Link::of(message).to) {
            Ok(true) => format!("{text} (paused)"),
            Ok(false) | Err(_) => text,
        }
    };
    cluster.under_way().map(line).collect()
}

fn watches(cluster: &Cluster) -> Vec<String> {
    let watches = cluster.watches();
    watches
        .map(|(id, watch, waiting)| format!("{} {} {waiting}", id.get(), kind(watch)))
        .collect()
}

/// What a watch is armed by.
const fn kind(watch: &Watch) -> &'static str {
    match (watch.stops, watch.repeats) {
        (true, _) => "break",
        (false, true) => "whenever",
        (false, false) => "when",
    }
}
