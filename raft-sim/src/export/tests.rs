//! What other tools read, byte for byte, of one small recording.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::script;
use crate::trace::{KEPT, Recorder, What, sample};

/// Every story that is kept as a script, by its file's name.
fn stories() -> Vec<(String, Recording)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts");
    let files = std::fs::read_dir(folder).unwrap();
    let told = files.map(|file| {
        let path = file.unwrap().path();
        let recorder = Recorder::new(KEPT);
        script::record(&std::fs::read_to_string(&path).unwrap(), &recorder).unwrap();
        (path.display().to_string(), recorder.take())
    });
    told.collect()
}

/// A recording in which somebody says this.
fn saying(text: &str) -> Recording {
    let mut recording = sample::recording();
    recording.happenings.truncate(1);
    recording.happenings[0].what = What::Note {
        text: text.to_owned(),
    };
    recording
}

#[test]
fn json_lines_read_back_and_so_does_one_object() {
    let recording = sample::recording();
    let lines = json_lines(&recording);
    assert_eq!(lines.lines().count(), 1 + recording.happenings.len());
    assert_eq!(parse(&lines), Ok(recording.clone()));
    let whole = serde_json::to_string_pretty(&recording).unwrap();
    assert_eq!(parse(&whole), Ok(recording));
}

