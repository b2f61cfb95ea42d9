//! What is wrong with settings, all of it at once, each with its name, its value and the remedy.
//! No rule of Raft: those of the hull's settings are raft-core's, and only passed on here.

use std::fmt;
use std::time::Duration;

use raft_core::message::MAX_CHUNKS;

use super::NodeSettings;
use crate::frame::{self, FrameLimits};

/// A setting that can't be used as it is. Nothing was changed; mend the setting that it names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SettingsProblem {
    /// One of the hull's settings.
    #[error("raft: {0}")]
    Raft(#[from] raft_core::settings::SettingsProblem),
    /// A number is too small.
    #[error("{name} is {value}; it must be at least {at_least}: {why}")]
    TooSmall {
        /// The setting.
        name: &'static str,
        /// The value given.
        value: u64,
        /// The least value that can be used, beside the other settings as they are.
        at_least: u64,
        /// What would go wrong.
        why: &'static str,
    },
    /// A span of time is too short.
    #[error("{name} is {value:?}; it must be at least {at_least:?}: {why}")]
    TooShort {
        /// The setting.
        name: &'static str,
        /// The value given.
        value: Duration,
        /// The least value that can be used, beside the other settings as they are.
        at_least: Duration,
        /// What would go wrong.
        why: &'static str,
    },
    /// A span of time is too long.
    #[error("{name} is {value:?}; it must be at most {at_most:?}: {why}")]
    TooLong {
        /// The setting.
        name: &'static str,
        /// The value given.
        value: Duration,
        /// The greatest value that can be used, beside the other settings as they are.
        at_most: Duration,
        /// What would go wrong.
        why: &'static str,
    },
}

impl SettingsProblem {
    /// A problem if a number is too small, with what would go wrong.
    pub fn if_small(
        name: &'static str,
        value: usize,
        at_least: usize,
        why: &'static str,
    ) -> Option<Self> {
        (value < at_least).then_some(Self::TooSmall {
            name,
            value: value as u64,
            at_least: at_least as u64,
            why,
        })
    }

    /// A problem if a span of time is too short, with what would go wrong.
    pub fn if_short(
        name: &'static str,
        value: Duration,
        at_least: Duration,
        why: &'static str,
    ) -> Option<Self> {
        (value < at_least).then_some(Self::TooShort {
            name,
            value,
            at_least,
            why,
        })
    }

    /// A problem if a span of time is too long, with what would go wrong.
    pub fn if_long(
        name: &'static str,
        value: Duration,
        at_most: Duration,
        why: &'static str,
    ) -> Option<Self> {
        (value > at_most).then_some(Self::TooLong {
            name,
            value,
            at_most,
            why,
        })
    }
}

