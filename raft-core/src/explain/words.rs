//! Parts of sentences that several explanations need.

use core::fmt;
use core::time::Duration;

use crate::configuration::MemberRole;
use crate::ids::NodeId;

/// Nodes, by name.
pub(super) struct Names<'a>(pub(super) &'a [NodeId]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, others)) = self.0.split_first() else {
            return f.write_str("nobody");
        };
        write!(f, "{first}")?;
        others.iter().try_for_each(|id| write!(f, ", {id}"))
    }
}

/// Whose disk is waited for.
pub(super) struct Awaited(pub(super) Option<NodeId>);

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(voter) => write!(f, "{voter}"),
            None => f.write_str("the leader's own disk"),
        }
    }
}

/// What a node takes part in, with its article.
pub(super) struct MemberName(pub(super) Option<MemberRole>);

impl fmt::Display for MemberName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Some(MemberRole::Voter) => "a voter",
            Some(MemberRole::Learner) => "a learner",
            Some(MemberRole::Witness) => "a witness",
            None => "no member of the configuration in force",
        })
    }
}

/// How long ago a question was asked, if it was.
pub(super) struct Asked(pub(super) Option<Duration>);

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(span) => write!(f, "and has had no answer for {span:?} about"),
            None => f.write_str("and is about to ask about"),
        }
    }
}
