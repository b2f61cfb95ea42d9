//! A log for ShiViz: two lines for each event, who with a vector clock and what.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::sequence::CLIENTS;
use super::words;
use crate::trace::{Recording, What};

/// The recording as a ShiViz log. Its first line is the expression that reads it.
pub fn shiviz(recording: &Recording) -> String {
    let mut log = Log::default();
    // Reading a happening needs no letter but those sent before it.
    let mut sent = words::letters(recording);
    let mut letters: BTreeMap<u64, Clock> = BTreeMap::new();
    for happening in &recording.happenings {
        if let What::Sent(letter) = &happening.what {
            sent.insert(letter.letter, letter);
        }
        let node = happening.node.as_ref().map(ToString::to_string);
        let host = node.unwrap_or_else(|| WORLD.to_owned());
        let text = format!("{:?} {}", happening.at, words::of(happening, &sent));
        match &happening.what {
            What::Sent(letter) => {
                let clock = log.event(&host, None, &text);
                letters.insert(letter.letter, clock);
            }
            What::Arrived { letter, .. } => {
                log.event(&host, letters.get(letter), &text);
            }
            What::Turned { .. } => {
                let clock = log.event(CLIENTS, None, &text);
                log.event(&host, Some(&clock), &text);
            }
            What::Answered { .. } => {
                let clock = log.event(&host, None, &text);
                log.event(CLIENTS, Some(&clock), &text);
            }
            What::Asked { .. } | What::GaveUp { .. } => {
                log.event(CLIENTS, None, &text);
            }
            _ => {
                log.event(&host, None, &text);
            }
        }
    }
    format!("{HEADER}{}", log.text)
}

/// How many events of each host came before.
type Clock = BTreeMap<String, u64>;

#[derive(Default)]
struct Log {
    clocks: BTreeMap<String, Clock>,
    text: String,
}

impl Log {
    /// One event of a host, after what it heard of; answers the host's clock then.
    fn event(&mut self, host: &str, heard: Option<&Clock>, text: &str) -> Clock {
        let clock = self.clocks.entry(host.to_owned()).or_default();
        for (other, count) in heard.into_iter().flatten() {
            let known = clock.entry(other.clone()).or_default();
            *known = (*known).max(*count);
        }
        *clock.entry(host.to_owned()).or_default() += 1;
        let counts: Vec<String> = clock
            .iter()
            .map(|(host, count)| format!("\"{host}\":{count}"))
            .collect();
        // Writing to a string can't fail.
        let _ = writeln!(self.text, "{host} {{{}}}\n{text}", counts.join(","));
        clock.clone()
    }
}

/// The host of what happens to the world as a whole.
const WORLD: &str = "world";

/// What a file must begin with that is loaded into ShiViz: the expression that reads an event, then
/// the one that parts executions, of which there is only one here.
const HEADER: &str = "(?<host>\\S*) (?<clock>{.*})\\n(?<event>.*)\n\n";
