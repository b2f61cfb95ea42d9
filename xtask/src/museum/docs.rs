//! `docs/museum.md`: each exhibit with its story, who shipped it, what it breaks, how it is found,
//! and the smallest world in which it shows.
//!
//! What stands above a chapter's mark comes from the patch's header, and is compared with it. What
//! stands below comes from a run, and stays as it is until another is written.

use std::fs;
use std::path::Path;

use super::exhibit::Exhibit;
use super::hunt::Kill;
use super::record::{Record, Score};
use super::workshop::number_of;
use crate::error::TaskError;
use crate::tree::Tree;

const BOOK: &str = "docs/museum.md";

/// Between what a header says and what a run found.
const MARK: &str = "<!-- found -->";

/// How what stands below the mark begins where there is a find.
const FOUND: &str = "\nFound by ";

/// The longest line of a story.
const WIDTH: usize = 98;

const PREFACE: &str = "# The museum

Each exhibit is a bug that an implementation of Raft really had, or that a sentence of the paper
invites, put back by a patch in `raft-sim/museum`. The simulator finds it without a hint: the
standard swarm of worlds, from seed 0 on. Times are of a processor. The story of each is that of
the smallest world that still shows it, found by `raft-sim shrink`.

This file is written by `cargo xtask museum --write-docs`; how to run the museum stands in
[testing.md](testing.md), what is missing in it in
[its folder](../raft-sim/museum/README.md).
";

/// What a header says, as a chapter's beginning.
fn chapter(exhibit: &Exhibit) -> String {
    let marks = exhibit.marks.join(", ");
    let properties = exhibit.properties.join(", ");
    let mut story = exhibit.story.clone();
    if let Some(first) = story.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    format!(
        "\n## {}\n\n{}\n\n- Source: {}\n- Breaks: {marks} ({properties})\n\n{MARK}\n",
        exhibit.id,
        wrapped(&story),
        exhibit.source
    )
}

/// The text in lines that are not too long.
fn wrapped(text: &str) -> String {
    let (mut lines, mut width) = (String::new(), 0);
    for word in text.split_whitespace() {
        if width > 0 && width + 1 + word.len() > WIDTH {
            lines.push('\n');
            width = 0;
        } else if width > 0 {
            lines.push(' ');
            width += 1;
        }
        lines.push_str(word);
        width += word.len();
    }
    lines
}

/// What of the book is not what the headers say.
pub(super) fn outdated(tree: &Tree, exhibits: &[Exhibit]) -> Vec<String> {
    let text = tree.file(BOOK).map_or("", |file| file.text.as_str());
    let say = "`cargo xtask museum --write-docs` writes it anew";
    let missing = exhibits
        .iter()
        .filter(|exhibit| !text.contains(&chapter(exhibit)));
    let mut problems: Vec<String> = missing
        .map(|exhibit| format!("{BOOK}: {} is not as its header says; {say}", exhibit.id))
        .collect();
    let chapters = text.lines().filter(|line| line.starts_with("## ")).count();
    if chapters > exhibits.len() {
        problems.push(format!("{BOOK}: it has chapters without a patch; {say}"));
    }
    problems
}

/// Writes the book. Where nothing is kept, what stood there stays. Answers which exhibits it has no
/// find of.
pub(super) fn write(
    tree: &Tree,
    exhibits: &[Exhibit],
    results: &Path,
) -> Result<Vec<String>, TaskError> {
    let mut without = Vec::new();
    let before = tree.file(BOOK).map_or("", |file| file.text.as_str());
    let mut text = PREFACE.to_owned();
    for exhibit in exhibits {
        text.push_str(&chapter(exhibit));
        let change = number_of(exhibit.change.as_bytes())?;
        let found = match latest(results, &change) {
            Some(record) => found(exhibit, &record),
            None => as_before(before, &exhibit.id),
        };
        if !found.starts_with(FOUND) {
            without.push(exhibit.id.clone());
        }
        text.push_str(&found);
    }
    let path = tree.root.join(BOOK);
    let written = fs::write(&path, text);
    written.map_err(|source| TaskError::File { path, source })?;
    Ok(without)
}

/// The latest record of a change that was searched, on whatever state of the code.
fn latest(results: &Path, change: &str) -> Option<Record> {
    let mut found: Vec<_> = Vec::new();
    for folder in fs::read_dir(results).ok()?.flatten() {
        let path = folder.path().join(format!("{change}.json"));
        let changed = fs::metadata(&path).and_then(|data| data.modified());
        let text = fs::read_to_string(&path);
        if let (Ok(changed), Ok(text)) = (changed, text) {
            let record = serde_json::from_str::<Record>(&text).ok();
            found.extend(record.map(|record| (changed, record)));
        }
    }
    found.retain(|(_, record)| !record.with.is_empty());
    let latest = found.into_iter().max_by_key(|(changed, _)| *changed);
    latest.map(|(_, record)| record)
}

/// What stood below the mark of a chapter.
fn as_before(text: &str, id: &str) -> String {
    let title = format!("\n## {id}\n");
    let chapter = text.split_once(&title).map_or("", |(_, rest)| rest);
    let chapter = chapter.split("\n## ").next().unwrap_or_default();
    let found = chapter.split_once(MARK).map_or("", |(_, found)| found);
    match found.trim() {
        "" => "\nNot searched yet.\n".to_owned(),
        found => format!("\n{found}\n"),
    }
}

/// What a run found.
fn found(exhibit: &Exhibit, record: &Record) -> String {
    let mut text = match record.score() {
        Some(score) => format!("{FOUND}{}", in_words(exhibit, &score)),
        None => {
            let seconds: f64 = record.with.iter().map(|hunt| hunt.cpu_seconds).sum();
            let seeds: u64 = record.with.iter().map(super::hunt::Hunt::seeds).sum();
            return format!("\nNot found in {seconds:.0} s, {seeds} seeds.\n");
        }
    };
    text.push_str(&match record.score_outside() {
        Some(score) => format!(
            "\nWithout our own assertions by {}",
            in_words(exhibit, &score)
        ),
        None => "\nNot found without our own assertions.\n".to_owned(),
    });
    if let Some(small) = &record.small {
        let (events, nodes) = (small.events, small.nodes);
        text.push_str(&format!(
            "\n<details><summary>Its smallest world: {events} operations, faults and messages, \
             {nodes} nodes</summary>\n\n```text\n{}\n```\n\n```mermaid\n{}\n```\n\n</details>\n",
            small.story, small.picture
        ));
    }
    text
}

fn in_words(exhibit: &Exhibit, score: &Score) -> String {
    let (killed, of) = score.killed;
    let typical = match (score.seeds, score.cpu_seconds) {
        (Some(seeds), Some(seconds)) => {
            format!("the median is {seeds} seeds and {seconds:.1} s")
        }
        (_, _) => "most took longer than they were given".to_owned(),
    };
    let Kill { seed, property } = &score.kill;
    let other = match exhibit.declares(property) {
        true => "",
        false => " (none of those that it is said to break)",
    };
    format!("`{property}`{other} at seed {seed}; in {killed} of {of} ranges of seeds, {typical}.\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_before_stays() {
        let text = format!("# x\n\n## C01\n\nstory\n\n{MARK}\n\nFound.\n\n## C02\n\n{MARK}\n");
        assert_eq!(as_before(&text, "C01"), "\nFound.\n");
        assert_eq!(as_before(&text, "C02"), "\nNot searched yet.\n");
        assert_eq!(as_before(&text, "C03"), "\nNot searched yet.\n");
    }
}