/// Problems in one sentence, for an error's text.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a>(pub &'a [SettingsProblem]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, problem) in self.0.iter().enumerate() {
            let separator = if place == 0 { "" } else { "; " };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl NodeSettings {
    /// All that is wrong with these settings, the hull's among them; empty when they can be used.
    pub fn validate(&self) -> Vec<SettingsProblem> {
        let raft = self.raft.validate().into_iter();
        let own = self.problems_of_times().into_iter();
        let limits = self.problems_of_limits().into_iter();
        raft.map(SettingsProblem::from)
            .chain(own.chain(limits).flatten())
            .collect()
    }

    fn problems_of_times(&self) -> Vec<Option<SettingsProblem>> {
        let short = SettingsProblem::if_short;
        let millisecond = Duration::from_millis(1);
        let busy = "the node would do nothing else";
        vec![
            short("sweep_interval", self.sweep_interval, millisecond, busy),
            short("genesis_interval", self.genesis_interval, millisecond, busy),
            short("forward_retry", self.forward_retry, millisecond, busy),
            short(
                "request_timeout",
                self.request_timeout,
                self.forward_retry,
                "it would be over before anything lost is sent again (forward_retry)",
            ),
            SettingsProblem::if_long(
                "raft.stalled_write_after",
                self.raft.stalled_write_after,
                self.raft
                    .election_timeout
                    .saturating_mul(MOST_STALLED_TIMEOUTS),
                "a leader whose disk hangs would hold up the cluster for longer than ten election \
                 timeouts (raft.election_timeout)",
            ),
            self.sessions.idle_time.and_then(|idle_time| {
                short(
                    "sessions.idle_time",
                    idle_time,
                    self.request_timeout.saturating_add(millisecond),
                    "sessions would end while a command of theirs is tried (request_timeout)",
                )
            }),
        ]
    }

    fn problems_of_limits(&self) -> Vec<Option<SettingsProblem>> {
        let positive = |name, value, why| SettingsProblem::if_small(name, value, 1, why);
        let refused = "everything would be refused";
        let stuck = "nothing would ever be taken up";
        vec![
            positive("max_requests", self.max_requests, refused),
            positive("max_forwarded", self.max_forwarded, refused),
            positive("max_forward_bytes", self.max_forward_bytes, stuck),
            positive("max_letters_per_turn", self.max_letters_per_turn, stuck),
            positive(
                "max_apply_bytes_per_turn",
                self.max_apply_bytes_per_turn,
                stuck,
            ),
            positive(
                "sessions.max_sessions",
                self.sessions.max_sessions as usize,
                refused,
            ),
            positive(
                "sessions.max_answers",
                self.sessions.max_answers as usize,
                refused,
            ),
            SettingsProblem::if_small(
                "max_request_bytes",
                self.max_request_bytes,
                self.raft.max_payload_bytes,
                "the largest command allowed (raft.max_payload_bytes) would be refused for ever",
            ),
        ]
    }
}

impl FrameLimits {
    /// All that these limits would refuse of what nodes with such settings send each other; empty
    /// when they fit. A frame beyond its receiver's limits is lost each time it is sent.
    pub fn validate(&self, settings: &NodeSettings) -> Vec<SettingsProblem> {
        let small = SettingsProblem::if_small;
        let raft = &settings.raft;
        let chunks = raft.chunk_limits;
        let largest_forward = settings.max_forward_bytes.max(raft.max_payload_bytes);
        let sealed = "the largest chunk that raft.chunk_limits allows would never arrive";
        let problems = [
            small(
                "limits.max_body_bytes",
                self.max_body_bytes,
                largest_forward.saturating_add(FORWARD_OVERHEAD),
                "the largest forwarded command would never arrive \
                 (raft.max_payload_bytes, max_forward_bytes)",
            ),
            small(
                "limits.max_body_bytes",
                self.max_body_bytes,
                settings.max_forwarded.saturating_mul(FORWARD_REPLY_BYTES),
                "the longest answer to forwarded commands would never arrive (max_forwarded)",
            ),
            small(
                "limits.max_body_bytes",
                self.max_body_bytes,
                raft.max_append_bytes.saturating_add(PART_OVERHEAD),
                "the largest part of a snapshot would never arrive (raft.max_append_bytes)",
            ),
            small(
                "limits.chunk_limits.max_payload_bytes",
                self.chunk_limits.max_payload_bytes as usize,
                chunks.max_payload_bytes as usize,
                sealed,
            ),
            small(
                "limits.chunk_limits.max_entries",
                self.chunk_limits.max_entries as usize,
                chunks.max_entries as usize,
                sealed,
            ),
            small(
                "limits.max_frame_bytes",
                self.max_frame_bytes,
                frame::longest_with(self.max_body_bytes, self.chunk_limits),
                "a body and a chunk that are each within their limits would not fit together",
            ),
            small(
                "limits.max_frame_bytes",
                self.max_frame_bytes,
                raft.max_append_bytes
                    .saturating_mul(ENCODED_PER_PAYLOAD)
                    .saturating_add(self.max_body_bytes),
                "entries that are each a chunk of its own would never arrive \
                 (raft.max_append_bytes)",
            ),
            small(
                "limits.max_chunks",
                self.max_chunks as usize,
                MAX_CHUNKS,
                "entries that are each a chunk of its own would never arrive",
            ),
        ];
        problems.into_iter().flatten().collect()
    }
}

