//! The one place where a configuration becomes active: on append, not on commit (paper 6).

use alloc::vec::Vec;

use super::aside::Aside;
use crate::chunk::Chunk;
use crate::configuration::Configuration;
use crate::ids::{LogIndex, Peer};
use crate::log::Recovered;
use crate::record::Record;

/// The configurations in the log, the latest of which is in force.
#[derive(Clone, Hash, Debug)]
pub(crate) struct Configurations {
    /// In force while the log holds none: the snapshot's, or the founding one.
    base: Kept,
    later: Aside<Later>,
}

/// What is known of configurations after the base.
///
/// - `in_log` ascends by index, and each index is that of a `Config` entry of the present log.
#[derive(Clone, Hash, Debug, Default)]
struct Later {
    in_log: Vec<(LogIndex, Kept)>,
    /// The last committed configuration of which others said that it does not hold this node.
    told_removed: LogIndex,
}

/// A configuration, and what this node is in it: that is asked with every message.
#[derive(Clone, Hash, Debug)]
struct Kept {
    configuration: Configuration,
    standing: Standing,
}

/// What a node is in a configuration.
#[derive(Clone, Copy, Hash, Debug)]
pub(crate) struct Standing {
    /// Whether this life of it is a member, or is to become one.
    pub(crate) admitted: bool,
    /// Whether this life of it may lead.
    pub(crate) may_lead: bool,
    /// How many are preferred to it as a leader, and how many may lead at all
    /// ([`Configuration::preferred_to`]).
    pub(crate) preferred: (u32, u32),
    /// How many others the log is sent to.
    pub(crate) others: u32,
}

impl Kept {
    fn new(configuration: Configuration, me: Peer) -> Self {
        let others = configuration.peers().filter(|peer| peer.id != me.id);
        let standing = Standing {
            admitted: configuration.admits(me),
            may_lead: configuration.may_lead(me),
            preferred: configuration.preferred_to(me.id),
            others: u32::try_from(others.count()).unwrap_or(u32::MAX),
        };
        Self {
            configuration,
            standing,
        }
    }
}

impl Configurations {
    pub(crate) fn new(me: Peer, founding: Configuration, recovered: &Recovered) -> Self {
        let mark = recovered.snapshot.as_ref();
        let base = match mark.map(|mark| &mark.configuration) {
            Some(other) if *other != founding => other.clone(),
            // Of two that are equal, other hulls may share the founding one.
            Some(_) | None => founding,
        };
        let in_log = recovered.configurations.iter();
        let in_log = in_log.map(|(index, one)| (*index, Kept::new(one.clone(), me)));
        let mut new = Self {
            base: Kept::new(base, me),
            later: Aside::new(),
        };
        in_log.for_each(|kept| new.later.needed().in_log.push(kept));
        new
    }

    /// The configuration in force.
    pub(crate) fn active(&self) -> &Configuration {
        &self.latest().configuration
    }

    /// What this node is in the configuration in force.
    pub(crate) fn standing(&self) -> Standing {
        self.latest().standing
    }

    fn latest(&self) -> &Kept {
        // [S6.21] The latest in the log, whether it is committed or not.
        self.in_log().last().map_or(&self.base, |(_, kept)| kept)
    }

    /// Those that stand in the log.
    fn in_log(&self) -> &[(LogIndex, Kept)] {
        self.later.there().map_or(&[], |later| &later.in_log)
    }

    /// Gives back the memory of what is empty.
    pub(crate) fn give_back(&mut self) {
        self.later
            .give_back(|later| later.in_log.is_empty() && later.told_removed == LogIndex::ZERO);
    }

    /// Whether a committed configuration no earlier than all here is known not to hold this node:
    /// it is on a majority, which can do without it. The present one is known as of `known_at`.
    pub(crate) fn is_removed(&self, me: Peer, known_at: LogIndex) -> bool {
        // The very one may stand in the log here, without its being known that it is committed.
        let is_this = self.told_removed() == known_at && known_at > LogIndex::ZERO;
        self.told_removed() > known_at || (is_this && !self.active().may_lead(me))
    }

