//! Errors say where and what; triggers print as they are written; nothing panics.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::command::{COMMANDS, parse, table};
use super::*;
use crate::checkers::property;
use crate::network::KINDS;

fn error_of(line: &str) -> String {
    run(&format!("> cluster 3\n{line}\n"))
        .unwrap_err()
        .to_string()
}

/// What is printed after the last command.
fn last_output(script: &str) -> Vec<String> {
    let text = run(script).unwrap().text;
    let after = text.rfind("\n> ").unwrap();
    text[after..].lines().skip(2).map(str::to_owned).collect()
}

#[test]
fn an_error_names_line_column_and_what_was_expected() {
    let cases = [
        (
            "> campain 1",
            "line 2, column 3: expected a command (see `raft-sim script --commands`), found \
             \"campain\"",
        ),
        (
            "> crash x",
            "line 2, column 9: expected a node such as 2, found \"x\"",
        ),
        (
            "> crash 1 keeping",
            "line 2, column 18: expected a number, found the end of the line",
        ),
        (
            "> status now",
            "line 2, column 10: expected the end of the line, found \"now\"",
        ),
        (
            "> break ( 1 is leader",
            "line 2, column 22: expected \")\", found the end of the line",
        ),
        (
            "> break 1 is leader and 2 down or elected",
            "line 2, column 32: expected \"and\" again, or parentheses around what mixes, found \
             \"or\"",
        ),
        (
            "> when elected do run 1s",
            "line 2, column 19: expected an action that takes no time, found \"run\"",
        ),
        (
            "> break 1 rule F2.AE.33",
            "line 2, column 16: expected a rule's key of docs/rules.toml (the nearest: F2.AE.3, \
             F2.AE.1, F2.AE.2), found \"F2.AE.33\"",
        ),
        (
            "status",
            "line 2, column 1: a line begins with `#`, with `>` or with two spaces",
        ),
        ("> crash 4", "line 2, column 3: there is no node n4"),
        (
            "> expect log_matching",
            "line 2, column 3: log_matching was expected to be violated, and was not",
        ),
    ];
    for (line, error) in cases {
        assert_eq!(error_of(line), error);
    }
    let unknown = error_of("> when elected then any rule XX.9 do heal");
    let column = "line 2, column 30: expected a rule's key of docs/rules.toml (the nearest: ";
    assert!(unknown.starts_with(column), "{unknown}");
    let early = run("> crash 1\n").unwrap_err().reason;
    assert_eq!(early, Impossible::NoCluster);
}

#[test]
fn a_trigger_is_printed_as_it_is_written() {
    for trigger in [
        "sent 1->* AppendEntries T2 i2..i5",
        "arrived *->3",
        "( 1 is leader and any in T3 ) then 2 votes any then 3 times lost",
        "2 times ( 1 last i4 or 1 stopped )",
        "any rule F2.AE.3 or 2 sends commit i3 or answered 4 or 1 down",
        "2 follows 1 and 3 committed i2 and 3 applied i2 and 3 durable i2",
    ] {
        let script = format!("> cluster 3\n> break {trigger}\n> watches\n");
        assert_eq!(last_output(&script)[0], format!("  1 break {trigger}"));
    }
}

#[test]
fn what_never_fired_is_said_at_the_end() {
    let never = "> cluster 3\n> break any rule F2.AE.3\n> whenever lost do heal\n\
                 > when 1 is leader do crash 1\n> break 1 is candidate\n> forget 2\n\
                 > quietly campaign 1\n";
    let told = "  never fired: break any rule F2.AE.3\n  never fired: when 1 is leader\n\
                \x20 never fired: break 1 is candidate\n";
    let text = run(never).unwrap().text;
    assert_eq!(text, format!("{never}{told}"));
    assert_eq!(run(&text).unwrap().text, text);
    let fired = "> cluster 1\n> quietly when 1 is leader do crash 1\n\
                 > quietly break 1 is candidate\n> quietly campaign 1\n> quietly run 1s\n";
    assert_eq!(run(fired).unwrap().text, fired);
    // Another cluster begins another story.
    let text = run(&format!("{never}> cluster 3\n")).unwrap().text;
    assert_eq!(text, format!("{never}> cluster 3\n{told}"));
}

#[test]
fn a_violated_property_is_told_however_quietly() {
    let lie =
        "> quietly inject 2->N RequestVoteReply term=T1 granted=yes\n> quietly deliver 2->N\n";
    let story = ["1", "3"].map(|node| {
        format!("> quietly campaign {node}\n> quietly deliver {node}->2 PreVote\n> quietly deliver 2->{node}\n")
            + &lie.replace('N', node)
    });
    let script = format!("> cluster 3\n{}", story.concat());
    let played = run(&script).unwrap();
    let violated = played.violation.map(|violation| violation.property);
    assert_eq!(violated, Some(property::ELECTION_SAFETY));
    assert!(played.text.contains("\n  VIOLATED election_safety: "));
    let expected = run(&format!("{script}> expect election_safety\n")).unwrap();
    assert_eq!(expected.violation, None);
}

