//! What the kit says of each clause: what was found, what was expected, and after what.

use super::*;

/// Of a log with this flaw this part of the kit says all of this.
fn says(flaw: Flaw, part: Part, all: &[&str]) {
    let text = broken(flaw, part).unwrap().to_string();
    for words in all {
        assert!(text.contains(words), "no {words:?} in:\n{text}");
    }
}

#[test]
fn clause_1_says_which_part_of_a_write_is_missing() {
    let all = [
        "clause 1 of Log (Atomic) is broken: it holds a part of a write and not the rest",
        "; expected: the state after write 21\n",
        "  the standard writes, read back after each\n",
        "\n  found: it says HardState",
        "identity of 0 bytes",
        "\n  expected, if write 21 was the last: it says HardState",
        "identity of 15 bytes",
    ];
    says(Flaw::ForgetsIdentity, Part::Clauses, &all);
}

#[test]
fn clause_2_says_which_write_was_to_be_acknowledged() {
    let all = [
        "clause 2 of Log (InOrder) is broken: it acknowledged ",
        " when 1 of 2 writes were durable; expected: the proof of one of writes 2 to 2",
        "\n  the standard writes, read back after each",
    ];
    says(Flaw::AcknowledgesAnotherWrite, Part::Clauses, &all);
}

#[test]
fn clause_2_says_in_which_state_the_log_was_to_be() {
    let all = [
        "clause 2 of Log (InOrder) is broken: it was opened in a state in which it never was",
        "; expected: the state",
        "\n  its account of its entries is as after no write",
        "\n  found: it says HardState",
        "\n  expected, if write ",
    ];
    says(Flaw::MiscountsTime, Part::Clauses, &all);
}

#[test]
fn clause_3_says_what_was_promised() {
    let all = [
        "clause 3 of Log (Durable) is broken: it says that it lost what it had promised",
        "; expected: the state",
        "lost through Some(",
        "\n  expected, if write ",
        "lost through None",
    ];
    says(Flaw::SaysThatItLost, Part::Clauses, &all);
}

#[test]
fn clause_3_says_from_which_write_on_all_was_durable() {
    let all = [
        "clause 3 of Log (Durable) is broken: write ",
        " was called durable, and it was opened as it was after write ",
        "; expected: as after write ",
        "\n  found: it says ",
        "\n  expected, if write ",
    ];
    says(Flaw::AcknowledgesBeforeTheSync, Part::CrashPoints, &all);
}

#[test]
fn clause_4_says_what_was_removed_and_is_there() {
    let all = [
        "clause 4 of Log (TruncationFirst) is broken: it holds an entry that was removed",
        "; expected: the state after",
        "\n  the standard writes, read back after each",
        "\n    and holds ",
    ];
    says(Flaw::ForgetsTruncation, Part::Clauses, &all);
}

#[test]
fn clause_5_says_which_write_was_to_be_refused() {
    let all = [
        "clause 5 of Log (Contiguous) is broken: to a write of ",
        "it answers Ok(",
        "; expected: the error that it is impossible (LogError::Impossible), now and ever after",
        "\n  a write leaves a gap",
    ];
    says(Flaw::TakesGaps, Part::Clauses, &all);
}

#[test]
fn clause_6_says_both_errors() {
    let all = [
        "clause 6 of Log (FailureIsFinal) is broken: it failed with Storage",
        ", and answers Ready(Err(Storage",
        "; expected: the same error ever after",
        "\n  operation ",
        " on the disk failed: ",
    ];
    says(Flaw::FailsInOtherWords, Part::Faults, &all);
}

#[test]
fn clause_7_says_what_was_to_be_read() {
    let all = [
        "clause 7 of Log (SeesWhatWasBegun) is broken: of what was begun, ",
        "up to write 2, nothing is read back",
        "; expected: ",
        "\n  the standard writes, read back after each",
    ];
    says(Flaw::ReadsNothing, Part::Clauses, &all);
}

#[test]
fn clause_8_says_how_much_was_to_be_read() {
    let all = [
        "clause 8 of Log (Bounded) is broken: ",
        "at most 0 bytes were asked for: 40 were read; expected: 1 to 2 entries",
        "\n  reads of at most so many bytes",
    ];
    says(Flaw::ReadsAllAtOnce, Part::Clauses, &all);
}
