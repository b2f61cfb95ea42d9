//! Words that may not stand in the tree: work left for later, one machine's paths, and in the
//! crates below raft-tokio what would make two runs differ.

use crate::findings::Findings;
use crate::tree::{File, has_extension};

/// Marks of work left for later: either do it, or open an issue.
const LATER: [&str; 4] = [concat!("TO", "DO"), concat!("FIX", "ME"), "XXX", "HACK"];

/// Where some machine keeps its homes and folders.
const MACHINE_PATHS: [&str; 5] = ["/home/", "/root/", "/work/", "/farm/", "/Users/"];

/// What runs one way today and another tomorrow, and what to use.
const UNREPEATABLE: [(&str, &str); 8] = [
    ("HashMap", "BTreeMap: its order is the same in every run"),
    ("HashSet", "BTreeSet: its order is the same in every run"),
    ("Instant", "the Time that is handed in"),
    ("SystemTime", "the Time that is handed in"),
    ("thread_rng", "the seed that is handed in"),
    ("ThreadRng", "the seed that is handed in"),
    ("OsRng", "the seed that is handed in"),
    ("sleep", "a deadline"),
];

/// What the simulator may not name.
const RULES: &str = "raft_core::rules";

/// The crates that a seed must decide wholly, and the files of theirs that face the real world.
const REPEATABLE: [&str; 4] = ["raft-core/", "raft-log/", "raft-node/", "raft-sim/"];
const REAL_WORLD: [&str; 2] = ["raft-log/src/fs/std_fs", "raft-sim/src/bin/"];

/// All words of one file.
pub(super) fn check(file: &File, findings: &mut Findings) {
    let stem = file.path.rsplit('/').next().unwrap_or_default();
    if (stem == "clippy.toml" || stem == ".clippy.toml") && file.path != "clippy.toml" {
        let advice = "a second clippy.toml silently replaces the root's: remove it";
        findings.add(&file.path, 1, "one-clippy", advice);
    }
    if file.path == "xtask/src/tidy/words.rs" || stem == "Cargo.lock" {
        return; // the list itself, and what cargo writes
    }
    let repeatable = has_extension(&file.path, "rs")
        && REPEATABLE.iter().any(|part| file.path.starts_with(part))
        && !REAL_WORLD.iter().any(|part| file.path.starts_with(part));
    for (number, line) in file.lines() {
        for word in LATER {
            if has_word(line, word) {
                let text = format!("`{word}`: do it, or open an issue and say here what is so");
                findings.add(&file.path, number, "later", text);
            }
        }
        for start in MACHINE_PATHS {
            if has_path(line, start) {
                let text = format!("`{start}`: a path of one machine; use a relative or drawn one");
                findings.add(&file.path, number, "machine-path", text);
            }
        }
        if file.path.starts_with("raft-sim/") && line.contains(RULES) && !is_comment(line) {
            let text = format!("`{RULES}`: a checker that asks the rules finds none of their bugs");
            findings.add(&file.path, number, "checker-asks-rules", text);
        }
        if repeatable && !is_comment(line) {
            repeatable_line(file, number, line, findings);
        }
    }
}

fn repeatable_line(file: &File, number: usize, line: &str, findings: &mut Findings) {
    for (word, instead) in UNREPEATABLE {
        if has_word(line, word) {
            let text = format!("`{word}` below raft-tokio: use {instead}");
            findings.add(&file.path, number, "unrepeatable", text);
        }
    }
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// Whether `word` stands in `line` as a word of its own.
fn has_word(line: &str, word: &str) -> bool {
    let part = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word).any(|(at, found)| {
        !line[..at].ends_with(part) && !line[at + found.len()..].starts_with(part)
    })
}

/// Whether a path that begins with `start` stands in `line`; `docs/work/` begins elsewhere.
fn has_path(line: &str, start: &str) -> bool {
    let part = |character: char| character.is_alphanumeric() || "._-/}*".contains(character);
    line.match_indices(start)
        .any(|(at, _)| !line[..at].ends_with(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(path: &str, text: &str) -> Vec<&'static str> {
        let mut findings = Findings::default();
        let file = File {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        check(&file, &mut findings);
        findings.rules()
    }

    #[test]
    fn work_left_for_later() {
        assert_eq!(rules("a.md", concat!("TO", "DO: more\n")), ["later"]);
        assert_eq!(rules("a.rs", concat!("// FIX", "ME\n")), ["later"]);
        assert!(rules("a.rs", concat!("let x = TO", "DOS;\n")).is_empty());
    }

    #[test]
    fn paths_of_one_machine() {
        assert_eq!(rules("a.md", "see /home/me/notes\n"), ["machine-path"]);
        assert!(rules("a.md", "see https://example.org/home/\n").is_empty());
        assert!(rules("a.md", "see docs/work/plan.md\n").is_empty());
    }

    #[test]
    fn what_a_seed_does_not_decide() {
        let text = "use std::collections::HashMap;\n// an Instant would be wrong here\n";
        assert_eq!(rules("raft-core/src/a.rs", text), ["unrepeatable"]);
        assert!(rules("raft-tokio/src/a.rs", text).is_empty());
        assert!(rules("raft-log/src/fs/std_fs.rs", text).is_empty());
    }

    #[test]
    fn a_checker_does_not_ask_the_rules() {
        let text = "use raft_core::rules::vote;\n";
        assert_eq!(
            rules("raft-sim/src/checkers.rs", text),
            ["checker-asks-rules"]
        );
        assert!(rules("raft-core/tests/paper.rs", text).is_empty());
    }

    #[test]
    fn one_clippy_file() {
        assert_eq!(rules("raft-core/clippy.toml", ""), ["one-clippy"]);
        assert!(rules("clippy.toml", "").is_empty());
    }
}