#[test]
fn every_command_of_the_table_is_known() {
    for usage in COMMANDS {
        let unknown = parse(usage.name(), 1).is_err_and(|wrong| wrong.column == 1);
        assert!(!unknown, "{}", usage.usage);
    }
}

#[test]
fn the_documentation_holds_the_table() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/scripts.md");
    let docs = fs::read_to_string(docs).unwrap();
    assert!(
        docs.contains(&table()),
        "docs/scripts.md differs from `raft-sim script --commands`"
    );
}

/// What a letter in a pattern of lines may stand for; half of it is what nobody should write.
const NODES: [&str; 6] = ["1", "2", "3", "n1", "4", "0"];
const LINKS: [&str; 6] = ["1->2", "2->1", "1->3", "3->1", "2->3", "9->1"];
const FIELDS: [&str; 23] = [
    "term=T1",
    "term=T18446744073709551615",
    "from-life=7",
    "to-life=2",
    "attempt=1",
    "asked=T2",
    "last=9@T9",
    "last=18446744073709551615@T18446744073709551615",
    "transfer=yes",
    "granted=yes",
    "request=1",
    "request=18446744073709551615",
    "previous=1@T1",
    "previous=18446744073709551615@T1",
    "commit=1",
    "commit=18446744073709551615",
    "entries=2@T1:x,3@T1:no-op",
    "entries=0@T0:y,9@T7:no-op,18446744073709551615@T2:z",
    "matched=18446744073709551615",
    "conflict=18446744073709551615,0@T0",
    "lost=4,2@T1",
    "stale=yes",
    "round=18446744073709551615",
];
const SPANS: [&str; 4] = ["0ms", "50ms", "300ms", "2s"];
const TRIGGERS: [&str; 10] = [
    "elected",
    "sent AppendEntries",
    "arrived *->2 then lost",
    "2 times sent i0..i18446744073709551615",
    "( 1 is leader or 2 in T2 ) and any committed 1",
    "any rule F2.AE.4",
    "1 down",
    "any stopped",
    "18446744073709551615 times lost",
    "2 follows any then 2 votes 1 then answered 0 then 1 sends commit 1",
];
const LINES: [&str; 42] = [
    "cluster N single",
    "cluster N plain",
    "campaign N",
    "campaign N",
    "timeout N",
    "advance D",
    "run D",
    "run D until W",
    "run 1s until W",
    "step",
    "wait 18446744073709551615s N",
    "propose N a b",
    "read N",
    "members N voters N N",
    "members N voters N learners N N",
    "cancel N",
    "deliver",
    "deliver",
    "deliver L",
    "deliver first K until W",
    "drop first L",
    "copy K",
    "copy",
    "corrupt L with F",
    "corrupt first K with F F",
    "inject L K F",
    "inject L K term=T1 F F",
    "hold L K T1",
    "release",
    "partition N | N N",
    "heal",
    "cut L",
    "mend L",
    "disconnect N N",
    "pause N",
    "resume N",
    "stall N",
    "unstall N",
    "fail write N full",
    "crash N keeping 1",
    "crash N wiped",
    "restart N",
];

/// A line of a script, each letter filled in; now and then a word is another.
fn line() -> impl Strategy<Value = String> {
    let watched = ["when W do ", "whenever W do ", "break W", ""];
    let lines = proptest::sample::select(LINES.to_vec());
    let watched = proptest::sample::select(watched.to_vec());
    let watched = prop_oneof![4 => Just(""), 1 => watched];
    let numbers = proptest::collection::vec(any::<usize>(), 16);
    let strange = prop_oneof![20 => Just(None), 1 => ".{0,8}".prop_map(Some)];
    (watched, lines, numbers, strange).prop_map(|(watched, line, numbers, strange)| {
        let mut numbers = numbers.into_iter();
        let mut pick = |from: &[&'static str]| {
            let number = numbers.next().unwrap_or_default();
            from[number % from.len()]
        };
        let filled = |word: &str| match word {
            "N" => pick(&NODES).to_owned(),
            "L" => pick(&LINKS).to_owned(),
            "K" => pick(&KINDS).to_owned(),
            "F" => pick(&FIELDS).to_owned(),
            "D" => pick(&SPANS).to_owned(),
            "W" => pick(&TRIGGERS).to_owned(),
            word => word.to_owned(),
        };
        let line = format!("{watched}{line}");
        let mut words: Vec<String> = line.split(' ').map(filled).collect();
        words.extend(strange);
        format!("> {}", words.join(" "))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Lines that can't be done are left out, so that a story goes on as far as it may.
    #[test]
    fn no_script_panics(lines in proptest::collection::vec(line(), 1..60)) {
        let mut player = Player::default();
        let _ = output_of(&mut player, "> cluster 3");
        for line in &lines {
            let _ = output_of(&mut player, line);
        }
    }

    #[test]
    fn no_text_panics(text in ".{0,80}", lines in proptest::collection::vec(".{0,20}", 0..4)) {
        let _ = run(&text);
        let _ = run(&lines.iter().map(|line| format!("> {line}\n")).collect::<String>());
    }
}
