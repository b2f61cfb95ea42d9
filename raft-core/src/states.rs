//! The four states a node can be in (Figure 4, with thesis 9.6's pre-candidate).

/// Which state a node is in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Role {
    /// Answers leaders and candidates (paper 5.2).
    Follower,
    /// Asks whether it would be elected, disturbing nobody (thesis 9.6).
    PreCandidate,
    /// Asks for votes in a new term (paper 5.2).
    Candidate,
    /// Serves clients and replicates its log (paper 5.3).
    Leader,
}
