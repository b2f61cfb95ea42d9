//! Every story in `scripts/` still ends the way it was checked in. After a change that is meant,
//! run with `UPDATE=1` and read the difference before you commit it.

use std::fs;
use std::path::{Path, PathBuf};

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
