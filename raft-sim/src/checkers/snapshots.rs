//! Snapshots compared with the log that they stand for (paper 7), and counted.
//!
//! - The configuration that a snapshot or a log's mark names is the one as of its last entry, whatever
//!   came later, and its time is no earlier than that entry's.
//! - Two snapshots of the same entries are the same, sessions and all, whoever took them: where it is
//!   known that a state has one form only.
//! - One is taken when the log has grown by as much as the settings say, and not before, unless the
//!   driver wants one or the one before can't be read. It is taken then, too.
//! - When nobody needs more, the log keeps what the newest snapshot does not stand for, and the margin,
//!   in entries and in bytes; and the store keeps that snapshot.

use std::collections::BTreeMap;

use raft_core::hull::Hull;
use raft_core::ids::{EntryId, LogIndex, NodeId};
use raft_core::settings::SnapshotPolicy;
use raft_core::snapshot::SnapshotId;

use super::members::in_words;
use super::timers::Wrong;
use super::{Checks, LogModel, Members, Model, NodeModel, property};
use crate::spy::{Bearer, Fact, StandsFor};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    shelves: BTreeMap<NodeId, Shelf>,
    /// The snapshots that were stored, if all of the same entries are to be the same.
    alike: Option<BTreeMap<EntryId, SnapshotId>>,
    /// Whether drivers take snapshots that no setting asks for.
    at_any_time: bool,
}

/// What is known of one node's snapshots since it started.
#[derive(Clone, Debug, Default)]
struct Shelf {
    /// The last entry of the one that was last begun or received.
    tried: LogIndex,
    /// Whether the store failed since the last one was begun: the newest one may be of no use.
    doubted: bool,
    /// From where on the payloads were counted, once it took or received one: before it started, or
    /// received that, they were not.
    counted_after: Option<LogIndex>,
    /// What was stored and not let go of.
    kept: Vec<SnapshotId>,
}

impl Checks {
    /// A state has one form: two snapshots of the same entries are the same.
    pub(crate) fn expect_equal_snapshots(&mut self) {
        self.snapshots.alike = Some(BTreeMap::new());
    }

    /// Drivers may take a snapshot whenever they like.
    pub(crate) const fn expect_snapshots_at_any_time(&mut self) {
        self.snapshots.at_any_time = true;
    }

    /// Looks at a node that has applied all there is, and whose followers have it: what is wrong with
    /// what it keeps.
    pub(crate) fn kept_at_rest(&self, hull: &Hull) -> Option<String> {
        let shelf = self.snapshots.shelves.get(&hull.me().id);
        let tried = shelf.map_or(LogIndex::ZERO, |shelf| shelf.tried);
        let settings = hull.settings();
        let newest = hull.stored_snapshot().map(|stored| stored.id);
        let stored = newest.map_or(LogIndex::ZERO, |newest| newest.last.index);
        missing(settings.snapshots, stored.max(tried), hull.applied_index())
            .or_else(|| kept_too_long(hull.forgotten().index, settings.snapshot_margin, stored))
            .or_else(|| {
                let counted = shelf?.counted_after?.max(hull.forgotten().index);
                let log = &self.model.node(hull.me().id)?.log;
                let bytes = payload_bytes(log, counted, stored);
                too_heavy(bytes, settings.snapshot_margin_bytes, stored)
            })
            .or_else(|| of_no_use(&shelf?.kept, newest?))
    }
}

impl Snapshots {
    /// The node was stopped.
    pub(super) fn stopped(&mut self, node: NodeId) {
        self.shelves.remove(&node);
    }

    /// Looks at what a node's spies saw in a step.
    pub(super) fn step(
        &mut self,
        hull: &Hull,
        facts: &[Fact],
        model: &Model,
        members: &Members,
    ) -> Option<Wrong> {
        let me = hull.me().id;
        let own = model.node(me)?;
        facts.iter().find_map(|fact| match fact {
            Fact::StoreFailed => {
                self.shelves.entry(me).or_default().doubted = true;
                None
            }
            Fact::StandsFor(stands) => {
                self.count_after(me, stands, own);
                let logs = [&own.log].into_iter().chain(model.logs());
                let wrong = contradicts(stands, logs, members);
                wrong.or_else(|| self.comes_too_soon(hull, stands, own))
            }
            Fact::Stored(id) => {
                let shelf = self.shelves.entry(me).or_default();
                shelf.tried = shelf.tried.max(id.last.index);
                shelf.kept.retain(|kept| kept != id);
                shelf.kept.push(*id);
                self.differs(*id)
            }
            Fact::LetGo(id) => {
                let shelf = self.shelves.entry(me).or_default();
                shelf.kept.retain(|kept| kept != id);
                None
            }
            _ => None,
        })
    }

