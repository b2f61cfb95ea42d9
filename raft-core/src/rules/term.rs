//! Terms (paper 5.1).

use core::cmp::Ordering;

use crate::ids::Term;

/// How a message's term stands to one's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TermVerdict {
    /// The sender is behind: a request is refused, a reply dropped.
    Stale,
    /// The same term.
    Current,
    /// The sender is ahead: take over its term and become follower.
    Newer,
}

/// Compares a message's term with one's own.
pub fn compare(current: Term, received: Term) -> TermVerdict {
    match received.cmp(&current) {
        Ordering::Less => TermVerdict::Stale,
        Ordering::Equal => TermVerdict::Current,
        Ordering::Greater => TermVerdict::Newer,
    }
}

/// Whether a term can be a real one. Terms grow by one an election, so one in the upper half of
/// the range is damage or malice, and following it would leave no terms to campaign in.
pub const fn is_plausible(term: Term) -> bool {
    term.get() < u64::MAX / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_with_the_own_term() {
        let verdict = |received| compare(Term::new(5), Term::new(received));
        assert_eq!(verdict(4), TermVerdict::Stale);
        assert_eq!(verdict(5), TermVerdict::Current);
        assert_eq!(verdict(6), TermVerdict::Newer);
    }

    #[test]
    fn a_term_that_leaves_no_room_to_campaign_is_not_plausible() {
        assert!(is_plausible(Term::new(1 << 40)));
        assert!(is_plausible(Term::new(u64::MAX / 2 - 1)));
        assert!(!is_plausible(Term::new(u64::MAX / 2)));
    }
}
