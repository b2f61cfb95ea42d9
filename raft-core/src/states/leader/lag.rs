//! How far one follower is behind, and why, for whoever asks ([`crate::explain`]).

use core::time::Duration;

use crate::common::Common;
use crate::explain::{FollowerStatus, Lag, Sending};
use crate::ids::LogIndex;
use crate::time::Time;

use super::progress::{Mode, Progress};

impl Progress {
    /// The follower's figures.
    pub(crate) fn status(&self, now: Time) -> FollowerStatus {
        let unanswered = self.unanswered(now);
        let sending = match &self.mode {
            Mode::Probe { .. } => Sending::Probe { unanswered },
            Mode::Replicate { in_flight, bytes } => Sending::Replicate {
                requests: in_flight.len(),
                bytes: *bytes,
                unanswered,
            },
            Mode::Snapshot(transfer) => {
                let id = transfer.id();
                Sending::Snapshot {
                    last: id.last,
                    stored: transfer.stored(),
                    length: id.length,
                    unanswered,
                }
            }
        };
        FollowerStatus {
            peer: self.peer,
            matched: self.matched,
            next: self.next,
            sending,
            silent: now.since(self.heard()),
        }
    }

    /// Why the follower is not known to hold `index`, which it is not.
    pub(crate) fn lag(&self, common: &Common, now: Time, index: LogIndex) -> Lag {
        let (next, unanswered) = (self.next, self.unanswered(now));
        let silent = now.since(self.heard());
        if silent >= common.settings.election_timeout {
            return Lag::Silent { silent };
        }
        if let Mode::Snapshot(transfer) = &self.mode {
            let id = transfer.id();
            return Lag::ReceivesSnapshot {
                last: id.last,
                stored: transfer.stored(),
                length: id.length,
            };
        }
        if common.entries.id_at(next.previous()).is_none() {
            return Lag::NeedsSnapshot { next };
        }
        let (requests, bytes) = match &self.mode {
            Mode::Probe { .. } => {
                let previous = next.previous();
                return Lag::Probing {
                    previous,
                    unanswered,
                };
            }
            Mode::Replicate { in_flight, bytes } => (in_flight.len(), *bytes),
            Mode::Snapshot(_) => return Lag::NeedsSnapshot { next },
        };
        let unanswered = unanswered.unwrap_or_default();
        if next > index {
            Lag::Unanswered { unanswered }
        } else if self.is_window_full(common) {
            Lag::WindowFull {
                requests,
                bytes,
                unanswered,
            }
        } else if self.loading.is_some() {
            Lag::Loading { next }
        } else {
            Lag::NotSent { next }
        }
    }

    /// For how long the oldest request has been unanswered, if one is.
    fn unanswered(&self, now: Time) -> Option<Duration> {
        let sent = match &self.mode {
            Mode::Probe { outstanding, .. } => outstanding.map(|(_, sent)| sent),
            Mode::Replicate { in_flight, .. } => in_flight.front().map(|sent| sent.sent),
            Mode::Snapshot(transfer) => transfer.outstanding_since(),
        };
        sent.map(|sent| now.since(sent))
    }
}
