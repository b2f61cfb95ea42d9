//! The one place where a configuration becomes active: on append, not on commit (paper 6).

use alloc::vec::Vec;

use crate::chunk::Chunk;
use crate::configuration::Configuration;
use crate::ids::{LogIndex, Peer};
use crate::log::Recovered;
use crate::record::Record;

/// The configurations in the log, the latest of which is in force.
///
/// - `in_log` ascends by index, and each index is that of a `Config` entry of the present log.
#[derive(Clone, Hash, Debug)]
pub(crate) struct Configurations {
    /// In force while the log holds none: the snapshot's, or the founding one.
    base: Configuration,
    /// `base` is as of this index: what it was before that is of the past.
    base_index: LogIndex,
    in_log: Vec<(LogIndex, Configuration)>,
    /// The last committed configuration of which others said that it does not hold this node.
    told_removed: LogIndex,
}

impl Configurations {
    pub(crate) fn new(founding: Configuration, recovered: &Recovered) -> Self {
        let mark = recovered.snapshot.as_ref();
        Self {
            base: mark.map_or(founding, |mark| mark.configuration.clone()),
            base_index: mark.map_or(LogIndex::ZERO, |mark| mark.last.index),
            in_log: recovered.configurations.clone(),
            told_removed: LogIndex::ZERO,
        }
    }

    /// The configuration in force.
    pub(crate) fn active(&self) -> &Configuration {
        // [S6.21] The latest in the log, whether it is committed or not.
        self.in_log
            .last()
            .map_or(&self.base, |(_, configuration)| configuration)
    }

    /// Whether a committed configuration no earlier than all here is known not to hold this node:
    /// it is on a majority, which can do without it.
    pub(crate) fn is_removed(&self, me: Peer) -> bool {
        let known_at = self.known_at();
        // The very one may stand in the log here, without its being known that it is committed.
        let is_this = self.told_removed == known_at && known_at > LogIndex::ZERO;
        self.told_removed > known_at || (is_this && !self.active().may_lead(me))
    }

    /// The entry of that configuration.
    pub(crate) fn removed_at(&self, me: Peer) -> Option<LogIndex> {
        Some(self.told_removed).filter(|_| self.is_removed(me))
    }

    /// A committed configuration at this index does not hold this node. `false` if a later one is
    /// known here.
    pub(crate) fn on_removed(&mut self, me: Peer, configuration: LogIndex) -> bool {
        self.told_removed = self.told_removed.max(configuration);
        self.is_removed(me)
    }

    /// Whether the configuration in force is known to be committed.
    pub(crate) fn is_committed(&self, commit: LogIndex) -> bool {
        self.active_since().is_none_or(|index| index <= commit)
    }

    /// Whether `peer` may lead in a configuration that may count: the last one known to be
    /// committed, and those after it.
    pub(crate) fn may_lead(&self, peer: Peer, commit: LogIndex) -> bool {
        let committed = self.in_log.iter().rposition(|(index, _)| *index <= commit);
        let base = committed.is_none().then_some(&self.base);
        let later = self.in_log.iter().skip(committed.unwrap_or(0));
        // [T4.2.2.16] Who is not in the latest one may still be needed, until that is committed:
        // its log may be the only one that lets the others have a leader.
        // [S6.15] In a joint one either half will do.
        base.into_iter()
            .chain(later.map(|(_, configuration)| configuration))
            .any(|configuration| configuration.may_lead(peer))
    }

    pub(crate) fn on_append(&mut self, chunk: &Chunk) {
        if !chunk.is_config() {
            return;
        }
        for entry in chunk.entries() {
            if let Record::Config(bytes) = entry.record {
                // The chunk's gate has decoded it once, so it decodes.
                if let Ok(configuration) = Configuration::decode(bytes) {
                    self.in_log.push((entry.id.index, configuration));
                }
            }
        }
    }

    pub(crate) fn on_truncate(&mut self, from: LogIndex) {
        // [T4.1.35] What stood before an overwritten one is in force again.
        self.in_log.retain(|(index, _)| *index < from);
    }

    /// The configuration as of the entry at `index`, which is not before the ones kept.
    pub(crate) fn as_of(&self, index: LogIndex) -> &Configuration {
        let before = self.in_log.iter().rev().find(|(at, _)| *at <= index);
        before.map_or(&self.base, |(_, configuration)| configuration)
    }

    /// A snapshot stands for all entries up to `index`, which are still known here.
    pub(crate) fn forget_through(&mut self, index: LogIndex) {
        self.base = self.as_of(index).clone();
        self.base_index = index;
        self.in_log.retain(|(at, _)| *at > index);
    }

    /// A snapshot with this configuration stands for all there is, up to `index`.
    pub(crate) fn begin_with(&mut self, configuration: Configuration, index: LogIndex) {
        // [F13.IS.8b] The snapshot's configuration is in force.
        self.base = configuration;
        self.base_index = index;
        self.in_log.clear();
    }

    /// An index as of which the present configuration is in force: that of its entry, if that is in
    /// the log, or of the last one forgotten.
    pub(crate) fn known_at(&self) -> LogIndex {
        self.active_since().unwrap_or(self.base_index)
    }

    /// The index of the entry that put the present configuration in force, if it is in the log.
    pub(crate) fn active_since(&self) -> Option<LogIndex> {
        self.in_log.last().map(|(index, _)| *index)
    }
}
