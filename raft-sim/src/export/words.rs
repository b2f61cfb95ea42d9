//! A happening in one line.

use std::collections::BTreeMap;

use crate::trace::{Fate, Happening, Recording, Sent, Step, What};

/// The letters that were on their way before the first happening, by number.
pub(super) fn letters(recording: &Recording) -> BTreeMap<u64, &Sent> {
    let letters = recording.letters.iter();
    letters.map(|letter| (letter.letter, letter)).collect()
}

/// A happening in one line, without who and when; letters are looked up among those sent.
pub(super) fn of(happening: &Happening, sent: &BTreeMap<u64, &Sent>) -> String {
    let text = match &happening.what {
        What::Started => "starts".to_owned(),
        What::Stopped { why } => why.clone(),
        What::Struck(struck) => format!("fault {}: {}", struck.fault, struck.text),
        What::Over { fault } => format!("fault {fault} is over"),
        What::Healed => "all faults are over".to_owned(),
        What::Sent(letter) => format!("{}{}", content(letter), fate(letter)),
        What::Arrived { letter, taken, .. } => {
            let known = sent.get(letter);
            let text = known.map_or_else(
                || "a letter sent before this".to_owned(),
                |letter| content(letter),
            );
            let nobody = if *taken { "" } else { " (nobody is there)" };
            format!("{text}{nobody}")
        }
        What::Stepped(step) => step_text(step),
        What::Asked { client, text, .. } => format!("client {client} wants {text}"),
        What::Turned { client } => format!("client {client} asks"),
        What::Answered { client, text } => format!("client {client} is answered: {text}"),
        What::GaveUp { client, doubtful } => {
            let doubt = if *doubtful { ", in doubt" } else { "" };
            format!("client {client} gives up{doubt}")
        }
        What::Note { text } => text.clone(),
        What::Violated { property, text } => format!("{property} is violated: {text}"),
    };
    // One line, whatever an error or a command says.
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn content(letter: &Sent) -> String {
    let term = letter
        .term
        .map_or_else(String::new, |term| format!(" {term}"));
    format!("{}{term} {}", letter.kind, letter.text)
}

fn fate(letter: &Sent) -> String {
    let word = |fate| match fate {
        Fate::Travels => "on its way",
        Fate::Lost => "lost",
        Fate::Cut => "lost in a cut",
        Fate::Held => "held back",
    };
    match (letter.fate, letter.copy) {
        (Fate::Travels, None) => String::new(),
        (fate, None) => format!(" ({})", word(fate)),
        (fate, Some(copy)) => format!(" ({}, its copy {})", word(fate), word(copy)),
    }
}

fn step_text(step: &Step) -> String {
    let said: Vec<String> = step
        .events
        .iter()
        .map(|said| format!("{} [{}]", said.text, said.rule))
        .collect();
    match (&step.state, &step.log) {
        _ if !said.is_empty() => said.join(", "),
        (Some(state), _) => format!(
            "last {}, durable {}, commit {}, applied {}",
            state.last.get(),
            state.durable.get(),
            state.commit.get(),
            state.applied.get()
        ),
        (None, Some(change)) => format!("writes from {} on", change.from.get()),
        (None, None) => "goes on".to_owned(),
    }
}
