//! One cluster is founded in a world, and each name in it belongs to one life of a data folder.
//!
//! A node that has a hull takes part: it votes, acknowledges, counts for majorities. So this looks
//! at the moments in which one is opened. All must be of the same cluster, whose founders are those
//! of the first; and under each name only the life that was named there may come, however often it
//! starts. A node whose disk was lost is another life, whatever it may call itself.

use std::collections::BTreeMap;

use raft_core::configuration::Configuration;
use raft_core::ids::{ClusterId, Incarnation, NodeId, Peer};

use super::words;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Lives {
    /// The cluster that there is, and its founders.
    cluster: Option<(ClusterId, Configuration)>,
    /// Which life of its folder had a hull last, as it looks from outside, and what that life calls
    /// itself.
    lives: BTreeMap<NodeId, (Incarnation, Incarnation)>,
}

/// A node that has opened a hull.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Newcomer {
    /// The life of its folder as the world counts it.
    pub(crate) life: Incarnation,
    /// The cluster it takes itself for a member of.
    pub(crate) cluster: ClusterId,
    /// Whether it was not there at the founding.
    pub(crate) joins: bool,
}

impl Lives {
    /// A node has opened a hull; `life` is the life of its folder as the world counts it, `me` what
    /// the node says.
    pub(super) fn opened(
        &mut self,
        newcomer: Newcomer,
        me: Peer,
        configuration: &Configuration,
    ) -> Result<(), String> {
        let Newcomer {
            life,
            cluster,
            joins,
        } = newcomer;
        let first = (cluster, configuration.clone());
        let (known, founders) = self.cluster.get_or_insert(first);
        if *known != cluster {
            return Err(format!(
                "{me:?} is a member of cluster {cluster}, but cluster {known} was founded before"
            ));
        }
        if !joins && !founders.admits(me) {
            let founders = founders.halves().flatten();
            let founders = founders.map(|(id, member)| {
                let founder = Peer::new(*id, member.incarnation);
                format!("{founder:?}")
            });
            return Err(format!(
                "{me:?} takes itself for a member, but the founders are {}",
                words::list(founders)
            ));
        }
        let now = (life, me.incarnation);
        let before = self.lives.insert(me.id, now).unwrap_or(now);
        // Who joins again is added again: as another, and for good.
        let another = joins && before.0 < life && before.1 != me.incarnation;
        match before == now || another {
            true => Ok(()),
            false if before.0 == life => {
                Err(format!("{me:?} was {} before, on the same disk", before.1))
            }
            false => Err(format!(
                "{me:?} lost its disk and comes back as the member that it was before"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(id: u64, incarnation: u128) -> Peer {
        Peer::new(NodeId::new(id), Incarnation::new(incarnation))
    }

    fn founders() -> Configuration {
        Configuration::of_voters([peer(1, 11), peer(2, 22)])
    }

    /// Opens hulls one after the other, each with its life, cluster and peer.
    fn opened(all: &[(u128, u128, Peer)]) -> Result<(), String> {
        let mut lives = Lives::default();
        all.iter().try_for_each(|&(life, cluster, me)| {
            let (life, cluster) = (Incarnation::new(life), ClusterId::new(cluster));
            let newcomer = Newcomer {
                life,
                cluster,
                joins: false,
            };
            lives.opened(newcomer, me, &founders())
        })
    }

    #[test]
    fn founders_may_come_back_as_often_as_they_like() {
        let all = [
            (1, 7, peer(1, 11)),
            (2, 7, peer(2, 22)),
            (1, 7, peer(1, 11)),
        ];
        assert_eq!(opened(&all), Ok(()));
    }

    #[test]
    fn there_is_one_cluster() {
        assert!(opened(&[(1, 7, peer(1, 11)), (2, 8, peer(2, 22))]).is_err());
    }

    #[test]
    fn who_was_not_named_is_a_stranger() {
        assert!(opened(&[(1, 7, peer(1, 11)), (2, 7, peer(2, 23))]).is_err());
    }

    #[test]
    fn who_lost_its_disk_may_join_as_another_and_as_nobody_it_was() {
        for (life, own, verdict) in [(5, 12, true), (5, 11, false), (1, 12, false), (1, 11, true)] {
            let mut lives = Lives::default();
            let mut open = |life, me, joins| {
                let newcomer = Newcomer {
                    life: Incarnation::new(life),
                    cluster: ClusterId::new(7),
                    joins,
                };
                lives.opened(newcomer, me, &founders())
            };
            assert_eq!(open(1, peer(1, 11), false), Ok(()));
            let again = open(life, peer(1, own), true);
            assert_eq!(again.is_ok(), verdict, "{life} {own}: {again:?}");
            if life == 5 && verdict {
                assert!(open(1, peer(1, 11), false).is_err(), "the old life is over");
            }
        }
    }

    #[test]
    fn a_lost_disk_makes_another_life_whatever_it_calls_itself() {
        assert!(opened(&[(1, 7, peer(1, 11)), (3, 7, peer(1, 11))]).is_err());
    }
}
