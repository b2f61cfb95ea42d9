//! Parts of snapshots that nobody has answered: no more of them than the settings allow. Otherwise each
//! follower that hangs could cost its leader a whole snapshot in memory.

use std::collections::BTreeMap;

use raft_core::ids::NodeId;
use raft_core::settings::Settings;

use super::property;
use super::timers::Wrong;
use crate::spy::{Passing, Says, Talk};

/// How many bytes of parts each node has sent to each other since that last said anything of them.
#[derive(Debug, Default)]
pub(crate) struct Parcels {
    unanswered: BTreeMap<(NodeId, NodeId), usize>,
}

impl Parcels {
    /// Looks at what passed in a step of `node`.
    pub(crate) fn step(
        &mut self,
        node: NodeId,
        settings: &Settings,
        passings: &[Passing],
    ) -> Option<Wrong> {
        let mut before = None;
        for passing in passings {
            // A copy sent right behind its original is for the network to bear.
            let copied = before.replace(passing) == Some(passing);
            match passing {
                Passing::Sent(Talk {
                    peer,
                    says: Says::Install { bytes, .. },
                    ..
                }) if *bytes > 0 && !copied => {
                    let sum = self.unanswered.entry((node, *peer)).or_default();
                    *sum = sum.saturating_add(*bytes);
                    let most = settings.max_bytes_in_flight;
                    if *sum > most {
                        let text = format!(
                            "has sent {peer} {sum} bytes of a snapshot without an answer; {most} \
                             may be under way"
                        );
                        return Some((property::IDLE, text));
                    }
                }
                // Who asks what is there begins anew.
                Passing::Sent(Talk {
                    peer,
                    says: Says::Install { bytes: 0, .. },
                    ..
                })
                | Passing::Taken(Talk {
                    peer,
                    says: Says::InstallReply(_),
                    ..
                })
                | Passing::ConnectionLost(peer) => {
                    self.unanswered.remove(&(node, *peer));
                }
                Passing::Sent(_)
                | Passing::Taken(_)
                | Passing::Read
                | Passing::Resumed
                | Passing::Garbled
                | Passing::NamedItself => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use raft_core::ids::{EntryId, Term};

    use super::*;

    fn talk(says: Says) -> Talk {
        Talk {
            peer: NodeId::new(2),
            term: Term::new(1),
            says,
        }
    }

    /// A part of this many bytes, or the question what is there.
    fn part(offset: u64, bytes: usize) -> Passing {
        Passing::Sent(talk(Says::Install {
            last: EntryId::ORIGIN,
            offset,
            bytes,
        }))
    }

    /// Whether these steps of node 1 go too far.
    fn is_wrong(steps: &[&[Passing]]) -> bool {
        let settings = Settings {
            max_bytes_in_flight: 250,
            ..Settings::default()
        };
        let mut parcels = Parcels::default();
        let mut steps = steps.iter();
        steps.any(|step| parcels.step(NodeId::new(1), &settings, step).is_some())
    }

    #[test]
    fn no_more_is_under_way_than_may_be_however_it_is_spread() {
        let parts = [part(0, 100), part(100, 100), part(200, 50), part(250, 1)];
        assert!(!is_wrong(&[&parts[..3]]));
        assert!(is_wrong(&[&parts]));
        assert!(is_wrong(&[
            &parts[..1],
            &parts[1..2],
            &parts[2..3],
            &parts[3..]
        ]));
    }

    #[test]
    fn an_answer_makes_room_and_so_does_the_question_and_a_lost_connection() {
        let (one, two) = (part(0, 200), part(200, 200));
        let answer = Passing::Taken(talk(Says::InstallReply(None)));
        let lost = Passing::ConnectionLost(NodeId::new(2));
        for between in [answer, lost, part(0, 0)] {
            assert!(!is_wrong(&[&[one, between], &[two]]));
        }
        let other = Passing::ConnectionLost(NodeId::new(3));
        for between in [other, Passing::Read] {
            assert!(is_wrong(&[&[one, between], &[two]]));
        }
    }

    #[test]
    fn a_message_may_be_sent_twice() {
        let one = part(0, 200);
        assert!(!is_wrong(&[&[one, one]]));
    }
}