    /// The last committed configuration of which others said that it does not hold this node.
    pub(crate) fn told_removed(&self) -> LogIndex {
        let later = self.later.there();
        later.map_or(LogIndex::ZERO, |later| later.told_removed)
    }

    /// A committed configuration at this index does not hold this node.
    pub(crate) fn on_removed(&mut self, configuration: LogIndex) {
        let later = self.later.needed();
        later.told_removed = later.told_removed.max(configuration);
    }

    /// The configuration in force, if it is known to be committed, does not hold this node, and is behind one
    /// that did. Who is on its way to be a member for the first time has seen none that did.
    pub(crate) fn left_by(&self, me: Peer, commit: LogIndex) -> Option<LogIndex> {
        let index = self.active_since().filter(|index| *index <= commit)?;
        let in_log = self.in_log().iter().map(|(_, kept)| kept);
        let mut all = core::iter::once(&self.base).chain(in_log);
        let was_member = all.any(|kept| kept.configuration.admits(me));
        (was_member && !self.active().admits(me)).then_some(index)
    }

    /// Whether the configuration in force is known to be committed.
    pub(crate) fn is_committed(&self, commit: LogIndex) -> bool {
        self.active_since().is_none_or(|index| index <= commit)
    }

    /// Whether `peer` may lead in a configuration that may count: the last one known to be
    /// committed, and those after it.
    pub(crate) fn may_lead(&self, peer: Peer, commit: LogIndex) -> bool {
        let in_log = self.in_log().iter();
        let committed = in_log.clone().rposition(|(index, _)| *index <= commit);
        let base = committed.is_none().then_some(&self.base);
        let later = in_log.skip(committed.unwrap_or(0));
        // [T4.2.2.16] Who is not in the latest one may still be needed, until that is committed:
        // its log may be the only one that lets the others have a leader.
        // [S6.15] In a joint one either half will do.
        base.into_iter()
            .chain(later.map(|(_, kept)| kept))
            .any(|kept| kept.configuration.may_lead(peer))
    }

    pub(crate) fn on_append(&mut self, me: Peer, chunk: &Chunk) {
        if !chunk.is_config() {
            return;
        }
        for entry in chunk.entries() {
            if let Record::Config(bytes) = entry.record {
                // The chunk's gate has decoded it once, so it decodes.
                if let Ok(configuration) = Configuration::decode(bytes) {
                    let kept = Kept::new(configuration, me);
                    self.later.needed().in_log.push((entry.id.index, kept));
                }
            }
        }
    }

    pub(crate) fn on_truncate(&mut self, from: LogIndex) {
        // [T4.1.35] What stood before an overwritten one is in force again.
        self.retain(|index| index < from);
    }

    /// The configuration as of the entry at `index`, which is not before the ones kept.
    pub(crate) fn as_of(&self, index: LogIndex) -> &Configuration {
        &self.kept_as_of(index).configuration
    }

    fn kept_as_of(&self, index: LogIndex) -> &Kept {
        let before = self.in_log().iter().rev().find(|(at, _)| *at <= index);
        before.map_or(&self.base, |(_, kept)| kept)
    }

    /// A snapshot stands for all entries up to `index`, which are still known here.
    pub(crate) fn forget_through(&mut self, index: LogIndex) {
        self.base = self.kept_as_of(index).clone();
        self.retain(|at| at > index);
    }

    /// A snapshot with this configuration stands for all there is.
    pub(crate) fn begin_with(&mut self, me: Peer, configuration: Configuration) {
        // [F13.IS.8b] The snapshot's configuration is in force.
        self.base = Kept::new(configuration, me);
        self.retain(|_| false);
    }

    /// Keeps only those in the log at whose index `keep` is true.
    fn retain(&mut self, keep: impl Fn(LogIndex) -> bool) {
        if let Some(later) = self.later.there_mut() {
            later.in_log.retain(|(index, _)| keep(*index));
        }
    }

    /// The index of the entry that put the present configuration in force, if it is in the log.
    pub(crate) fn active_since(&self) -> Option<LogIndex> {
        self.in_log().last().map(|(index, _)| *index)
    }
}