/// So many election timeouts after its disk began to hang a leader has given up at the latest.
const MOST_STALLED_TIMEOUTS: u32 = 10;
/// What one forwarded command takes beside its bytes, with the lengths of both lists, in any codec.
const FORWARD_OVERHEAD: usize = 128;
/// What a part of a snapshot takes beside its bytes: above all a configuration, of a hundred members
/// in both halves, each with the longest address.
const PART_OVERHEAD: usize = 64 << 10;
/// What the answer to one forwarded command or read takes, in any codec.
const FORWARD_REPLY_BYTES: usize = 32;
/// A smallest command alone in a chunk takes header, record, table and its length in the frame: 84
/// bytes for 24.
const ENCODED_PER_PAYLOAD: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of the settings that have a problem after this change.
    fn named(change: impl FnOnce(&mut NodeSettings)) -> Vec<&'static str> {
        let mut settings = NodeSettings::default();
        change(&mut settings);
        names(&settings.validate())
    }

    /// The same for the limits of frames.
    fn named_of_frames(
        change: impl FnOnce(&mut NodeSettings, &mut FrameLimits),
    ) -> Vec<&'static str> {
        let mut settings = NodeSettings::default();
        let mut limits = FrameLimits::default();
        change(&mut settings, &mut limits);
        names(&limits.validate(&settings))
    }

    fn names(problems: &[SettingsProblem]) -> Vec<&'static str> {
        let name = |problem: &SettingsProblem| match *problem {
            SettingsProblem::Raft(_) => "raft",
            SettingsProblem::TooSmall { name, .. }
            | SettingsProblem::TooShort { name, .. }
            | SettingsProblem::TooLong { name, .. } => name,
        };
        problems.iter().map(name).collect()
    }

    #[test]
    fn the_defaults_fit_each_other() {
        assert_eq!(named(|_| {}), [""; 0]);
        assert_eq!(named_of_frames(|_, _| {}), [""; 0]);
    }

    #[test]
    fn a_leader_gives_up_a_hanging_disk_within_ten_election_timeouts() {
        let most = NodeSettings::default().raft.election_timeout * 10;
        let beyond = most + Duration::from_nanos(1);
        let with = |span| named(|all| all.raft.stalled_write_after = span);
        assert_eq!(with(most), [""; 0]);
        assert_eq!(with(beyond), ["raft.stalled_write_after"]);
    }

    #[test]
    fn each_number_that_must_not_be_zero_is_named() {
        assert_eq!(named(|all| all.max_requests = 0), ["max_requests"]);
        assert_eq!(named(|all| all.max_forwarded = 0), ["max_forwarded"]);
        assert_eq!(
            named(|all| all.max_forward_bytes = 0),
            ["max_forward_bytes"]
        );
        assert_eq!(
            named(|all| all.max_letters_per_turn = 0),
            ["max_letters_per_turn"]
        );
        assert_eq!(
            named(|all| all.max_apply_bytes_per_turn = 0),
            ["max_apply_bytes_per_turn"]
        );
        assert_eq!(named(|all| all.raft.max_applying_bytes = 0), ["raft"]);
        assert_eq!(named(|all| all.raft.chunk_limits.max_entries = 0), ["raft"]);
        assert_eq!(
            named(|all| all.sessions.idle_time = Some(all.request_timeout)),
            ["sessions.idle_time"]
        );
        assert_eq!(
            named(|all| all.sessions.idle_time = None),
            Vec::<&str>::new()
        );
        assert_eq!(
            named(|all| all.sessions.max_sessions = 0),
            ["sessions.max_sessions"]
        );
        assert_eq!(
            named(|all| all.sessions.max_answers = 0),
            ["sessions.max_answers"]
        );
    }

    #[test]
    fn each_time_that_is_too_short_is_named() {
        let zero = Duration::ZERO;
        assert_eq!(named(|all| all.sweep_interval = zero), ["sweep_interval"]);
        assert_eq!(
            named(|all| all.genesis_interval = zero),
            ["genesis_interval"]
        );
        assert_eq!(named(|all| all.forward_retry = zero), ["forward_retry"]);
        assert_eq!(
            named(|all| all.request_timeout = all.forward_retry / 2),
            ["request_timeout"]
        );
    }

    /// Of the bounds that the settings' documentation names, to a nanosecond.
    #[test]
    fn the_least_span_is_allowed_and_a_shorter_one_is_not() {
        let (least, tick) = (Duration::from_millis(1), Duration::from_nanos(1));
        type Span = fn(&mut NodeSettings) -> &mut Duration;
        let spans: [(&str, Span, Duration); 4] = [
            ("sweep_interval", |all| &mut all.sweep_interval, least),
            ("genesis_interval", |all| &mut all.genesis_interval, least),
            ("forward_retry", |all| &mut all.forward_retry, least),
            (
                "request_timeout",
                |all| &mut all.request_timeout,
                NodeSettings::default().forward_retry,
            ),
        ];
        for (name, span, least) in spans {
            assert_eq!(named(|all| *span(all) = least), [""; 0]);
            assert_eq!(named(|all| *span(all) = least - tick), [name]);
        }
        assert_eq!(named(|all| all.refused_pause = Duration::ZERO), [""; 0]);
    }

    #[test]
    fn the_least_number_is_allowed() {
        let all_least = |all: &mut NodeSettings| {
            all.max_requests = 1;
            all.max_request_bytes = all.raft.max_payload_bytes;
            all.max_forwarded = 1;
            all.max_forward_bytes = 1;
            all.max_letters_per_turn = 1;
            all.max_apply_bytes_per_turn = 1;
            all.kept_events = 0;
        };
        assert_eq!(named(all_least), [""; 0]);
    }

    #[test]
    fn a_command_that_is_allowed_must_be_taken_by_the_desk() {
        assert_eq!(
            named(|all| all.max_request_bytes = all.raft.max_payload_bytes - 1),
            ["max_request_bytes"]
        );
    }

    #[test]
    fn all_problems_come_at_once_and_say_the_remedy() {
        let mut settings = NodeSettings::default();
        settings.raft.pre_vote = false;
        settings.sweep_interval = Duration::ZERO;
        settings.max_requests = 0;
        let problems = settings.validate();
        assert_eq!(names(&problems), ["raft", "sweep_interval", "max_requests"]);
        assert_eq!(
            Listed(&problems).to_string(),
            "raft: pre_vote is false and check_quorum is true; set both or neither; \
             sweep_interval is 0ns; it must be at least 1ms: the node would do nothing else; \
             max_requests is 0; it must be at least 1: everything would be refused"
        );
    }

    #[test]
    fn frames_must_hold_what_nodes_send() {
        let body = ["limits.max_body_bytes"];
        // A forwarded command of the largest size that is allowed.
        assert_eq!(
            named_of_frames(|all, _| {
                all.raft.max_payload_bytes = 20 << 20;
            }),
            body
        );
        assert_eq!(
            named_of_frames(|all, _| all.max_forward_bytes = 16 << 20),
            body
        );
        assert_eq!(named_of_frames(|all, _| all.max_forwarded = 1 << 20), body);
        // A part of a snapshot.
        assert_eq!(
            named_of_frames(|all, _| all.raft.max_append_bytes = 16 << 20),
            body
        );
        assert_eq!(
            named_of_frames(|_, limits| limits.chunk_limits.max_payload_bytes -= 1),
            ["limits.chunk_limits.max_payload_bytes"]
        );
        assert_eq!(
            named_of_frames(|_, limits| limits.chunk_limits.max_entries -= 1),
            ["limits.chunk_limits.max_entries"]
        );
        assert_eq!(
            named_of_frames(|_, limits| limits.max_frame_bytes = 64 << 20),
            ["limits.max_frame_bytes"]
        );
        assert_eq!(
            named_of_frames(|_, limits| limits.max_chunks = 1_000),
            ["limits.max_chunks"]
        );
    }
}
