//! Receiving a snapshot, part by part (Figure 13; paper 7).
//!
//! A part that comes again, late or from another leader changes nothing: only the one that begins
//! where the last one ended is written, and any other is answered with where that is. Parts that
//! follow each other are handed to the store as they come.

use crate::common::Common;
use crate::common::receiving::{Receiving, Stage};
use crate::error::Dropped;
use crate::hull::SnapshotWork;
use crate::ids::{EntryId, Peer};
use crate::message::{Body, InstallSnapshot, InstallSnapshotReply, InstallVerdict};
use crate::rules::snapshot::OfferVerdict;
use crate::snapshot::Snapshot;
use crate::trace::EventKind;

/// Whether a request is about a snapshot that can be, and its part lies within it.
pub(super) fn is_sound(request: &InstallSnapshot) -> bool {
    let Snapshot {
        id, configuration, ..
    } = &request.snapshot;
    let end = request.offset.checked_add(request.part.len() as u64);
    id.last > EntryId::ORIGIN
        && end.is_some_and(|end| end <= id.length)
        && configuration
            .halves()
            .all(|half| half.values().any(|member| member.role.votes()))
}

/// Takes a part, or says what is there.
pub(super) fn receive(common: &mut Common, from: Peer, request: InstallSnapshot) {
    let last = request.snapshot.id.last;
    match common.judge_offer(last) {
        OfferVerdict::Needed if common.witness => {
            common.begin_after(&request.snapshot);
            let held = InstallVerdict::Matched(last.index);
            reply(common, (from, request.request), held);
        }
        OfferVerdict::Needed => take_part(common, from, request),
        OfferVerdict::Superfluous => {
            // The log goes on as it is; what a snapshot stands for is committed.
            common.advance_commit(last.index, "F13.IS.6");
            reply(
                common,
                (from, request.request),
                InstallVerdict::Matched(last.index),
            );
        }
        OfferVerdict::ContradictsCommitted => {
            let why = Dropped::OverwritesCommitted {
                committed: common.commit_index,
                offered: last,
            };
            common.event("F3.SMS", EventKind::MessageDropped { from: from.id, why });
        }
    }
}

fn take_part(common: &mut Common, from: Peer, request: InstallSnapshot) {
    let asker = (from, request.request);
    let Some(receiving) = common.snapshots.receiving_mut() else {
        return begin(common, asker, request.snapshot);
    };
    let is_later = |(peer, number): (Peer, u64)| peer == from && number > request.request;
    let late = receiving.asker.is_some_and(is_later);
    if receiving.snapshot.id != request.snapshot.id {
        // A copy of an earlier request must not throw away what came since, and what is complete is
        // put in place first: that is soon done, and may be all it takes.
        if !late && !matches!(receiving.stage, Stage::Finishing { .. }) {
            begin(common, asker, request.snapshot);
        }
        return;
    }
    if !late {
        receiving.asker = Some(asker);
    }
    let InstallSnapshot { offset, part, .. } = request;
    let follows = receiving.next_offset() == Some(offset) && !part.is_empty();
    if follows && receiving.has_room(&common.settings, part.len()) {
        // [F13.IS.3] Write the part where it belongs.
        let through = offset.saturating_add(part.len() as u64);
        let job = common.snapshots.ask(SnapshotWork::Write { offset, part });
        if let Some(receiving) = common.snapshots.receiving_mut() {
            receiving.on_write(job, request.request, through);
        }
    } else if let (Stage::Storing { stored }, false, false) =
        (receiving.stage, receiving.is_writing(), late)
    {
        reply(common, asker, InstallVerdict::Stored(stored));
    }
    // Otherwise the answer comes when the store has done what it was asked.
}

/// Begins to receive a snapshot, in place of any other.
fn begin(common: &mut Common, asker: (Peer, u64), snapshot: Snapshot) {
    // [F13.IS.2] Create the place for it; what a crash or another leader left of it counts.
    common.snapshots.forget_writes();
    let job = common.snapshots.ask(SnapshotWork::Begin(snapshot.clone()));
    let receiving = Receiving::new(snapshot, asker, job);
    common.snapshots.receive(receiving);
}

/// The store said how much it has.
pub(crate) fn on_begun(common: &mut Common, number: u64, stored: u64) {
    if let Some(Stage::Beginning { .. }) = awaited(common, number) {
        set_stage(common, Stage::Storing { stored });
        is_stored(common, stored);
        answer(common, InstallVerdict::Stored(stored));
    }
}

/// The store has written a part.
pub(crate) fn on_written(common: &mut Common, number: u64) {
    let Some(receiving) = common.snapshots.receiving_mut() else {
        return;
    };
    let Some((request, stored)) = receiving.on_written(number) else {
        return;
    };
    let verdict = InstallVerdict::Stored(stored);
    let (asker, goes_on) = (receiving.asker, receiving.is_writing());
    is_stored(common, stored);
    // While more is being written, the latest request is none that this answers.
    match (asker, request) {
        (Some((to, _)), Some(request)) if goes_on => reply(common, (to, request), verdict),
        _ if goes_on => {}
        _ => answer(common, verdict),
    }
}

/// The content was not what it should be: all of it is sent again.
pub(crate) fn on_damaged(common: &mut Common, number: u64) {
    if let Some(Stage::Finishing { .. }) = awaited(common, number) {
        common.event("", EventKind::SnapshotFailed);
        set_stage(common, Stage::Storing { stored: 0 });
        answer(common, InstallVerdict::Stored(0));
    }
}

/// The snapshot is stored as a whole.
pub(crate) fn on_finished(common: &mut Common, number: u64) {
    let Some(Stage::Finishing { .. }) = awaited(common, number) else {
        return;
    };
    let Some(Receiving {
        snapshot, asker, ..
    }) = common.snapshots.received()
    else {
        return;
    };
    let last = snapshot.id.last;
    common.install(snapshot);
    if let Some(asker) = asker {
        // Durable in the store, and in the log before this leaves.
        reply(common, asker, InstallVerdict::Matched(last.index));
    }
}

/// So much is there: if that is all, the store makes a snapshot of it.
fn is_stored(common: &mut Common, stored: u64) {
    let receiving = common.snapshots.receiving();
    let snapshot = receiving.map(|now| &now.snapshot);
    // [F13.IS.4] All parts are there; otherwise, wait for more.
    let Some(whole) = snapshot.filter(|snapshot| stored >= snapshot.id.length) else {
        return;
    };
    let work = SnapshotWork::Finish(whole.clone());
    let job = common.snapshots.ask(work);
    set_stage(common, Stage::Finishing { job });
}

/// The stage that waits for this job, if it is still the present one.
fn awaited(common: &Common, number: u64) -> Option<Stage> {
    let receiving = common.snapshots.receiving()?;
    receiving.awaits(number).then_some(receiving.stage)
}

fn set_stage(common: &mut Common, stage: Stage) {
    if let Some(receiving) = common.snapshots.receiving_mut() {
        receiving.stage = stage;
    }
}

/// Answers the request that waits, if it is of the present term.
fn answer(common: &mut Common, verdict: InstallVerdict) {
    let receiving = common.snapshots.receiving();
    if let Some(asker) = receiving.and_then(|receiving| receiving.asker) {
        reply(common, asker, verdict);
    }
}

fn reply(common: &mut Common, (to, request): (Peer, u64), verdict: InstallVerdict) {
    // Like any answer, it speaks in a term that must not be forgotten.
    let reply = InstallSnapshotReply { request, verdict };
    common.promise(to, Body::InstallSnapshotReply(reply));
}
