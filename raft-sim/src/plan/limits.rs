//! Limits of nodes and logs that worlds rarely meet unless they are small.

use raft_core::chunk::ChunkLimits;
use raft_core::settings::Settings;
use raft_log::store::StoreSettings;
use raft_log::wal::WalSettings;
use raft_node::frame::FrameLimits;
use raft_node::session::SessionLimits;
use raft_node::settings::NodeSettings;
use serde::{Deserialize, Serialize};

use crate::lot::{Key, Lot};

/// Limits, each named as the setting it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// [`Settings::max_payload_bytes`].
    pub max_payload_bytes: usize,
    /// [`Settings::max_uncommitted_bytes`].
    pub max_uncommitted_bytes: usize,
    /// [`Settings::max_pending_reads`].
    pub max_pending_reads: usize,
    /// [`ChunkLimits::max_entries`].
    pub chunk_entries: u32,
    /// [`ChunkLimits::max_payload_bytes`].
    pub chunk_payload_bytes: u32,
    /// [`NodeSettings::max_requests`].
    pub max_requests: usize,
    /// [`NodeSettings::max_request_bytes`].
    pub max_request_bytes: usize,
    /// [`NodeSettings::max_forwarded`].
    pub max_forwarded: usize,
    /// [`NodeSettings::max_forward_bytes`].
    pub max_forward_bytes: usize,
    /// [`NodeSettings::max_letters_per_turn`].
    pub max_letters_per_turn: usize,
    /// [`NodeSettings::max_apply_bytes_per_turn`].
    pub max_apply_bytes_per_turn: usize,
    /// [`SessionLimits::max_answer_bytes`].
    pub max_answer_bytes: u64,
    /// [`WalSettings::block_bytes`].
    pub block_bytes: u32,
    /// [`StoreSettings::block_bytes`].
    pub store_block_bytes: u32,
    /// [`StoreSettings::sync_bytes`].
    pub store_sync_bytes: u64,
}

impl Limits {
    /// Draws limits: mostly one or two of them are small. Those of a caller's commands, whose
    /// size is not known here, stay as they are.
    pub(super) fn draw(seed: u64, custom: bool) -> Self {
        let lot = &mut Key::Limits.lot(seed, &[]);
        let usual = Self::default();
        let mut limits = Self {
            max_requests: rarely(lot, usual.max_requests, &[1, 4, 32]),
            max_forwarded: rarely(lot, usual.max_forwarded, &[16, 64]),
            max_forward_bytes: rarely(lot, usual.max_forward_bytes, &[1, 64]),
            max_letters_per_turn: rarely(lot, usual.max_letters_per_turn, &[1, 3]),
            max_apply_bytes_per_turn: rarely(lot, usual.max_apply_bytes_per_turn, &[1, 100]),
            max_answer_bytes: rarely(lot, usual.max_answer_bytes, &[0, 40, 400]),
            block_bytes: lot.pick(4_096, &[4_096, 4_096, 16_384]),
            ..usual
        };
        limits.draw_reads(&mut Key::PendingReads.lot(seed, &[]));
        if custom {
            return limits;
        }
        if lot.chance(150) {
            limits.max_payload_bytes = 64;
            limits.max_uncommitted_bytes = lot.pick(64, &[200, 2_000]);
            limits.max_request_bytes = lot.pick(64, &[500, 5_000]);
        }
        if lot.chance(150) {
            limits.max_payload_bytes = limits.max_payload_bytes.min(1_000);
            limits.chunk_entries = lot.pick(1, &[2, 16]);
            limits.chunk_payload_bytes = 4_096;
        }
        limits
    }

    /// Lets few reads wait at a leader, in some worlds.
    fn draw_reads(&mut self, lot: &mut Lot) {
        if lot.chance(150) {
            self.max_pending_reads = lot.pick(1, &[1, 2, 4]);
        }
    }

    /// Puts them into a hull's settings.
    pub(super) fn limit(&self, settings: Settings) -> Settings {
        Settings {
            max_payload_bytes: self.max_payload_bytes,
            max_uncommitted_bytes: self.max_uncommitted_bytes,
            max_pending_reads: self.max_pending_reads,
            chunk_limits: self.chunk_limits(),
            ..settings
        }
    }

    /// Puts them into a node's settings.
    pub(super) fn limit_node(&self, settings: NodeSettings) -> NodeSettings {
        NodeSettings {
            max_requests: self.max_requests,
            max_request_bytes: self.max_request_bytes,
            max_forwarded: self.max_forwarded,
            max_forward_bytes: self.max_forward_bytes,
            max_letters_per_turn: self.max_letters_per_turn,
            max_apply_bytes_per_turn: self.max_apply_bytes_per_turn,
            sessions: SessionLimits {
                max_answer_bytes: self.max_answer_bytes,
                ..settings.sessions
            },
            ..settings
        }
    }

    /// What a frame may hold: no longer chunks than nodes make themselves.
    pub(crate) fn frames(&self) -> FrameLimits {
        FrameLimits {
            chunk_limits: self.chunk_limits(),
            ..FrameLimits::default()
        }
    }

    const fn chunk_limits(&self) -> ChunkLimits {
        ChunkLimits {
            max_entries: self.chunk_entries,
            max_payload_bytes: self.chunk_payload_bytes,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        let node = NodeSettings::default();
        Self {
            max_payload_bytes: node.raft.max_payload_bytes,
            max_uncommitted_bytes: node.raft.max_uncommitted_bytes,
            max_pending_reads: node.raft.max_pending_reads,
            chunk_entries: node.raft.chunk_limits.max_entries,
            chunk_payload_bytes: node.raft.chunk_limits.max_payload_bytes,
            max_requests: node.max_requests,
            max_request_bytes: node.max_request_bytes,
            max_forwarded: node.max_forwarded,
            max_forward_bytes: node.max_forward_bytes,
            max_letters_per_turn: node.max_letters_per_turn,
            max_apply_bytes_per_turn: node.max_apply_bytes_per_turn,
            max_answer_bytes: node.sessions.max_answer_bytes,
            block_bytes: WalSettings::default().block_bytes,
            store_block_bytes: StoreSettings::default().block_bytes,
            store_sync_bytes: StoreSettings::default().sync_bytes,
        }
    }
}

/// Mostly the usual value, sometimes one of these.
fn rarely<T: Copy>(lot: &mut Lot, usual: T, others: &[T]) -> T {
    match lot.chance(150) {
        true => lot.pick(usual, others),
        false => usual,
    }
}
