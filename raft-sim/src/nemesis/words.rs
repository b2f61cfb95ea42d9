//! Faults in words, for stories and pictures.

use raft_core::ids::NodeId;

use super::{DiskFault, Fault, Loss, Shape, Target};
use crate::network::KINDS;
use crate::plan::span::short;

impl Fault {
    /// What it does, in a world of so many nodes. Who gave it its occasion is "it": whoever prints
    /// this names that node beside it.
    pub(crate) fn in_words(&self, nodes: usize) -> String {
        let who = |target: &Target| target.in_words(nodes);
        match self {
            Self::Crash {
                target,
                loss,
                down,
                rot,
            } => {
                let rot = if *rot { ", and a bit of it flips" } else { "" };
                let (who, disk) = (who(target), loss.in_words());
                format!("{who} crashes for {}; its disk {disk}{rot}", short(*down))
            }
            Self::Wipe { target, down, .. } => {
                let who = who(target);
                format!("{who} crashes for {} and loses its disk", short(*down))
            }
            Self::OtherBuild {
                target,
                newer,
                down,
                lasts,
            } => {
                let build = if *newer { "a later" } else { "an earlier" };
                let (who, down, lasts) = (who(target), short(*down), short(*lasts));
                format!("{who} stops for {down} and is {build} build for {lasts}")
            }
            Self::Blackout { loss, down } => {
                let disks = loss.in_words();
                format!("all crash for {} or more; each disk {disks}", short(*down))
            }
            Self::Pause { target, lasts } => {
                format!("{} stands still for {}", who(target), short(*lasts))
            }
            Self::Slow { target, lasts, by } => {
                let (who, by) = (who(target), short(*by));
                format!("{who} reacts up to {by} late for {}", short(*lasts))
            }
            Self::FalseLoss { target } => {
                format!("the others take {} for unreachable", who(target))
            }
            Self::HandOver { .. } | Self::Reconfigure { .. } | Self::CancelChange { .. } => {
                self.of_operator(nodes)
            }
            Self::Stall { .. } | Self::DiskError { .. } | Self::Jump { .. } | Self::Rate { .. } => {
                self.of_machine(nodes)
            }
            Self::Cut { .. } | Self::Gag { .. } | Self::Storm { .. } | Self::Namesake { .. } => {
                self.of_network(nodes)
            }
        }
    }

    /// What a node is asked to do.
    fn of_operator(&self, nodes: usize) -> String {
        match self {
            Self::HandOver { target, .. } => {
                format!(
                    "{} is asked to hand over leadership",
                    target.in_words(nodes)
                )
            }
            Self::Reconfigure {
                target,
                voters,
                learners,
            } => {
                let (who, voters) = (target.in_words(nodes), names(*voters, nodes));
                let learners = match learners {
                    0 => String::new(),
                    some => format!(", and {} learners", names(*some, nodes)),
                };
                format!("{who} is asked to make {voters} the voters{learners}")
            }
            Self::CancelChange { target } => {
                let who = target.in_words(nodes);
                format!("{who} is asked to give up the change of members")
            }
            _ => String::new(),
        }
    }

    /// What it does to a disk or to a clock.
    fn of_machine(&self, nodes: usize) -> String {
        let whose = |target: &Target| target.in_words(nodes);
        match self {
            Self::Stall { target, lasts } => {
                let whose = whose(target);
                format!("the disk of {whose} answers nothing for {}", short(*lasts))
            }
            Self::DiskError { target, kind, down } => {
                let (whose, what, down) = (whose(target), kind.in_words(), short(*down));
                format!("the disk of {whose} {what} next time; the node is down {down} for it")
            }
            Self::Jump { target, by } => {
                format!("the clock of {} jumps {} ahead", whose(target), short(*by))
            }
            Self::Rate {
                target,
                per_mille,
                lasts,
            } => {
                let (whose, lasts) = (whose(target), short(*lasts));
                format!("the clock of {whose} shows {per_mille}ms in each second for {lasts}")
            }
            _ => String::new(),
        }
    }

    /// What it does to links or to what is sent on them.
    fn of_network(&self, nodes: usize) -> String {
        match self {
            Self::Cut {
                shape,
                lasts,
                held,
                flap,
            } => {
                let flap = flap.map_or_else(String::new, |each| {
                    format!(", off and on for {} each", short(each))
                });
                let held = if *held { "; letters are held back" } else { "" };
                let shape = shape.in_words(nodes);
                format!("{shape} for {}{flap}{held}", short(*lasts))
            }
            Self::Gag {
                target,
                kind,
                lasts,
            } => {
                let kind = KINDS.get(usize::from(*kind)).copied();
                let (kind, lasts) = (kind.unwrap_or("letter"), short(*lasts));
                let of = target.map_or_else(String::new, |target| {
                    format!(" of {}", target.in_words(nodes))
                });
                format!("each {kind}{of} is lost for {lasts}")
            }
            Self::Storm {
                drop_per_mille,
                late,
                lasts,
            } => {
                let (late, lasts) = (short(*late), short(*lasts));
                format!(
                    "{drop_per_mille} of 1000 letters are lost, others up to {late} late, for {lasts}"
                )
            }
            Self::Namesake {
                per_mille,
                copied,
                lasts,
            } => {
                let (lasts, lives) = (short(*lasts), if *copied { " and lives" } else { "" });
                format!(
                    "for {per_mille} of 1000 letters one comes from a cluster of the same names{lives}, for {lasts}"
                )
            }
            _ => String::new(),
        }
    }
}

