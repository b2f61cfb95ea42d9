//! A recording as one self-contained HTML page: a space-time diagram to step, scrub and search
//! through, with every node's state and log at each moment.
//!
//! The page needs nothing but a browser: script, style and data are inside it, and its content
//! security policy forbids it to fetch anything. It is written by hand in `page/`: `page.html` is the
//! frame, `model.js` reads the recording, `diagram.js` and `overview.js` draw, `panel.js` tells,
//! `control.js` listens. `page#selftest` in the address lets the page test itself.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::rules::{Rule, rules};
use crate::story;
use crate::trace::{Recording, What};

/// The recording as a page of this title. It begins at the violation, if there is one.
pub fn html(recording: &Recording, title: &str) -> String {
    let broken = recording.violation.as_ref();
    let told = Told {
        property: broken.map(|broken| story::in_words(&broken.property)),
        story: broken.map(|broken| story::of(recording, broken)),
    };
    let parts = [
        ("TITLE", escape(title)),
        ("CSS", include_str!("page/page.css").to_owned()),
        ("RECORDING", data(recording)),
        ("RULES", data(&used_rules(recording))),
        ("STORY", data(&told)),
        ("JS", script()),
    ];
    fill(include_str!("page/page.html"), &parts)
}

/// What a page of this recording is called: its world, and what does not hold.
pub fn title(recording: &Recording) -> String {
    let verdict = match &recording.violation {
        None => "no property is violated".to_owned(),
        Some(broken) => format!("{} is violated", broken.property),
    };
    format!("{}: {verdict}", recording.name)
}

/// What the page is told beside the recording.
#[derive(Serialize)]
struct Told {
    /// The violated property in words.
    property: Option<String>,
    /// The story on one screen.
    story: Option<String>,
}

/// The rules that the recording names, by key.
fn used_rules(recording: &Recording) -> BTreeMap<&str, Rule<'static>> {
    let steps = recording
        .happenings
        .iter()
        .filter_map(|one| match &one.what {
            What::Stepped(step) => Some(step),
            _ => None,
        });
    let keys = steps.flat_map(|step| step.events.iter().map(|said| said.rule.as_ref()));
    let known: BTreeMap<&str, Rule<'static>> = rules().map(|rule| (rule.key, rule)).collect();
    keys.filter_map(|key| Some((key, known.get(key)?.clone())))
        .collect()
}

/// The page's script: one scope for its five files.
fn script() -> String {
    let files = [
        include_str!("page/model.js"),
        include_str!("page/diagram.js"),
        include_str!("page/overview.js"),
        include_str!("page/panel.js"),
        include_str!("page/control.js"),
    ];
    format!("(() => {{\n\"use strict\";\n{}}})();", files.join("\n"))
}

/// Puts the parts where the frame names them as `{{NAME}}`. What is put in is not looked at again,
/// whatever it holds.
fn fill(frame: &str, parts: &[(&str, String)]) -> String {
    let mut pieces = frame.split("{{");
    let mut page = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (name, rest) = piece.split_once("}}").unwrap_or(("", piece));
        let part = parts.iter().find(|(known, _)| *known == name);
        page.push_str(part.map_or("", |(_, text)| text));
        page.push_str(rest);
    }
    page
}

/// Data as JSON that can stand inside a script element: no `<` can end it.
fn data(value: &impl Serialize) -> String {
    // Keys are strings and numbers are whole: there is nothing that JSON could not say.
    let json = serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned());
    json.replace('<', "\\u003c")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

/// Text as it may stand between tags and in attributes.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests;
