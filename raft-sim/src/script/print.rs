//! How scripts and stories say what happens, in words.

use raft_core::chunk::Chunk;
use raft_core::configuration::Configuration;
use raft_core::hull::{Outcome, Resolved};
use raft_core::message::{AppendVerdict, Body, InstallVerdict, Message};
use raft_core::record::Record;
use raft_core::states::Role;
use raft_core::trace::{Event, EventKind};

use crate::checkers::members::in_words;

/// What a message says, without who says it to whom.
pub(crate) fn message(message: &Message) -> String {
    let name = message.body.name();
    let term = message.term;
    let content = content(message);
    format!("{name} {term} {content}").trim_end().to_owned()
}

/// What a message says, without its name and term.
pub(crate) fn content(message: &Message) -> String {
    match &message.body {
        Body::PreVote(ask) => format!("last {}", ask.last),
        Body::PreVoteReply(reply) => granted(reply.granted).to_owned(),
        Body::RequestVote(ask) if ask.transfer => format!("last {} by the leader's wish", ask.last),
        Body::RequestVote(ask) => format!("last {}", ask.last),
        Body::RequestVoteReply(reply) => granted(reply.granted).to_owned(),
        Body::AppendEntries(append) => format!(
            "after {} [{}] commit {}",
            append.previous,
            entries(&append.chunks),
            append.commit
        ),
        Body::AppendEntriesReply(reply) => match reply.verdict {
            AppendVerdict::Matched(index) => format!("matched {index}"),
            AppendVerdict::Conflict { refused, hint } => {
                format!("conflict at {refused}, try {hint}")
            }
            AppendVerdict::StaleTerm => "stale term".to_owned(),
            AppendVerdict::Lost { refused, hint } => format!("lost {refused}, try {hint}"),
        },
        Body::Heartbeat(beat) => format!("commit {}", beat.commit),
        Body::HeartbeatReply(_) => String::new(),
        Body::TimeoutNow(told) => format!("last {}", told.last),
        Body::Removed(removed) => format!("by {}", removed.configuration),
        Body::InstallSnapshot(install) => {
            let part = install.offset..install.offset.saturating_add(install.part.len() as u64);
            let id = install.snapshot.id;
            format!("up to {} bytes {part:?} of {}", id.last, id.length)
        }
        Body::InstallSnapshotReply(reply) => match reply.verdict {
            InstallVerdict::Stored(bytes) => format!("has {bytes} bytes"),
            InstallVerdict::Matched(index) => format!("matched {index}"),
            InstallVerdict::StaleTerm => "stale term".to_owned(),
        },
    }
}

/// Who says what to whom.
pub(crate) fn letter(letter: &Message) -> String {
    let (from, to) = (letter.from.id, letter.to.id);
    format!("{from}->{to} {}", message(letter))
}

/// Entries, one after the other; of many only the first.
pub(crate) fn entries(chunks: &[Chunk]) -> String {
    let count: usize = chunks.iter().map(Chunk::len).sum();
    let shown = chunks.iter().flat_map(Chunk::entries).take(MOST_ENTRIES);
    let mut words: Vec<String> = shown
        .map(|entry| format!("{}:{}", entry.id, record(&entry.record)))
        .collect();
    if count > MOST_ENTRIES {
        words.push(format!("and {} more", count - MOST_ENTRIES));
    }
    words.join(" ")
}

/// What an entry holds. A command is its text, or, when it is none, its place in its session.
pub(crate) fn record(record: &Record<'_>) -> String {
    match record {
        Record::NoOp => "no-op".to_owned(),
        Record::Client { header, payload } => match core::str::from_utf8(payload) {
            Ok(text) if text.chars().all(|letter| letter.is_ascii_graphic()) => text.to_owned(),
            _ if header.session == 0 => "control".to_owned(),
            _ => format!("{}#{}", header.session, header.serial),
        },
        Record::Config(bytes) => match Configuration::decode(bytes) {
            Ok(configuration) => format!("members({})", in_words(&configuration)),
            Err(_) => "configuration".to_owned(),
        },
        Record::Unknown { kind, .. } => format!("unknown kind {kind}"),
        Record::Absent { kind } => format!("absent kind {kind}"),
    }
}

