//! The one place where a configuration becomes active: on append, not on commit (paper 6).

use alloc::vec::Vec;

use crate::chunk::Chunk;
use crate::configuration::Configuration;
use crate::ids::LogIndex;
use crate::log::Recovered;
use crate::record::Record;

/// The configurations in the log, the latest of which is in force.
///
/// - `in_log` ascends by index, and each index is that of a `Config` entry of the present log.
#[derive(Clone, Hash, Debug)]
pub(crate) struct Configurations {
    /// In force while the log holds none: the snapshot's, or the founding one.
    base: Configuration,
    in_log: Vec<(LogIndex, Configuration)>,
}

impl Configurations {
    pub(crate) fn new(founding: Configuration, recovered: &Recovered) -> Self {
        let snapshot = recovered
            .snapshot
            .as_ref()
            .map(|mark| mark.configuration.clone());
        let base = snapshot.unwrap_or(founding);
        Self {
            base,
            in_log: recovered.configurations.clone(),
        }
    }

    /// The configuration in force.
    pub(crate) fn active(&self) -> &Configuration {
        // [S6.21] The latest in the log, whether it is committed or not.
        self.in_log
            .last()
            .map_or(&self.base, |(_, configuration)| configuration)
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

    /// The index of the entry that put the present configuration in force, if it is in the log.
    pub(crate) fn active_since(&self) -> Option<LogIndex> {
        self.in_log.last().map(|(index, _)| *index)
    }
}
