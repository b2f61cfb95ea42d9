//! Which reasons nodes have given.

use raft_core::explain::{Lag, NoLeader, NotChanged, NotCommitted, NotReadable};

use super::Said;
use crate::markers::{Marker, Reached};

/// Notes the rare reasons among what a node said.
pub(super) fn mark(said: &Said, reached: &mut Reached) {
    let not_committed = said.not_committed.iter().flat_map(|(_, why)| why);
    let marks = said.no_leader.iter().filter_map(of_no_leader);
    let marks = marks.chain(not_committed.filter_map(of_not_committed));
    let marks = marks.chain(said.not_readable.iter().filter_map(of_not_readable));
    let marks = marks.chain(said.not_changed.iter().filter_map(of_not_changed));
    marks.for_each(|marker| reached.mark(marker));
}

const fn of_no_leader(reason: &NoLeader) -> Option<Marker> {
    Some(match reason {
        NoLeader::Stopped(_) => Marker::SaidStopped,
        NoLeader::NotDriven { .. } => Marker::SaidNotDriven,
        NoLeader::BootNotDurable(_) => Marker::SaidBootNotDurable,
        NoLeader::DiskStalled { .. } => Marker::SaidDiskStalled,
        NoLeader::Promised { .. } => Marker::SaidPromised,
        NoLeader::MayNotLead { .. } => Marker::SaidMayNotLead,
        NoLeader::GaveUp { .. } => Marker::SaidGaveUp,
        NoLeader::Removed { .. } => Marker::SaidRemoved,
        NoLeader::InRepair { .. } => Marker::SaidInRepair,
        NoLeader::ConnectionLost { .. } => Marker::SaidConnectionLost,
        NoLeader::RefusedByWitness { .. } => Marker::SaidRefusedByWitness,
        NoLeader::OwnVoteNotDurable { .. } => Marker::SaidOwnVoteNotDurable,
        NoLeader::NoneHeard { .. }
        | NoLeader::LeaderSilent { .. }
        | NoLeader::VoteGiven { .. }
        | NoLeader::Refused { .. }
        | NoLeader::Waits { .. }
        | NoLeader::VotesMissing { .. } => return None,
    })
}

const fn of_not_committed(reason: &NotCommitted) -> Option<Marker> {
    Some(match reason {
        NotCommitted::HandingOver { .. } => Marker::SaidHandingOver,
        NotCommitted::EarlierTerm { .. } => Marker::SaidEarlierTerm,
        NotCommitted::Lags { lag, .. } => return of_lag(*lag),
        NotCommitted::Stopped(_)
        | NotCommitted::NotInLog { .. }
        | NotCommitted::LeaderDecides { .. }
        | NotCommitted::NobodyLeads
        | NotCommitted::TooFewHold { .. }
        | NotCommitted::NotCounted { .. } => return None,
    })
}

const fn of_lag(lag: Lag) -> Option<Marker> {
    Some(match lag {
        Lag::NeedsSnapshot { .. } => Marker::SaidNeedsSnapshot,
        Lag::ReceivesSnapshot { .. } => Marker::SaidReceivesSnapshot,
        Lag::Loading { .. } => Marker::SaidLoading,
        Lag::Withheld { .. } => Marker::SaidWithheld,
        Lag::WindowFull { .. } => Marker::SaidWindowFull,
        Lag::NotSent { .. } => Marker::SaidNotSent,
        Lag::OwnDisk(_) | Lag::Silent { .. } | Lag::Probing { .. } | Lag::Unanswered { .. } => {
            return None;
        }
    })
}

const fn of_not_readable(reason: &NotReadable) -> Option<Marker> {
    Some(match reason {
        NotReadable::LeaseGivenUp => Marker::SaidLeaseGivenUp,
        NotReadable::NoLease { .. } => Marker::SaidNoLease,
        NotReadable::Unconfirmed { .. } => Marker::SaidUnconfirmed,
        NotReadable::Full { .. } => Marker::SaidReadsFull,
        NotReadable::Stopped(_)
        | NotReadable::LeaderConfirms { .. }
        | NotReadable::NobodyLeads
        | NotReadable::NewLeader { .. }
        | NotReadable::Witness
        | NotReadable::Applying { .. } => return None,
    })
}

const fn of_not_changed(reason: &NotChanged) -> Option<Marker> {
    Some(match reason {
        NotChanged::NewLeader { .. } => Marker::SaidChangeWaits,
        NotChanged::GivenUp(_) => Marker::SaidGivenUp,
        NotChanged::CatchingUp { .. } => Marker::SaidCatchingUp,
        NotChanged::Stopped(_)
        | NotChanged::LeaderDrives { .. }
        | NotChanged::NobodyLeads
        | NotChanged::HandingOver { .. }
        | NotChanged::NotCommitted { .. } => return None,
    })
}