    /// What follows one that was received is counted, and all that is applied since a start.
    fn count_after(&mut self, me: NodeId, stands: &StandsFor, own: &NodeModel) {
        let counted = &mut self.shelves.entry(me).or_default().counted_after;
        match stands.bearer {
            Bearer::Received => *counted = Some(stands.last.index),
            Bearer::Taken if counted.is_none() => {
                let stored = own.stored.map(|stored| stored.last.index);
                *counted = Some(stored.unwrap_or_default());
            }
            Bearer::Taken | Bearer::Log => {}
        }
    }

    /// Whether a snapshot is begun that the settings do not ask for.
    fn comes_too_soon(
        &mut self,
        hull: &Hull,
        stands: &StandsFor,
        own: &NodeModel,
    ) -> Option<Wrong> {
        if stands.bearer != Bearer::Taken {
            return None;
        }
        let shelf = self.shelves.entry(hull.me().id).or_default();
        // It started with the newest one that it had.
        let stored = own.stored.map(|stored| stored.last.index);
        let tried = std::mem::replace(&mut shelf.tried, stands.last.index);
        let since = tried.max(stored.unwrap_or_default());
        let excused = std::mem::take(&mut shelf.doubted) || self.at_any_time;
        let growth = Growth::of(&own.log, since, stands.last.index);
        let wrong = growth.is_too_little(hull.settings().snapshots);
        (wrong && !excused).then(|| {
            let text = format!(
                "takes a snapshot up to {}, though the last one was tried or received at {since}, \
                 and {growth:?} is less than the settings say",
                stands.last
            );
            (property::IDLE, text)
        })
    }

    /// Whether another snapshot of the same entries is another.
    fn differs(&mut self, id: SnapshotId) -> Option<Wrong> {
        let known = *self.alike.as_mut()?.entry(id.last).or_insert(id);
        (known != id).then(|| {
            let text = format!("stored {id:?}, and {known:?} is of the same entries");
            (property::STATE_MACHINE_SAFETY, text)
        })
    }
}

/// By how much a log has grown.
#[derive(Clone, Copy, Debug)]
struct Growth {
    entries: u64,
    /// What the payloads weigh, and what may be counted with each.
    bytes: u64,
}

impl Growth {
    fn of(log: &LogModel, since: LogIndex, through: LogIndex) -> Self {
        let indexes = since.next().get()..=through.get();
        let entries = indexes.filter_map(|index| log.entry(LogIndex::new(index)));
        let bytes = entries.map(|there| match there.entry.payload {
            0 => CONFIGURATION_BYTES,
            _ => there.entry.bytes.saturating_add(HEAD_BYTES),
        });
        Self {
            entries: through.distance_from(since),
            bytes: bytes.sum(),
        }
    }

    fn is_too_little(self, policy: Option<SnapshotPolicy>) -> bool {
        policy.is_none_or(|policy| {
            self.entries < policy.after_entries && self.bytes < policy.after_bytes
        })
    }
}

/// What is wrong with what something says of the entries that it stands for.
fn contradicts<'a>(
    stands: &StandsFor,
    mut logs: impl Iterator<Item = &'a LogModel>,
    members: &Members,
) -> Option<Wrong> {
    let holds = |log: &&LogModel| {
        let there = log.entry(stands.last.index);
        there.is_some_and(|there| there.entry.id == stands.last)
    };
    // Who receives a snapshot lacks what it stands for.
    let log = logs.find(holds)?;
    let known = members.as_of(log, stands.last);
    if let Some(known) = known.filter(|known| **known != stands.configuration) {
        let (is, should) = (in_words(&stands.configuration), in_words(known));
        let text = format!(
            "has {:?} up to {} say that the members are {is}; by the log they are {should}",
            stands.bearer, stands.last
        );
        return Some((property::MEMBERSHIP, text));
    }
    let reached = log.entry(stands.last.index)?.entry.time;
    let said = stands.time.filter(|said| *said < reached)?;
    let text = format!(
        "has {:?} up to {} say that log time is {said:?}, and that entry is of {reached:?}",
        stands.bearer, stands.last
    );
    Some((property::SESSIONS, text))
}

