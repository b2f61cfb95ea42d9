//! Shrunk worlds that once violated a property, each with the bug that it showed. They are what
//! `raft-sim shrink --test FILE` writes.

/// Violated leader_completeness when leaders committed entries of earlier terms by counting (C01):
/// one leader after the other is cut off (Figure 8).
#[test]
fn leader_completeness_holds_in_a_world_of_seed_181220471() {
    let plan = raft_sim::plan::Plan::parse(WORLD_OF_SEED_181220471).unwrap();
    assert_eq!(raft_sim::sim::run_plan(plan).violation, None);
}

const WORLD_OF_SEED_181220471: &str = r#"// A world of raft-sim. `raft-sim replay --plan FILE` tells what happens in it.
// Lines of nodes, clients, operations, faults and fates may be changed, added and taken out.
(
  seed: 181220471,
  duration: "4.6s",
  families: (
    crash: false,
    power_loss: false,
    partition: false,
    hold: false,
    pause: false,
    slow_node: false,
    drop: false,
    double: false,
    straggle: false,
    drift: false,
    disk_stall: false,
    disk_error: false,
    rot: false,
  ),
  nodes: [
    (number: 0, clock_offset: "0s", clock_drift: -10794, start: "25.261363ms"),
    (number: 2, clock_offset: "0s", clock_drift: 41896, start: "11.144416ms"),
    (number: 3, clock_offset: "0s", clock_drift: -12194, start: "169.985204ms"),
  ],
  tuning: (
    election_timeout: "284.281531ms",
    heartbeat_interval: "71ms",
    resend_after: "200ms",
    stalled_write_after: "1.4s",
    pre_vote: true,
    max_writes_in_flight: 4,
    max_appends_in_flight: 8,
    max_append_bytes: 1,
    max_bytes_in_flight: 4096,
    max_cached_bytes: 16777216,
    max_applying_bytes: 4194304,
    request_timeout: "600ms",
    max_sessions: 4096,
    max_answers: 65536,
    segment_bytes: 65536,
    limits: (max_payload_bytes: 8388608, max_uncommitted_bytes: 67108864, chunk_entries: 65536, chunk_payload_bytes: 67108864, max_requests: 65536, max_request_bytes: 67108864, max_forwarded: 65536, max_forward_bytes: 1048576, max_letters_per_turn: 64, max_apply_bytes_per_turn: 1048576, max_answer_bytes: 67108864, block_bytes: 4096),
  ),
  codecs: (
    payload: Postcard,
    wire: Some(Bincode),
  ),
  network: (
    delay: Even("59.421011ms", "59.421011ms"),
    drop_per_mille: 0,
    double_per_mille: 0,
    straggle_per_mille: 0,
    straggle_most: "1.989970717s",
    slow_kind: None,
    lane_bytes: 1048576,
    redial_per_mille: 0,
    loss_hints: false,
    calm: None,
  ),
  disk: (
    sync: Even("1ms", "1ms"),
    other_most: "0s",
    sector_bytes: 4096,
    slow: None,
    slow_most: "142.140765ms",
    any_order: false,
    calm: None,
  ),
  quirks: (
    spurious_polls_per_mille: 5,
    alarms_late: "0s",
  ),
  clients: [
    (home: 1, manner: Session, window: 0, patience: "1.8s", lasting: false),
    (home: 0, manner: Session, window: 2, patience: "200ms", lasting: false),
  ],
  operations: [
    (number: 37, at: "2.1s", client: 1, action: Swap(0)),
    (number: 38, at: "2.1s", client: 0, action: Append(1)),
  ],
  faults: [
    (number: 0, at: "2.1s", occasion: Committed, delay: "100ms", fault: Cut(shape: Isolate(Cause), lasts: "400ms", held: false, flap: None)),
    (number: 2, at: "3.2s", occasion: Proposed, delay: "0s", fault: Cut(shape: Isolate(Cause), lasts: "300ms", held: false, flap: None)),
    (number: 4, at: "4.24s", occasion: Now, delay: "0s", fault: Cut(shape: Isolate(Leader), lasts: "300ms", held: false, flap: None)),
  ],
  fates: [],
  ending: (
    all: true,
    blackout: None,
    rests: 0,
    rest: "1.899540906s",
  ),
)
"#;

/// Violated idle when a rest was held to its bounds although a node had started in it.
#[test]
fn idle_holds_in_a_world_of_seed_12336() {
    let plan = raft_sim::plan::Plan::parse(WORLD_OF_SEED_12336).unwrap();
    assert_eq!(raft_sim::sim::run_plan(plan).violation, None);
}

const WORLD_OF_SEED_12336: &str = r#"// A world of raft-sim. `raft-sim replay --plan FILE` tells what happens in it.
// Lines of nodes, clients, operations, faults and fates may be changed, added and taken out.
(
  seed: 12336,
  duration: "100ms",
  families: (
    crash: false,
    power_loss: false,
    partition: false,
    hold: false,
    pause: false,
    slow_node: false,
    drop: false,
    double: false,
    straggle: false,
    drift: false,
    disk_stall: false,
    disk_error: false,
    rot: false,
  ),
  nodes: [
    (number: 0, clock_offset: "0s", clock_drift: 0, start: "0s"),
    (number: 1, clock_offset: "0s", clock_drift: 0, start: "0s"),
    (number: 2, clock_offset: "0s", clock_drift: 0, start: "0s"),
  ],
  tuning: (
    election_timeout: "500ms",
    heartbeat_interval: "100ms",
    resend_after: "400ms",
    stalled_write_after: "2.7s",
    pre_vote: false,
    max_writes_in_flight: 4,
    max_appends_in_flight: 16,
    max_append_bytes: 128,
    max_bytes_in_flight: 16384,
    max_cached_bytes: 16777216,
    max_applying_bytes: 4194304,
    request_timeout: "3.2s",
    max_sessions: 4096,
    max_answers: 65536,
    segment_bytes: 65536,
    limits: (max_payload_bytes: 8388608, max_uncommitted_bytes: 67108864, chunk_entries: 65536, chunk_payload_bytes: 67108864, max_requests: 65536, max_request_bytes: 67108864, max_forwarded: 65536, max_forward_bytes: 1048576, max_letters_per_turn: 64, max_apply_bytes_per_turn: 1048576, max_answer_bytes: 67108864, block_bytes: 4096),
  ),
  codecs: (
    payload: Postcard,
    wire: Some(Bincode),
  ),
  network: (
    delay: Even("10.608175ms", "10.608175ms"),
    drop_per_mille: 0,
    double_per_mille: 0,
    straggle_per_mille: 0,
    straggle_most: "4.243270352s",
    slow_kind: None,
    lane_bytes: 1048576,
    redial_per_mille: 0,
    loss_hints: false,
    calm: None,
  ),
  disk: (
    sync: Even("1ms", "1ms"),
    other_most: "0s",
    sector_bytes: 4096,
    slow: None,
    slow_most: "265.204397ms",
    any_order: false,
    calm: None,
  ),
  quirks: (
    spurious_polls_per_mille: 0,
    alarms_late: "0s",
  ),
  clients: [
    (home: 2, manner: Session, window: 0, patience: "200ms", lasting: true),
    (home: 6, manner: Session, window: 1, patience: "1.6s", lasting: true),
  ],
  operations: [],
  faults: [
    (number: 4, at: "100ms", occasion: Now, delay: "0s", fault: Crash(target: Node(0), loss: Process, down: "2s", rot: false)),
  ],
  fates: [],
  ending: (
    all: false,
    blackout: None,
    rests: 2,
    rest: "4.066360051s",
  ),
)
"#;