impl Target {
    fn in_words(self, nodes: usize) -> String {
        match self {
            Self::Node(number) => name(usize::from(number) % nodes.max(1)),
            Self::Cause => "it".to_owned(),
            Self::Leader => "the leader".to_owned(),
            Self::Follower(_) => "a follower".to_owned(),
        }
    }
}

impl Loss {
    const fn in_words(self) -> &'static str {
        match self {
            Self::Process => "keeps all that was written",
            Self::All => "keeps what was synced alone",
            Self::Some => "keeps some of what was not synced",
            Self::Torn => "keeps some of what was not synced, and parts of it",
        }
    }
}

impl DiskFault {
    const fn in_words(self) -> &'static str {
        match self {
            Self::Sync => "fails to sync",
            Self::Write => "writes a part and fails",
            Self::Full => "is full",
            Self::Read => "fails to read",
            Self::Create => "fails to create a file",
            Self::Remove => "fails to remove a file",
            Self::Length => "fails to change a file's length",
            Self::Folder => "fails to sync its folder",
            Self::List => "fails to list its folder",
            Self::Lock => "fails to lock its folder",
        }
    }
}

impl Shape {
    fn in_words(&self, nodes: usize) -> String {
        let who = |target: &Target| target.in_words(nodes);
        match self {
            Self::Isolate(target) => format!("{} is cut off", who(target)),
            Self::Mute(target) => format!("nobody hears {}", who(target)),
            Self::Deafen(target) => format!("{} hears nobody", who(target)),
            Self::Split(set) => format!("{} are cut off from the others", names(*set, nodes)),
            Self::OneWay(set) => format!("the others do not hear {}", names(*set, nodes)),
            Self::Bridge(set, target) => {
                let (set, bridge) = (names(*set, nodes), who(target));
                format!("{set} reach the others through {bridge} alone")
            }
            Self::Link(target) => {
                format!(
                    "{} and the node after it do not hear each other",
                    who(target)
                )
            }
            Self::Ring => "only neighbours in a ring hear each other".to_owned(),
            Self::With(target, _) => {
                format!("{} and one other are cut off from the others", who(target))
            }
            Self::From(target, _) => format!("{} does not hear one of the others", who(target)),
            Self::Chain => "only neighbours in a line hear each other".to_owned(),
            Self::Star(target) => format!("all hear {} alone", who(target)),
            Self::Majorities => "each hears a majority around itself alone".to_owned(),
        }
    }
}

/// The nodes of a set of bits.
fn names(set: u8, nodes: usize) -> String {
    let within = |node: &usize| {
        u32::try_from(*node).is_ok_and(|bit| set.checked_shr(bit).unwrap_or(0) & 1 == 1)
    };
    let names: Vec<String> = (0..nodes).filter(within).map(name).collect();
    match names.as_slice() {
        [] => "none".to_owned(),
        some => some.join(" "),
    }
}

fn name(number: usize) -> String {
    NodeId::new(number as u64 + 1).to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn faults_are_told_without_names_of_the_code() {
        let second = Duration::from_secs(1);
        let cases = [
            (
                Fault::Crash {
                    target: Target::Cause,
                    loss: Loss::All,
                    down: Duration::from_micros(916_575),
                    rot: true,
                },
                "it crashes for 916ms; its disk keeps what was synced alone, and a bit of it flips",
            ),
            (
                Fault::Cut {
                    shape: Shape::Split(0b1000_0101),
                    lasts: second,
                    held: true,
                    flap: Some(Duration::from_millis(50)),
                },
                "n1 n3 are cut off from the others for 1s, off and on for 50ms each; letters are \
                 held back",
            ),
            (
                Fault::Gag {
                    target: Some(Target::Node(7)),
                    kind: 3,
                    lasts: second,
                },
                "each RequestVote of n3 is lost for 1s",
            ),
            (
                Fault::DiskError {
                    target: Target::Leader,
                    kind: DiskFault::Full,
                    down: second,
                },
                "the disk of the leader is full next time; the node is down 1s for it",
            ),
            (
                Fault::Rate {
                    target: Target::Follower(1),
                    per_mille: 5960,
                    lasts: second,
                },
                "the clock of a follower shows 5960ms in each second for 1s",
            ),
        ];
        for (fault, words) in cases {
            assert_eq!(fault.in_words(5), words);
        }
    }

    #[test]
    fn each_fault_that_is_drawn_has_its_words() {
        let plans =
            (0..200).map(|seed| crate::plan::Plan::draw(seed, &crate::plan::Swarm::default()));
        for planned in plans.flat_map(|plan| plan.faults) {
            let words = planned.fault.in_words(3);
            assert!(words.len() > 10, "{:?}", planned.fault);
            assert!(!words.contains(['{', '(']), "{words}");
        }
    }
}
