//! Which rare behaviour nodes and their logs are asked for, and how often.

use std::fmt;

use raft_log::rare::Site as LogSite;
use raft_node::rare::Site as NodeSite;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::lot::Lot;
use crate::markers::Marker;

/// A site, and how often it strikes while there are faults.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RarePlan {
    /// Where.
    pub site: RareSite,
    /// In so many of a thousand cases.
    pub per_mille: u32,
}

/// A site of the driver or of the log; in text its name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum RareSite {
    /// In the driver.
    Node(NodeSite),
    /// In the write-ahead log.
    Log(LogSite),
}

impl RareSite {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        let nodes = NodeSite::ALL.iter().copied().map(Self::Node);
        nodes.chain(LogSite::ALL.iter().copied().map(Self::Log))
    }

    /// Its place in [`Self::all`].
    pub(crate) const fn place(self) -> usize {
        match self {
            Self::Node(site) => site as usize,
            Self::Log(site) => NodeSite::ALL.len() + site as usize,
        }
    }

    /// What says that it struck.
    pub(crate) const fn marker(self) -> Marker {
        match self {
            Self::Node(site) => of_node(site),
            Self::Log(site) => of_log(site),
        }
    }

    /// In how many of a thousand cases it may strike at most where it is drawn.
    const fn most_drawn(self) -> u32 {
        match self {
            // Each costs a file, and the files of a world are all kept.
            Self::Log(LogSite::RollEarly) => 10,
            // Copies of what opens a session become entries: a log of thousands of them takes a slow
            // network minutes to catch up with, and no bug is found meanwhile.
            Self::Node(NodeSite::SendAgain) => 6,
            // These take a turn, or letters, that would not have been.
            Self::Node(NodeSite::EarlyDeadline | NodeSite::NoRoom) => 60,
            // Each writes all that there is: with more, a world does little else.
            Self::Node(NodeSite::TakeSnapshot) => 20,
            Self::Node(_) | Self::Log(_) => 300,
        }
    }
}

/// Draws the sites of a world: in some none, in others about half of them.
pub(super) fn draw(lot: &mut Lot) -> Vec<RarePlan> {
    if !lot.chance(WORLDS) {
        return Vec::new();
    }
    let mut drawn = Vec::new();
    for site in RareSite::all() {
        let (chosen, scale) = (lot.chance(500), lot.pick(1, &[3, 10]));
        let per_mille = (site.most_drawn() / scale).max(1);
        if chosen {
            drawn.push(RarePlan { site, per_mille });
        }
    }
    drawn
}

impl fmt::Display for RareSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(site) => write!(f, "{site:?}"),
            Self::Log(site) => write!(f, "{site:?}"),
        }
    }
}

impl Serialize for RareSite {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RareSite {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(SiteVisitor)
    }
}

struct SiteVisitor;

impl Visitor<'_> for SiteVisitor {
    type Value = RareSite;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = RareSite::all().map(|site| site.to_string()).collect();
        write!(f, "a site, one of {}", names.join(", "))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<RareSite, E> {
        RareSite::all()
            .find(|site| site.to_string() == text)
            .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }
}

const fn of_node(site: NodeSite) -> Marker {
    match site {
        NodeSite::EndPoll => Marker::RareEndPoll,
        NodeSite::OneLetter => Marker::RareOneLetter,
        NodeSite::OneDurable => Marker::RareOneDurable,
        NodeSite::LoadLater => Marker::RareLoadLater,
        NodeSite::BatchOfOne => Marker::RareBatchOfOne,
        NodeSite::SendAgain => Marker::RareSendAgain,
        NodeSite::ForwardOne => Marker::RareForwardOne,
        NodeSite::PullLater => Marker::RarePullLater,
        NodeSite::OneWrite => Marker::RareOneWrite,
        NodeSite::OneSend => Marker::RareOneSend,
        NodeSite::NoRoom => Marker::RareNoRoom,
        NodeSite::ApplyOne => Marker::RareApplyOne,
        NodeSite::ApplyLater => Marker::RareApplyLater,
        NodeSite::ReplyLater => Marker::RareReplyLater,
        NodeSite::SettleLater => Marker::RareSettleLater,
        NodeSite::OneStored => Marker::RareOneStored,
        NodeSite::TakeSnapshot => Marker::RareTakeSnapshot,
        NodeSite::EarlyDeadline => Marker::RareEarlyDeadline,
    }
}

const fn of_log(site: LogSite) -> Marker {
    match site {
        LogSite::OneFrame => Marker::RareOneFrame,
        LogSite::SyncApart => Marker::RareSyncApart,
        LogSite::AckLater => Marker::RareAckLater,
        LogSite::RollEarly => Marker::RareRollEarly,
        LogSite::CloseEarly => Marker::RareCloseEarly,
        LogSite::LoadLeast => Marker::RareLoadLeast,
        LogSite::ReadLess => Marker::RareReadLess,
    }
}

/// In how many of a thousand worlds there is any.
const WORLDS: u32 = 400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_site_has_its_own_name_place_and_marker() {
        let mut names = Vec::new();
        for (place, site) in RareSite::all().enumerate() {
            assert_eq!(site.place(), place, "{site}");
            assert_eq!(site.marker().name(), format!("Rare{site}"));
            names.push(site.to_string());
        }
        // Each site has a marker, or nothing compiles: so none is missing.
        let markers = Marker::ALL.iter().map(|marker| marker.name());
        let rare = markers.filter(|name| name.starts_with("Rare"));
        assert_eq!(rare.count(), names.len());
        let text = ron::to_string(&RareSite::all().collect::<Vec<_>>()).unwrap();
        assert!(
            ron::from_str::<Vec<RareSite>>(&text)
                .unwrap()
                .into_iter()
                .eq(RareSite::all())
        );
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn a_site_that_is_not_known_is_told_with_those_that_are() {
        let error = ron::from_str::<RareSite>("\"Ghost\"")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("Ghost") && error.contains("OneFrame"),
            "{error}"
        );
    }

    #[test]
    fn some_worlds_have_none_and_each_site_is_drawn_in_others() {
        let drawn = |seed| draw(&mut Lot::of(seed, &[]));
        assert!((0..50).any(|seed| drawn(seed).is_empty()));
        let all: Vec<_> = (0..200).flat_map(drawn).collect();
        for site in RareSite::all() {
            assert!(all.iter().any(|one| one.site == site), "{site}");
        }
        assert!(all.iter().all(|one| (1..=300).contains(&one.per_mille)));
    }
}
