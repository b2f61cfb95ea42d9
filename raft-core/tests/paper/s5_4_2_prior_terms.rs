//! Entries that earlier leaders left behind (paper 5.4.2; Figure 8).

use raft_core::ids::Term;

use crate::support::{Node, conflict, id, ids, ids_of};

/// [S5.4.2.5]
#[test]
fn an_entry_of_an_earlier_term_is_not_committed_by_counting() {
    let mut node = Node::holding(3, &[1, 2]);
    assert_eq!(node.elect(), 4);
    // Figure 8 (c): a majority holds the entry of term 2, and still it may be overwritten.
    node.acknowledge(2, 2);
    node.acknowledge(3, 2);
    assert_eq!(node.commit(), 0);
    assert_eq!(node.applied, []);
    // Figure 8 (e): with an entry of the own term it can't be.
    node.acknowledge(2, 3);
    assert_eq!(node.commit(), 3);
}

/// [S5.4.2.5]
#[test]
fn an_entry_of_the_term_before_is_not_committed_by_counting_either() {
    let mut node = Node::holding(3, &[1, 3]);
    assert_eq!(node.elect(), 4);
    node.acknowledge(2, 2);
    node.acknowledge(3, 2);
    assert_eq!(node.commit(), 0);
}

/// [S5.4.2.8] Also those that have to be read back from disk.
#[test]
fn entries_keep_their_term_however_far_they_lie_back() {
    let mut node = Node::holding(9, &[1, 1, 3, 7]);
    node.restart();
    assert_eq!(node.hull.cached_bytes(), 0, "nothing of them is in memory");
    assert_eq!(node.elect(), 10);
    node.receive(3, 10, conflict(node.last_request(3), 4, id(1, 1)));
    let mut entries = Vec::new();
    for _ in 0..6 {
        for append in node.appends_to(3) {
            assert!(append.previous.term <= Term::new(7) || append.previous == id(5, 10));
            let sent = ids(&append.chunks);
            let upto = sent.last().map_or(append.previous, |last| *last);
            entries.extend(sent);
            node.acknowledge(3, upto.index.get());
        }
    }
    assert_eq!(entries, ids_of(2, &[1, 3, 7, 10]));
}

/// [S5.4.2.8]
#[test]
fn entries_keep_the_term_they_were_received_in() {
    let mut node = Node::holding(5, &[1, 2, 2, 4]);
    assert_eq!(node.elect(), 6);
    let request = node.last_request(2);
    node.receive(2, 6, conflict(request, 4, id(0, 0)));
    let mut entries = Vec::new();
    for _ in 0..6 {
        for append in node.appends_to(2) {
            let sent = ids(&append.chunks);
            let upto = sent.last().map_or(append.previous, |last| *last);
            entries.extend(sent);
            node.acknowledge(2, upto.index.get());
        }
    }
    assert_eq!(entries, ids_of(1, &[1, 2, 2, 4, 6]));
    assert_eq!(node.terms(), [1, 2, 2, 4, 6]);
}