/// A snapshot that should have been taken.
fn missing(policy: Option<SnapshotPolicy>, tried: LogIndex, applied: LogIndex) -> Option<String> {
    let entries = applied.distance_from(tried);
    let policy = policy.filter(|policy| entries >= policy.after_entries)?;
    Some(format!(
        "has applied {entries} entries since a snapshot was last tried, and takes none; one is due \
         after {}",
        policy.after_entries
    ))
}

/// What of a log should have been let go of.
fn kept_too_long(forgotten: LogIndex, margin: u64, stored: LogIndex) -> Option<String> {
    let kept = stored.distance_from(forgotten);
    (kept > margin).then(|| {
        format!("keeps {kept} entries that its snapshot up to {stored} stands for, of {margin}")
    })
}

/// What the payloads of clients weigh, at least: what else is counted with them is not.
fn payload_bytes(log: &LogModel, after: LogIndex, through: LogIndex) -> u64 {
    let indexes = after.next().get()..=through.get();
    let entries = indexes.filter_map(|index| log.entry(LogIndex::new(index)));
    let payloads = entries.filter(|there| there.entry.payload != 0);
    payloads.map(|there| there.entry.bytes).sum()
}

/// What of a log should have been let go of for its weight.
fn too_heavy(bytes: u64, margin: u64, stored: LogIndex) -> Option<String> {
    (bytes > margin).then(|| {
        format!("keeps {bytes} bytes that its snapshot up to {stored} stands for, of {margin}")
    })
}

/// A snapshot that should have been let go of.
fn of_no_use(kept: &[SnapshotId], newest: SnapshotId) -> Option<String> {
    let other = kept.iter().find(|kept| **kept != newest)?;
    let (other, newest) = (other.last, newest.last);
    Some(format!(
        "keeps its snapshot up to {other} beside that up to {newest}"
    ))
}

/// More than a configuration weighs: those and no-ops are no payloads of clients.
const CONFIGURATION_BYTES: u64 = 1 << 10;
/// More than a record says beside its payload.
const HEAD_BYTES: u64 = 64;

#[cfg(test)]
mod tests {
    use raft_core::configuration::Configuration;
    use raft_core::ids::Term;
    use raft_core::time::LogTime;

    use super::*;
    use crate::checkers::model::Chained;
    use crate::spy::EntryFact;

    fn id(index: u64) -> EntryId {
        EntryId::new(Term::new(2), LogIndex::new(index))
    }

    /// A log of so many entries of ten bytes, each a millisecond after the one before.
    fn log(length: u64) -> LogModel {
        let entry = |index| EntryFact {
            id: id(index),
            content: index,
            payload: index,
            session: 1,
            serial: index,
            settled: 0,
            bytes: 10,
            time: LogTime::from_millis(index),
            absent: false,
        };
        let entries = (1..=length).map(|index| Chained {
            entry: entry(index),
            chain: index,
        });
        LogModel {
            entries: entries.collect(),
            ..LogModel::default()
        }
    }

    fn stands(index: u64, configuration: &Configuration, time: u64) -> StandsFor {
        StandsFor {
            bearer: Bearer::Taken,
            last: id(index),
            configuration: configuration.clone(),
            time: Some(LogTime::from_millis(time)),
        }
    }

    fn of(ids: &[u64]) -> Configuration {
        use raft_core::ids::{Incarnation, Peer};
        let peer = |id: &u64| Peer::new(NodeId::new(*id), Incarnation::new(1));
        Configuration::of_voters(ids.iter().map(peer))
    }

