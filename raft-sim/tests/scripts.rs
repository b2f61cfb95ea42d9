//! Every story in `scripts/` still ends the way it was checked in. After a change that is meant,
//! run with `UPDATE=1` and read the difference before you commit it.

use std::fs;
use std::path::{Path, PathBuf};

use raft_sim::trace::{Fate, KEPT, Recorder, What};

#[expect(
    clippy::unwrap_used,
    reason = "a test that cannot read its stories fails"
)]
fn scripts() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    paths.sort();
    paths
}

#[test]
fn every_story_ends_as_it_was_checked_in() {
    let update = std::env::var_os("UPDATE").is_some();
    for path in scripts() {
        let name = path.display();
        let before = fs::read_to_string(&path).unwrap();
        let played =
            raft_sim::script::run(&before).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(played.violation, None, "{name}");
        let after = played.text;
        if update {
            fs::write(&path, &after).unwrap();
        } else {
            let mut lines = before.lines().zip(after.lines()).zip(1..);
            let differs = lines.find(|((before, after), _)| before != after);
            assert!(
                before == after,
                "{name} ends otherwise (UPDATE=1 keeps what is new): {differs:#?}"
            );
        }
    }
}

#[test]
fn every_story_has_a_purpose_and_is_short() {
    let paths = scripts();
    assert!(paths.len() >= 11, "{paths:?}");
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.display();
        assert!(text.starts_with("# "), "{name} has no paragraph of purpose");
        assert!(text.lines().count() <= 150, "{name} is too long");
    }
}

/// All names in backticks in the tables that could be a script or a test.
fn names_in(text: &str) -> Vec<&str> {
    let rows = text.lines().filter(|line| line.starts_with('|'));
    let told = rows.filter_map(|row| row.trim_end_matches('|').rsplit_once('|'));
    let quoted = told.flat_map(|(_, told)| told.split('`').skip(1).step_by(2));
    let plain = |name: &&str| {
        name.chars()
            .all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit())
    };
    quoted.filter(plain).collect()
}

#[expect(
    clippy::unwrap_used,
    reason = "a test that cannot read the sources fails"
)]
fn collect_sources(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn the_table_of_scenarios_names_every_script_and_nothing_that_is_not_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let table = fs::read_to_string(root.join("docs/scenarios.md")).unwrap();
    let named = names_in(&table);
    let paths = scripts();
    let stems = paths.iter().filter_map(|path| path.file_stem()?.to_str());
    let stems: Vec<&str> = stems.collect();
    for stem in &stems {
        assert!(
            named.contains(stem),
            "docs/scenarios.md does not name {stem}"
        );
    }
    let mut sources = String::new();
    for folder in ["raft-core", "raft-node", "raft-tokio", "raft-sim", "tests"] {
        collect_sources(&root.join(folder), &mut sources);
    }
    for name in named.iter().filter(|name| !stems.contains(name)) {
        let there = sources.contains(&format!("fn {name}("))
            || sources.contains(&format!("pub mod {name};"));
        assert!(there, "docs/scenarios.md names {name}, which is nowhere");
    }
}

#[test]
fn a_recorded_script_prints_the_same_and_its_recording_ends_as_the_cluster_does() {
    let (mut lost, mut arrived, mut same, mut shorter) = (0, 0, 0, 0);
    for path in scripts() {
        let text = fs::read_to_string(&path).unwrap();
        let recorder = Recorder::new(KEPT);
        let played = raft_sim::script::record(&text, &recorder).unwrap();
        assert_eq!(
            Ok(&played),
            raft_sim::script::run(&text).as_ref(),
            "{path:?}"
        );
        let recording = recorder.take();
        let views = recording.views_after(recording.happenings.len());
        for view in views {
            let held = view.first.get() + view.log.len() as u64 - 1;
            match view.state.as_ref().map(|state| state.last.get()) {
                None => {}
                Some(last) if last == held => same += 1,
                // A script may end before a node has written what it appended.
                Some(last) => {
                    assert!(held < last, "{path:?} {view:?}");
                    shorter += 1;
                }
            }
        }
        for happening in &recording.happenings {
            match &happening.what {
                What::Sent(sent) => lost += u64::from(sent.fate != Fate::Travels),
                What::Arrived { .. } => arrived += 1,
                _ => {}
            }
        }
    }
    assert!(
        same > 20 * shorter,
        "{same} logs are whole, {shorter} are not"
    );
    assert!(lost > 20 && arrived > 200, "{lost} lost, {arrived} arrived");
}
