//! What letters say: in words, and one field after the other.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use raft_core::ids::{LogIndex, Term};
use raft_core::message::{AppendVerdict, Body, InstallSnapshot, InstallVerdict, Message};
use raft_node::frame::{FrameLimits, decode};
use raft_node::letter::Packet;

use crate::script::print;

/// A packet's fields, by name.
pub(super) type Fields = BTreeMap<Cow<'static, str>, String>;

/// What a frame says, without who says it to whom.
pub(crate) fn frame(bytes: &Bytes) -> String {
    if bytes.is_empty() {
        return "nothing: it was lost on the way".to_owned();
    }
    match decode(bytes.clone(), &FrameLimits::default()) {
        Ok(letter) => whole(&letter.packet),
        Err(error) => format!("bytes that are no letter: {error}"),
    }
}

/// What a packet says, with its name.
fn whole(packet: &Packet) -> String {
    match packet {
        Packet::Raft(message) => print::message(message),
        _ => format!("{} {}", packet.name(), text(packet))
            .trim_end()
            .to_owned(),
    }
}

fn numbers(reads: &[u64]) -> String {
    let numbers: Vec<String> = reads.iter().map(u64::to_string).collect();
    numbers.join(" ")
}

/// A read and from which index on it can be answered.
fn read((number, index): &(u64, Option<LogIndex>)) -> String {
    match index {
        Some(index) => format!("{number} at {index}"),
        None => format!("{number} without an index"),
    }
}

/// What a packet says, without its name and term.
pub(super) fn text(packet: &Packet) -> String {
    match packet {
        Packet::Raft(message) => print::content(message),
        Packet::Genesis(news) => match (&news.keeps, news.founded) {
            (None, _) => "keeps nothing yet".to_owned(),
            (Some(_), false) => "keeps a record".to_owned(),
            (Some(_), true) => "founded".to_owned(),
        },
        Packet::Forward(forward) => {
            let commands = forward.commands.iter();
            let names: Vec<String> = commands
                .map(|command| format!("{}#{}", command.session, command.serial))
                .collect();
            format!("[{}] reads [{}]", names.join(" "), numbers(&forward.reads))
        }
        Packet::ForwardReply(reply) => {
            let refused = reply.refused.iter();
            let refused: Vec<String> = refused
                .map(|(session, serial)| format!("{session}#{serial}"))
                .collect();
            let reads = reply.reads.iter();
            let reads: Vec<String> = reads.map(read).collect();
            format!(
                "refused [{}] reads [{}]",
                refused.join(" "),
                reads.join(" ")
            )
        }
        Packet::Hello => String::new(),
    }
}

/// The sender's term, if the packet names one.
pub(super) const fn term(packet: &Packet) -> Option<Term> {
    match packet {
        Packet::Raft(message) => Some(message.term),
        Packet::Genesis(_) | Packet::Forward(_) | Packet::ForwardReply(_) | Packet::Hello => None,
    }
}

/// What a packet says, one field after the other.
pub(super) fn fields(packet: &Packet) -> Fields {
    let mut fields = Fields::new();
    if let Packet::Raft(message) = packet {
        fill(message, &mut |name, value| {
            fields.insert(Cow::Borrowed(name), value);
        });
    }
    fields
}

fn fill(message: &Message, put: &mut dyn FnMut(&'static str, String)) {
    match &message.body {
        Body::PreVote(ask) => {
            put("attempt", ask.attempt.to_string());
            put("last", ask.last.to_string());
        }
        Body::PreVoteReply(reply) => {
            put("attempt", reply.attempt.to_string());
            put("asked", reply.asked.to_string());
            put("granted", reply.granted.to_string());
        }
        Body::RequestVote(ask) => {
            put("last", ask.last.to_string());
            put("transfer", ask.transfer.to_string());
        }
        Body::RequestVoteReply(reply) => put("granted", reply.granted.to_string()),
        Body::AppendEntries(append) => {
            put("request", append.request.to_string());
            put("previous", append.previous.to_string());
            put("commit", append.commit.get().to_string());
            put("entries", print::entries(&append.chunks));
        }
        Body::AppendEntriesReply(reply) => {
            put("request", reply.request.to_string());
            fill_verdict(&reply.verdict, put);
        }
        Body::Heartbeat(beat) => {
            put("round", beat.round.to_string());
            put("commit", beat.commit.get().to_string());
        }
        Body::HeartbeatReply(reply) => put(
            "round",
            reply
                .round
                .map_or("none".to_owned(), |round| round.to_string()),
        ),
        Body::TimeoutNow(told) => {
            put("round", told.round.to_string());
            put("last", told.last.to_string());
        }
        Body::Removed(removed) => put("configuration", removed.configuration.get().to_string()),
        Body::InstallSnapshot(install) => fill_part(install, put),
        Body::InstallSnapshotReply(reply) => {
            put("request", reply.request.to_string());
            match reply.verdict {
                InstallVerdict::Stored(bytes) => put("stored", bytes.to_string()),
                InstallVerdict::Matched(index) => put("matched", index.get().to_string()),
                InstallVerdict::StaleTerm => put("stale", true.to_string()),
            }
        }
    }
}

fn fill_verdict(verdict: &AppendVerdict, put: &mut dyn FnMut(&'static str, String)) {
    match verdict {
        AppendVerdict::Matched(index) => put("matched", index.get().to_string()),
        AppendVerdict::Conflict { refused, hint } => {
            put("refused", refused.get().to_string());
            put("hint", hint.to_string());
        }
        AppendVerdict::StaleTerm => put("stale", true.to_string()),
        AppendVerdict::Lost { refused, hint } => {
            put("lost", refused.get().to_string());
            put("hint", hint.to_string());
        }
    }
}

fn fill_part(install: &InstallSnapshot, put: &mut dyn FnMut(&'static str, String)) {
    put("request", install.request.to_string());
    put("last", install.snapshot.id.last.to_string());
    put("length", install.snapshot.id.length.to_string());
    put("offset", install.offset.to_string());
    put("bytes", install.part.len().to_string());
}
