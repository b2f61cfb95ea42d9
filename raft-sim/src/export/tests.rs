//! What other tools read, byte for byte, of one small recording.

use super::*;
use crate::trace::sample;

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
note over n1 : starts
note over n2 : starts
note over n1 : is candidate in T1 [F2.CAN.1]
n1 -> n2 : RequestVote T1 last 0@T0
note over n2 : is follower in T1 [F2.RV.2]
n2 --> n1 : RequestVoteReply T1 last 0@T0
note over n1 : is leader in T1 [F2.CAN.5]
n1 ->x n2 : AppendEntries T1 last 0@T0 (lost)
note over n1, clients : fault 0: Cut { .. }
note over clients : client 0 wants k1+5
clients -> n1 : client 0 asks
note over n2 : crashes and loses all that was not synced
note over n1, clients : fault 0 is over
note over n2 : leader_completeness is violated: 1@T1 is committed, but n2 lacks it
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
