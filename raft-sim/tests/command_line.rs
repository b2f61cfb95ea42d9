//! The command line: what it prints, and how it exits.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs `raft-sim` with these words.
#[expect(
    clippy::expect_used,
    reason = "a test that cannot run the program fails"
)]
fn raft_sim(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_raft-sim"))
        .args(words)
        .output()
        .expect("the program starts")
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_run_ends_with_a_summary() {
    let output = raft_sim(&["run", "--seeds", "0..2", "--for", "2s", "--twice"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = printed(&output);
    for row in ["seeds ", "elections", "hash over all events", "failures"] {
        assert!(text.contains(row), "no {row:?} in {text}");
    }
    let alike = format!("\n{:<26}{:>16}\n", "  run twice, alike", 2);
    assert!(text.contains(&alike), "{text}");
    let once = raft_sim(&["run", "--seeds", "0..1", "--for", "2s"]);
    assert!(!printed(&once).contains("twice"), "{once:?}");
}

#[test]
fn programs_are_told_whether_a_run_was_twice() {
    let words = ["run", "--seeds", "0..1", "--for", "1s", "--json"];
    for (more, twice) in [(None, false), (Some("--twice"), true)] {
        let words: Vec<&str> = words.iter().copied().chain(more).collect();
        let text = printed(&raft_sim(&words));
        let line: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!(line["twice"], twice);
        assert_eq!(line["alike"], u64::from(twice));
    }
}

#[test]
fn programs_get_one_object_a_line_and_the_same_hash_every_time() {
    let words = [
        "run", "--seeds", "3..5", "--for", "2s", "--json", "--nodes", "3",
    ];
    let runs = [1, 2].map(|jobs: u8| {
        let jobs = jobs.to_string();
        let all: Vec<&str> = words.iter().copied().chain(["--jobs", &jobs]).collect();
        let text = printed(&raft_sim(&all));
        let line = text.lines().last().unwrap().to_owned();
        serde_json::from_str::<serde_json::Value>(&line).unwrap()
    });
    assert_eq!(runs[0]["kind"], "summary");
    assert_eq!(runs[0]["seeds"], 2);
    assert_eq!(runs[0]["failures"], 0);
    assert!(runs[0]["markers"]["TwoLeaders"]["worlds"].is_u64());
    assert_eq!(runs[0]["hash"], runs[1]["hash"]);
}

#[test]
fn a_run_that_must_see_all_rare_states_fails_when_it_does_not() {
    let words = ["run", "--seeds", "0..1", "--for", "1s", "--no-faults"];
    let output = raft_sim(&words);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = printed(&output);
    assert!(text.contains("rare states seen"), "{text}");
    assert!(!text.contains("never:"), "a single world sees few: {text}");
    for (more, code) in [("--markers", 0), ("--require-markers", 1)] {
        let words: Vec<&str> = words.into_iter().chain([more]).collect();
        let output = raft_sim(&words);
        assert_eq!(output.status.code(), Some(code), "{more}");
        let text = printed(&output);
        assert!(text.contains("never: a torn tail was cut"), "{text}");
    }
}

#[test]
fn a_replay_is_a_story() {
    let output = raft_sim(&["replay", "1", "--for", "2s"]);
    assert_eq!(output.status.code(), Some(0));
    let text = printed(&output);
    assert!(
        text.contains("\n  seed: 1,\n  duration: \"2s\",\n"),
        "{text}"
    );
    assert!(text.contains("no property is violated"));
    assert!(text.contains("<- n"), "no message is told");
}

#[test]
fn a_plan_is_printed_edited_and_run() {
    let printed_plan = raft_sim(&["replay", "--seed", "3", "--for", "1s", "--print-plan"]);
    let text = printed(&printed_plan);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("world.plan");
    let words = ["run", "--json", "--plan", file.to_str().unwrap()];
    let hash = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let output = raft_sim(&words);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let line = printed(&output).lines().last().unwrap().to_owned();
        serde_json::from_str::<serde_json::Value>(&line).unwrap()["hash"].clone()
    };
    let drawn = raft_sim(&["run", "--json", "--seeds", "3..4", "--for", "1s"]);
    let drawn: serde_json::Value =
        serde_json::from_str(printed(&drawn).lines().last().unwrap()).unwrap();
    assert_eq!(hash(&text), drawn["hash"]);
    assert_ne!(hash(&text.replace("seed: 3", "seed: 4")), drawn["hash"]);
    std::fs::write(&file, text.replace("seed: 3", "seed: three")).unwrap();
    let output = raft_sim(&words);
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("world.plan: line 4, column"), "{told}");
}

#[test]
fn a_world_without_failure_is_not_shrunk() {
    let words = ["shrink", "--seed", "3", "--for", "1s", "--budget", "1s"];
    let output = raft_sim(&words);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(printed(&output), "no property is violated\n");
    let output = raft_sim(&["run", "--seeds", "3..4", "--for", "1s", "--shrink"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn bad_arguments_are_told_apart_from_failures() {
    for words in [
        &["run"][..],
        &["run", "--seeds", "7"],
        &["run", "--seeds", "7..7"],
        &["run", "--seeds", "0..1", "--nodes", "0"],
        &["run", "--seeds", "0..1", "--nodes", "99"],
        &["run", "--seeds", "0..1", "--for", "soon"],
        &["run", "--seeds", "0..1", "--jobs", "0"],
        &["replay", "first"],
        &["script", "no/such/file.txt"],
        &["replay"],
        &["replay", "1", "--plan", "a.plan"],
        &["replay", "--plan", "no/such/file.plan"],
        &["run", "--seeds", "0..1", "--plan", "a.plan"],
        &["fly"],
    ] {
        let output = raft_sim(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        let told = complaint(&output);
        assert!(!told.is_empty(), "{words:?} says nothing");
        assert!(!told.contains("type"), "{words:?} speaks of types: {told}");
    }
}

#[test]
fn what_would_be_ignored_is_refused() {
    for words in [
        &["run", "--plan", "a.plan", "--no-faults"][..],
        &["replay", "--plan", "a.plan", "--nodes", "3"],
        &["replay", "--plan", "a.plan", "--for", "1s"],
        &["replay", "1", "--print-plan", "--export", "jsonl"],
        &["shrink", "--plan", "a.plan", "--for", "1s"],
        &["open", "--plan", "a.plan", "--no-faults"],
        &["open", "story.txt", "--nodes", "3"],
        &["open", "story.txt", "--last", "3"],
    ] {
        let output = raft_sim(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        let told = complaint(&output);
        assert!(told.contains("cannot be used with"), "{words:?}: {told}");
    }
}

#[test]
fn who_gives_no_argument_is_told_all_that_could_be_given() {
    for (command, all) in [
        ("run", &["--seeds <A..B>", "--plan <FILE>"][..]),
        ("replay", &["SEED", "--seed <N>", "--plan <FILE>"]),
        ("shrink", &["SEED", "--seed <N>", "--plan <FILE>"]),
        ("open", &["FILE", "--seed <N>", "--plan <FILE>"]),
        ("script", &["FILE", "--commands"]),
    ] {
        let output = raft_sim(&[command]);
        assert_eq!(output.status.code(), Some(2), "{command}");
        let told = complaint(&output);
        let missing = told.lines().nth(1).unwrap();
        for argument in all {
            assert!(missing.contains(argument), "{command}: {told}");
        }
    }
}

/// The story must be longer than what a pipe takes unread: a shorter one may be printed to its end before
/// its reader is gone, and then nothing went wrong.
#[test]
fn a_replay_that_nobody_reads_ends_quietly() {
    let words = ["replay", "1", "--for", "30s"];
    let whole = printed(&raft_sim(&words)).len();
    assert!(whole > 2 * PIPE_BYTES, "{whole} bytes");
    let mut child = Command::new(env!("CARGO_BIN_EXE_raft-sim"))
        .args(words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(141), "{output:?}");
    assert_eq!(complaint(&output), "");
}

#[test]
fn a_story_that_ends_otherwise_is_a_failure() {
    let stories = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let good = stories.join("first_election.txt");
    let output = raft_sim(&["script", good.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("story.txt");
    std::fs::write(
        &file,
        "# No node leads yet.\n\n> cluster 1\n> status\n  n1 leads\n",
    )
    .unwrap();
    let words = ["script", file.to_str().unwrap()];
    let output = raft_sim(&words);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("from line 5 on"), "{told}");
    assert!(raft_sim(&[words[0], words[1], "--update"]).status.success());
    assert!(raft_sim(&words).status.success());
}

#[test]
fn a_world_is_exported_and_opened_as_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let begins = [
        ("jsonl", "{\"version\":1,\"name\":\"Seed 4\","),
        ("mermaid", "sequenceDiagram\n"),
        ("plantuml", "@startuml\n"),
        ("shiviz", "(?<host>"),
        ("html", "<!DOCTYPE html>"),
    ];
    for (format, begin) in begins {
        let out = file(format);
        let words = [
            "replay", "--seed", "4", "--for", "1s", "--export", format, "--out", &out,
        ];
        let output = raft_sim(&words);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(printed(&output), "");
        let text = std::fs::read_to_string(&out).unwrap();
        assert!(text.starts_with(begin), "{format} begins {}", &text[..40]);
    }
    let (from_seed, from_file) = (file("seed.html"), file("file.html"));
    let opened = [
        raft_sim(&["open", "--seed", "4", "--for", "1s", "--out", &from_seed]),
        raft_sim(&["open", &file("jsonl"), "--out", &from_file]),
    ];
    for output in &opened {
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(printed(output).ends_with(".html\n"), "{output:?}");
    }
    let page = std::fs::read_to_string(from_seed).unwrap();
    assert_eq!(page, std::fs::read_to_string(from_file).unwrap());
    assert!(page.contains("raft-sim replay 4 --for 1000ms"));
    let story = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/figure_8_commit.txt");
    let words = ["script", story.to_str().unwrap(), "--export", "mermaid"];
    let output = raft_sim(&words);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(printed(&output).starts_with("sequenceDiagram\n"));
    let bad = raft_sim(&["open", &file("mermaid")]);
    assert_eq!(bad.status.code(), Some(2), "{bad:?}");
    assert!(complaint(&bad).contains("not a recording"));
    let bad = raft_sim(&["open", "17"]);
    assert_eq!(bad.status.code(), Some(2), "{bad:?}");
    assert!(complaint(&bad).contains("A seed? Use --seed 17"), "{bad:?}");
    let plan = file("world.plan");
    let words = ["replay", "--seed", "4", "--for", "1s", "--print-plan"];
    std::fs::write(&plan, printed(&raft_sim(&words))).unwrap();
    let bad = raft_sim(&["open", &plan]);
    assert_eq!(bad.status.code(), Some(2), "{bad:?}");
    let told = format!("A plan? Use --plan {plan}");
    assert!(complaint(&bad).contains(&told), "{bad:?}");
}

#[test]
fn an_exploration_says_whether_it_saw_everything() {
    let words = ["explore", "figure-8", "--elections", "1"];
    let output = raft_sim(&words);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(printed(&output).contains("complete: everything holds"));
    let bounded = ["explore", "figure-8", "--states", "10", "--json"];
    let output = raft_sim(&bounded);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let object = serde_json::from_str::<serde_json::Value>(&printed(&output)).unwrap();
    assert_eq!(object["verdict"], "bounded out");
    let output = raft_sim(&["explore", "figure-8", "--nodes", "6"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

/// What a pipe takes before somebody reads, on the systems there are.
const PIPE_BYTES: usize = 65_536;
