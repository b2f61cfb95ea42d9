//! What every role does when it is asked for a vote (Figure 2 RequestVote; thesis 9.6).

use crate::common::Common;
use crate::ids::Peer;
use crate::message::{Body, PreVote, PreVoteReply, RequestVote, RequestVoteReply};
use crate::rules::vote;
use crate::trace::EventKind;

/// Answers a request for a vote in the current term or an earlier one. Returns whether the vote
/// was granted.
pub(crate) fn on_request_vote(
    common: &mut Common,
    candidate: Peer,
    term: crate::ids::Term,
    request: RequestVote,
) -> bool {
    let voter = voter(common);
    let asked = vote::Request {
        candidate: candidate.id,
        is_other_life: !common.configuration().admits(candidate),
        term,
        last: request.last,
    };
    let granted = vote::grants(&voter, &asked);
    if granted {
        common.vote_for(candidate);
    } else {
        common.event(
            "F2.RV.1",
            EventKind::VoteRefused {
                candidate: candidate.id,
            },
        );
    }
    // The refusal waits too: it speaks in a term that must not be forgotten.
    common.promise(
        candidate,
        Body::RequestVoteReply(RequestVoteReply { granted }),
    );
    granted
}

/// Answers a question for a vote. `keeps_faith`: this node has a leader it heard lately, or is
/// one, or has promised one to give no vote.
pub(crate) fn on_pre_vote(
    common: &mut Common,
    candidate: Peer,
    term: crate::ids::Term,
    request: PreVote,
    keeps_faith: bool,
) {
    let asked = term.next();
    // [T9.6.8c] Not while a leader is heard; [T9.6.11] and whatever the answer, term and vote stay.
    let granted = !keeps_faith
        && vote::would_grant(
            &voter(common),
            &vote::Request {
                candidate: candidate.id,
                is_other_life: !common.configuration().admits(candidate),
                term: asked,
                last: request.last,
            },
        );
    if !granted {
        common.event(
            "T9.6.8b",
            EventKind::VoteRefused {
                candidate: candidate.id,
            },
        );
    }
    let reply = PreVoteReply {
        attempt: request.attempt,
        asked,
        granted,
    };
    common.say(candidate, Body::PreVoteReply(reply));
}

fn voter(common: &Common) -> vote::Voter {
    vote::Voter {
        term: common.term(),
        vote: common.hard.vote,
        to_other_life: common.hard.to_other_life,
        last: common.measure(),
    }
}