#[test]
fn what_is_no_recording_is_refused_with_its_line() {
    let lines = json_lines(&sample::recording());
    let torn = lines.trim_end().trim_end_matches('}');
    let last = lines.lines().count();
    assert_eq!(parse(torn).map_err(|error| error.line), Err(last));
    for text in ["", "{}", "[1]", "seed 47"] {
        assert!(parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_mermaid_diagram() {
    let expected = "\
sequenceDiagram
    participant n1
    participant n2
    participant clients
    Note over n1: starts
    Note over n2: starts
    Note over n1: is candidate in T1 [F2.CAN.1]
    n1->>n2: RequestVote T1 last 0@T0
    Note over n2: is follower in T1 [F2.RV.2]
    n2-->>n1: RequestVoteReply T1 last 0@T0
    Note over n1: is leader in T1 [F2.CAN.5]
    n1-xn2: AppendEntries T1 last 0@T0 (lost)
    Note over n1,clients: fault 0: Cut { .. }
    Note over clients: client 0 wants k1+5
    clients->>n1: client 0 asks
    Note over n2: crashes and loses all that was not synced
    Note over n1,clients: fault 0 is over
    Note over n2: leader_completeness is violated: 1@T1 is committed, but n2 lacks it
";
    assert_eq!(mermaid(&sample::recording()), expected);
}

#[test]
fn a_plantuml_diagram() {
    let expected = "\
@startuml
participant n1
participant n2
participant clients
note over n1: starts
note over n2: starts
note over n1: is candidate in T1 [F2.CAN.1]
n1 -> n2: RequestVote T1 last 0@T0
note over n2: is follower in T1 [F2.RV.2]
n2 --> n1: RequestVoteReply T1 last 0@T0
note over n1: is leader in T1 [F2.CAN.5]
n1 ->x n2: AppendEntries T1 last 0@T0 (lost)
note over n1,clients: fault 0: Cut { .. }
note over clients: client 0 wants k1+5
clients -> n1: client 0 asks
note over n2: crashes and loses all that was not synced
note over n1,clients: fault 0 is over
note over n2: leader_completeness is violated: 1@T1 is committed, but n2 lacks it
@enduml
";
    assert_eq!(plantuml(&sample::recording()), expected);
}

#[test]
fn a_shiviz_log() {
    let expected = "\
(?<host>\\S*) (?<clock>{.*})\\n(?<event>.*)

n1 {\"n1\":1}
0.001000s starts
n2 {\"n2\":1}
0.001000s starts
n1 {\"n1\":2}
0.002000s is candidate in T1 [F2.CAN.1]
n1 {\"n1\":3}
0.002000s RequestVote T1 last 0@T0
n2 {\"n1\":3,\"n2\":2}
0.003000s RequestVote T1 last 0@T0
n2 {\"n1\":3,\"n2\":3}
0.003000s is follower in T1 [F2.RV.2]
n2 {\"n1\":3,\"n2\":4}
0.003000s RequestVoteReply T1 last 0@T0
n1 {\"n1\":4,\"n2\":4}
0.005000s RequestVoteReply T1 last 0@T0
n1 {\"n1\":5,\"n2\":4}
0.005000s is leader in T1 [F2.CAN.5]
n1 {\"n1\":6,\"n2\":4}
0.005000s AppendEntries T1 last 0@T0 (lost)
world {\"world\":1}
0.006000s fault 0: Cut { .. }
clients {\"clients\":1}
0.007000s client 0 wants k1+5
clients {\"clients\":2}
0.007000s client 0 asks
n1 {\"clients\":2,\"n1\":7,\"n2\":4}
0.007000s client 0 asks
n2 {\"n1\":3,\"n2\":5}
0.008000s crashes and loses all that was not synced
world {\"world\":2}
0.009000s fault 0 is over
n2 {\"n1\":3,\"n2\":6}
0.010000s leader_completeness is violated: 1@T1 is committed, but n2 lacks it
";
    assert_eq!(shiviz(&sample::recording()), expected);
}

/// Between whom the lines of a sequence diagram lie: all but the first line and the participants.
fn named<'a>(diagram: &'a str, arrows: &[&str]) -> BTreeSet<&'a str> {
    let told = diagram.lines().filter_map(|line| line.split_once(": "));
    let ends = told.map(|(before, _)| {
        let before = before.trim();
        let over = before.strip_prefix("Note over ");
        over.or_else(|| before.strip_prefix("note over "))
            .unwrap_or(before)
    });
    ends.flat_map(|ends| {
        let arrow = arrows.iter().find(|arrow| ends.contains(**arrow));
        ends.split(arrow.copied().unwrap_or(","))
    })
    .collect()
}

#[test]
fn sequence_diagrams_declare_whom_they_name() {
    for (file, recording) in stories() {
        let arrows = [
            "-->>", "->>", "--x", "-x", " --> ", " -> ", " -->x ", " ->x ",
        ];
        for diagram in [mermaid(&recording), plantuml(&recording)] {
            let declared: BTreeSet<&str> = diagram
                .lines()
                .filter_map(|line| line.trim().strip_prefix("participant "))
                .collect();
            let named = named(&diagram, &arrows);
            assert!(!named.is_empty(), "{file}");
            assert!(named.is_subset(&declared), "{file}: {named:?}");
        }
    }
}

#[test]
fn marks_that_mean_something_are_spelled() {
    let odd = "k#1; <b>50%%</b> [[x]] --y-- `{z}` \"$q\" __u__ nowrap: 漢";
    let text = mermaid(&saying(odd));
    let said = text.lines().last().unwrap();
    let spelled = "k#35;1#59; #60;b#62;50#37;#37;#60;/b#62; [#91;x]#93; -#45;y-#45; #96;{z}#96; \
                   #34;#36;q#34; _#95;u_#95; nowrap#58; 漢";
    assert_eq!(said, format!("    Note over n1: {spelled}"));
    let text = plantuml(&saying("== a --b-- <b> #1; \\n %date()"));
    let said = text.lines().rev().nth(1).unwrap();
    let spelled = "<U+003d><U+003d> a -<U+002d>b-<U+002d> <U+003c>b<U+003e> <U+0023>1<U+003b> \
                   <U+005c>n <U+0025>date()";
    assert_eq!(said, format!("note over n1: {spelled}"));
}

#[test]
fn a_mermaid_diagram_is_no_longer_than_mermaid_reads() {
    let mut recording = sample::recording();
    let all = recording.happenings.clone();
    let whole = mermaid(&recording).lines().count();
    for _ in 0..200 {
        recording.happenings.extend(all.iter().cloned());
    }
    let text = mermaid(&recording);
    assert!((49_000..50_000).contains(&text.len()), "{}", text.len());
    let lines: Vec<&str> = text.lines().collect();
    let said = lines[4].strip_prefix("    Note over n1,clients: ").unwrap();
    let left_out = said.strip_suffix(" lines before this one are left out");
    let left_out: usize = left_out.unwrap().parse().unwrap();
    assert_eq!(lines.len() - 5 + left_out, (whole - 4) * 201);
    assert!(text.ends_with("but n2 lacks it\n"));
    assert!(plantuml(&recording).lines().count() > (whole - 4) * 201);
}

/// What ShiViz demands of a log, or it refuses all of it.
#[test]
fn vector_clocks_count_each_event_of_a_host_and_name_only_events_that_are_there() {
    for (file, recording) in stories() {
        let log = shiviz(&recording);
        let lines: Vec<&str> = log.lines().skip(2).collect();
        let mut counts = BTreeMap::<&str, u64>::new();
        let mut clocks = Vec::new();
        for event in lines.chunks(2) {
            assert!(matches!(event, [_, text] if !text.is_empty()), "{file}");
            let (host, clock) = event[0].split_once(' ').unwrap();
            let clock: BTreeMap<&str, u64> = serde_json::from_str(clock).unwrap();
            let count = counts.entry(host).or_default();
            *count += 1;
            assert_eq!(clock[host], *count, "{file}");
            // What a host heard of has happened already.
            for (other, heard) in &clock {
                assert!(*heard <= counts[other], "{file}");
            }
            clocks.push((host, clock));
        }
        let mut last = BTreeMap::<&str, &BTreeMap<&str, u64>>::new();
        for (host, clock) in &clocks {
            let before = last.insert(*host, clock);
            let forgets = |before: &&BTreeMap<&str, u64>| {
                before
                    .iter()
                    .any(|(other, heard)| clock.get(other) < Some(heard))
            };
            assert!(!before.as_ref().is_some_and(forgets), "{file}");
        }
    }
}