    #[test]
    fn a_snapshot_has_the_configuration_as_of_its_last_entry() {
        let (founding, later) = (of(&[1, 2]), of(&[1, 2, 3]));
        let members = Members::knowing(&founding, &[(id(5), later.clone())]);
        let said = |index, configuration| {
            let stands = stands(index, configuration, 9);
            let wrong = contradicts(&stands, [&log(3), &log(9)].into_iter(), &members);
            wrong.map(|(property, _)| property)
        };
        assert_eq!(said(4, &founding), None);
        assert_eq!(said(5, &later), None);
        assert_eq!(said(9, &later), None);
        assert_eq!(said(4, &later), Some(property::MEMBERSHIP));
        assert_eq!(said(5, &founding), Some(property::MEMBERSHIP));
        assert_eq!(said(10, &founding), None, "nobody has that entry");
    }

    #[test]
    fn the_time_of_a_snapshot_is_not_before_its_last_entry() {
        let founding = of(&[1]);
        let members = Members::knowing(&founding, &[]);
        for (time, right) in [(6, false), (7, true), (8, true)] {
            let stands = stands(7, &founding, time);
            let wrong = contradicts(&stands, [&log(9)].into_iter(), &members);
            assert_eq!(wrong.is_none(), right, "{time}");
        }
    }

    #[test]
    fn a_snapshot_is_taken_when_the_log_has_grown_enough() {
        let policy = |after_entries, after_bytes| {
            Some(SnapshotPolicy {
                after_entries,
                after_bytes,
            })
        };
        let growth = Growth::of(&log(9), LogIndex::new(4), LogIndex::new(8));
        assert!(!growth.is_too_little(policy(4, 1 << 20)));
        assert!(growth.is_too_little(policy(5, 1 << 20)));
        assert!(!growth.is_too_little(policy(5, 40)), "by bytes");
        let mut members = log(9);
        members.entries[7].entry.payload = 0;
        let growth = Growth::of(&members, LogIndex::new(4), LogIndex::new(8));
        assert!(!growth.is_too_little(policy(5, 1 << 10)), "it may be large");
        assert!(growth.is_too_little(None));
        let due = |tried| missing(policy(4, 1), LogIndex::new(tried), LogIndex::new(8));
        assert!(due(5).is_none() && due(4).is_some());
        assert!(missing(None, LogIndex::ZERO, LogIndex::new(8)).is_none());
    }

    #[test]
    fn a_log_keeps_its_margin_and_no_more() {
        let kept = |forgotten, margin| {
            kept_too_long(LogIndex::new(forgotten), margin, LogIndex::new(9)).is_some()
        };
        assert!(!kept(9, 0) && !kept(5, 4) && !kept(7, 4));
        assert!(kept(8, 0) && kept(4, 4));
    }

    #[test]
    fn a_log_keeps_no_more_bytes_than_its_margin() {
        let mut log = log(9);
        log.entries[6].entry.payload = 0;
        let weight = |after| payload_bytes(&log, LogIndex::new(after), LogIndex::new(8));
        assert_eq!(
            [weight(4), weight(5), weight(7), weight(8)],
            [30, 20, 10, 0]
        );
        let heavy = |bytes| too_heavy(bytes, 30, LogIndex::new(8)).is_some();
        assert!(!heavy(30) && heavy(31));
    }

    #[test]
    fn a_store_keeps_the_newest_snapshot_and_no_other() {
        let snapshot = |index| SnapshotId {
            last: id(index),
            length: 3,
            digest: 7,
        };
        let newest = snapshot(9);
        assert_eq!(of_no_use(&[], newest), None, "it is from before this start");
        assert_eq!(of_no_use(&[newest], newest), None);
        assert!(of_no_use(&[snapshot(4), newest], newest).is_some());
    }

    #[test]
    fn two_snapshots_of_the_same_entries_are_the_same() {
        let snapshot = |index, digest| SnapshotId {
            last: id(index),
            length: 3,
            digest,
        };
        let mut snapshots = Snapshots::default();
        assert!(snapshots.differs(snapshot(4, 7)).is_none());
        assert!(
            snapshots.differs(snapshot(4, 8)).is_none(),
            "nobody says so"
        );
        snapshots.alike = Some(BTreeMap::new());
        assert!(snapshots.differs(snapshot(4, 7)).is_none());
        assert!(snapshots.differs(snapshot(5, 8)).is_none());
        assert!(snapshots.differs(snapshot(4, 7)).is_none());
        let wrong = snapshots.differs(snapshot(4, 8));
        assert_eq!(
            wrong.map(|(property, _)| property),
            Some(property::STATE_MACHINE_SAFETY)
        );
    }
}