/// What became of a proposal, a read or a request.
pub(crate) fn resolved(resolved: &Resolved) -> String {
    let ticket = resolved.ticket;
    match &resolved.outcome {
        Outcome::Committed(id) => format!("answers {ticket}: committed as {id}"),
        Outcome::ReadAt(index) => format!("answers {ticket}: read at {index}"),
        Outcome::Refused(refusal) => format!("answers {ticket}: refused, {refusal}"),
        Outcome::Withdrawn(why) => format!("answers {ticket}: withdrawn, {why}"),
        Outcome::Unknown { id, why } => format!("answers {ticket}: unknown ({id}), {why}"),
        Outcome::HandedOver { to } => format!("answers {ticket}: handed over to {to}"),
        Outcome::NotHandedOver(why) => format!("answers {ticket}: not handed over, {why}"),
    }
}

/// What happened inside a hull, with the rule that caused it, if one did.
pub(crate) fn event(event: &Event) -> String {
    let what = happened(&event.kind);
    match event.rule {
        "" => what,
        rule => format!("{what} [{rule}]"),
    }
}

/// What happened inside a hull.
pub(crate) fn happened(kind: &EventKind) -> String {
    match kind {
        EventKind::Timeout { term } => format!("hears from no leader in {term}"),
        EventKind::BecameRole { role: is, term } => format!("is {} in {term}", role(*is)),
        EventKind::UpdateTerm { term } => format!("learns of {term}"),
        EventKind::LeaderKnown { leader, term } => format!("follows {leader} in {term}"),
        EventKind::VoteGranted { candidate, term } => format!("votes for {candidate} in {term}"),
        EventKind::VoteRefused { candidate } => format!("refuses {candidate}"),
        EventKind::ClientRequest { last } => format!("takes proposals up to {last}"),
        EventKind::Appended { last } => format!("appends up to {last}"),
        EventKind::AppendRefused { previous } => format!("does not hold {previous}"),
        EventKind::Truncated { from } => format!("removes {from} and all after it"),
        EventKind::AdvanceCommitIndex { commit } => format!("knows {commit} to be committed"),
        EventKind::ReadsConfirmed { index, count } => {
            format!("confirms reads at {index}: {count}")
        }
        EventKind::FellQuiet => "falls quiet".to_owned(),
        EventKind::Roused => "is roused".to_owned(),
        EventKind::TransferBegan { to } => format!("begins to hand over to {to}"),
        EventKind::TransferEnded { to } => format!("no longer hands over to {to}"),
        EventKind::TookOver { from, term } => format!("is told by {from} to take over from {term}"),
        EventKind::ConfigurationInForce { since } => {
            format!("obeys the configuration of {since}")
        }
        EventKind::Removed { configuration } => {
            format!("has no leading part in the committed configuration of {configuration}")
        }
        EventKind::OftenAway { term } => format!("was away too often in {term}"),
        EventKind::SnapshotTaken { last } => format!("has a snapshot up to {last}"),
        EventKind::SnapshotInstalled { last } => format!("goes on from a snapshot up to {last}"),
        EventKind::SnapshotFailed => "fails with a snapshot".to_owned(),
        EventKind::Compacted { last } => format!("forgets all up to {last}"),
        EventKind::QuorumLost { term } => format!("hears no quorum in {term}"),
        EventKind::MessageDropped { from, why } => format!("drops {from}'s message: {why}"),
        EventKind::Repaired { last } => format!("holds as much again as it lost, up to {last}"),
        EventKind::Stopped => "stops".to_owned(),
    }
}

/// A role in a word.
pub(crate) const fn role(role: Role) -> &'static str {
    match role {
        Role::Follower => "follower",
        Role::PreCandidate => "pre-candidate",
        Role::Candidate => "candidate",
        Role::Leader => "leader",
    }
}

const fn granted(granted: bool) -> &'static str {
    if granted { "granted" } else { "refused" }
}

/// More entries in a line can't be read.
const MOST_ENTRIES: usize = 12;
