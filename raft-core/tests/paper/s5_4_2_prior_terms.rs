//! Entries that earlier leaders left behind (paper 5.4.2; Figure 8).

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
