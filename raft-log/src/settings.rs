//! What is wrong with settings of a log or a store, all of it at once, each with its value and the remedy.
//! What the settings are for stands with them: [`crate::WalSettings`], [`crate::StoreSettings`].

use std::fmt;

/// A setting that can't be used, or two that can't both hold, with their values and what would do. Nothing
/// was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SettingsProblem {
    /// A disk writes whole units, and the format can't say every size.
    #[error("block_bytes is {block_bytes}; it must be a power of two from {least} to {greatest}")]
    BlockBytes {
        /// The value given.
        block_bytes: u32,
        /// The least value that can be used.
        least: u32,
        /// The greatest value that can be used: that of a log, or of a snapshot.
        greatest: u32,
    },
    /// No write could ever be under way.
    #[error("groups_in_flight is 0; it must be at least 1")]
    NoGroups,
    /// Not even the shortest frame would fit into a segment.
    #[error("segment_bytes is {segment_bytes}; it must be at least block_bytes, {block_bytes}")]
    SegmentTooShort {
        /// The value given.
        segment_bytes: u64,
        /// The value it disagrees with.
        block_bytes: u32,
    },
    /// A snapshot would be synced without end.
    #[error("sync_bytes is 0; it must be at least 1")]
    NoSyncBytes,
}

/// Those problems whose condition does not hold.
pub(crate) fn problems<const N: usize>(
    checks: [(bool, SettingsProblem); N],
) -> Vec<SettingsProblem> {
    let broken = checks.into_iter().filter(|(holds, _)| !holds);
    broken.map(|(_, problem)| problem).collect()
}

/// Prints all of several problems.
pub(crate) struct Listed<'a>(pub(crate) &'a [SettingsProblem]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, problem) in self.0.iter().enumerate() {
            let between = if place == 0 { "" } else { "; " };
            write!(f, "{between}{problem}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Listed;
    use crate::{StoreSettings, WalSettings};

    #[test]
    fn what_is_set_by_default_can_be_used() {
        assert_eq!(WalSettings::default().validate(), []);
        assert_eq!(StoreSettings::default().validate(), []);
    }

    #[test]
    fn all_that_is_wrong_with_a_stores_settings_is_told() {
        let told = |block_bytes, sync_bytes| {
            let settings = StoreSettings {
                block_bytes,
                sync_bytes,
            };
            Listed(&settings.validate()).to_string()
        };
        let size = "it must be a power of two from 256 to 1048576";
        let none = "sync_bytes is 0; it must be at least 1";
        assert_eq!(told(256, 1), "");
        assert_eq!(told(300, 1), format!("block_bytes is 300; {size}"));
        assert_eq!(
            told(2 << 20, 0),
            format!("block_bytes is 2097152; {size}; {none}")
        );
    }
}
