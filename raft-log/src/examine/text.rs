//! How things are said.

use std::cmp::Ordering;
use std::io::{self, Write};

use raft_core::configuration::{Configuration, MemberRole, Members};
use raft_core::ids::{EntryId, LogIndex};
use raft_core::log::{HardState, Recovered};

use crate::fs::std_fs::read_only::InUse;

/// Lines with a heading, which stands once.
pub(super) struct Rows<'a> {
    out: &'a mut dyn Write,
    heading: &'static str,
}

impl<'a> Rows<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self { out, heading: "" }
    }

    pub(super) fn row(&mut self, heading: &'static str, text: &str) -> io::Result<()> {
        let shown = match self.heading == heading {
            true => "",
            false => heading,
        };
        self.heading = heading;
        writeln!(self.out, "{shown:<12}{text}")
    }

    pub(super) fn rows(&mut self, heading: &'static str, texts: &[String]) -> io::Result<()> {
        texts.iter().try_for_each(|text| self.row(heading, text))
    }
}

/// One entry, or several.
pub(super) fn entries(first: LogIndex, last: LogIndex) -> String {
    let (first, last) = (first.get(), last.get());
    match first == last {
        true => format!("entry {first}"),
        false => format!("entries {first} to {last}"),
    }
}

/// One frame, or several; none, if the last is before the first.
pub(super) fn frames(first: u64, last: u64) -> String {
    match first.cmp(&last) {
        Ordering::Less => format!("frames {first} to {last}"),
        Ordering::Equal => format!("frame {first}"),
        Ordering::Greater => String::from("no frame"),
    }
}

pub(super) fn id(id: EntryId) -> String {
    format!("{} of term {}", id.index.get(), id.term.get())
}

pub(super) fn in_use(in_use: &InUse) -> String {
    match in_use {
        InUse::No => String::from("by nobody"),
        InUse::By(holder) => format!("by {holder}: what is read here may change meanwhile"),
        InUse::Unknown(why) => format!("it can't be told: {why}"),
    }
}

pub(super) fn hard(hard: &HardState) -> String {
    let vote = match (hard.vote, hard.to_other_life) {
        (None, _) => String::from("no vote"),
        (Some(vote), false) => format!("vote for node {}", vote.get()),
        (Some(vote), true) => format!("vote for another life of node {}", vote.get()),
    };
    let promise = match hard.promise.get() {
        0 => String::from("no promise to leaders"),
        millis => format!("promises leaders to give no vote for {millis} ms"),
    };
    let (boot, term) = (hard.boot.get(), hard.term.get());
    format!("boot {boot}, term {term}, {vote}, {promise}")
}

/// What a log holds, by the terms of its entries; `first` is the first that is kept.
pub(super) fn held(found: &Recovered, first: LogIndex) -> Vec<String> {
    if first > found.last {
        return vec![format!("none; the last index is {}", found.last.get())];
    }
    let (from, to, time) = (first.get(), found.last.get(), found.time.as_millis());
    let mut lines = vec![format!("{from} to {to}, the latest log time is {time} ms")];
    let ends = found.runs.iter().skip(1).map(|next| next.index.previous());
    let ends = ends.chain([found.last]);
    for (run, last) in found.runs.iter().zip(ends) {
        lines.push(format!(
            "term {}: {}",
            run.term.get(),
            entries(run.index, last)
        ));
    }
    lines
}

pub(super) fn configuration(configuration: &Configuration) -> String {
    let mut text = members(&configuration.members);
    if let Some(outgoing) = &configuration.outgoing {
        text = format!("{text}; leaving: {}", members(outgoing));
    }
    if let Some(target) = &configuration.target {
        text = format!("{text}; to become: {}", members(target));
    }
    text
}

fn members(members: &Members) -> String {
    let member = |(id, member): (&raft_core::ids::NodeId, &raft_core::configuration::Member)| {
        let at = match member.address.as_str() {
            "" => String::new(),
            address => format!(" at {}", address.escape_debug()),
        };
        format!("{} {}{at}", role(member.role), id.get())
    };
    let all: Vec<String> = members.iter().map(member).collect();
    all.join(", ")
}

pub(super) const fn role(role: MemberRole) -> &'static str {
    match role {
        MemberRole::Voter => "voter",
        MemberRole::Learner => "learner",
        MemberRole::Witness => "witness",
    }
}

/// Digits of bytes.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('?');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}
