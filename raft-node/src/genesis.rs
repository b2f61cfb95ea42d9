//! How a cluster is founded: the founders agree, once, on who they are.
//!
//! Each founder has drawn an incarnation when its data folder was created. They tell each other.
//! The one with the lowest id, when it has heard from all, writes the genesis record and keeps it;
//! every other founder keeps the first record that it is offered, if that names its own life.
//! *Keeping* is durable and final. A founder goes on to *founded*, and only then to voting, when
//! it knows that every founder keeps the same record; otherwise a founder wiped too early could
//! found a second cluster with one that had kept nothing yet.
//!
//! One kind of letter does all of this: [`News`], which says what its sender keeps durably. It
//! may be lost, doubled and late. A founder whose disk was wiped is told so; records that differ
//! end the founding with an error that says what to delete.
//!
//! A node that joins later asks members until one that knows it as a member answers, and then keeps
//! the record as founded: it takes part in nothing before. What it lacks beside the record stands in
//! the log.
//!
//! This is a pure state machine: letters and time in; letters and bytes to keep out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use raft_core::configuration::{Configuration, Member, MemberRole};
use raft_core::ids::{ClusterId, NodeId, Peer};
use raft_core::time::Time;

use bytes::Bytes;

use crate::codec::PayloadCodec;
use crate::identity::{GenesisRecord, Identity, SharedSettings, Stage};
use crate::letter::News;
use crate::status::Rejection;

/// One founder's part in the founding of its cluster; afterwards what it answers latecomers.
///
/// - The stage only moves on, and what is told of it is durable.
/// - A record once kept is never replaced.
#[derive(Debug)]
pub struct Genesis {
    identity: Identity,
    terms: FoundingTerms,
    /// The stage that is being made durable.
    writing: Option<Stage>,
    /// Whether the bytes of `writing` (or of a new identity) have yet to be handed out.
    unwritten: bool,
    heard: BTreeMap<NodeId, Heard>,
    /// Whom to send news to, and whether to ask for an answer.
    due: BTreeMap<NodeId, bool>,
    next_round: Time,
}

/// What this founder was told to found: the same on every founder.
#[derive(Clone, Debug)]
pub struct FoundingTerms {
    /// The founding members with their addresses; for a node that joins, members it asks.
    pub members: BTreeMap<NodeId, String>,
    /// Whether this node joins a cluster that others have founded.
    pub joins: bool,
    /// Which of the founders are witnesses.
    pub witnesses: BTreeSet<NodeId>,
    /// The codec of commands and replies.
    pub payload_codec: PayloadCodec,
    /// What all members must agree on; only the record's writer has a say.
    pub shared: SharedSettings,
    /// The cluster's name, should this founder write the record. Drawn at random.
    pub cluster: ClusterId,
    /// How often to tell the news while others are missing.
    pub interval: Duration,
}

/// What is known of another founder.
#[derive(Clone, Copy, Debug)]
struct Heard {
    peer: Peer,
    /// It has heard from this very life of ours, so its letter is no leftover of another founding.
    knows_me: bool,
    /// It keeps the record that we keep.
    keeps_mine: bool,
}

impl Genesis {
    /// Begins the founding, in a folder just created.
    pub fn born(me: Peer, terms: FoundingTerms) -> Self {
        let identity = Identity {
            me,
            stage: Stage::Born,
        };
        let mut genesis = Self::resumed(identity, terms);
        // Nobody may hear of an incarnation that a crash could take back.
        genesis.writing = Some(Stage::Born);
        genesis.unwritten = true;
        genesis
    }

    /// Goes on where this folder's identity says.
    pub const fn resumed(identity: Identity, terms: FoundingTerms) -> Self {
        Self {
            identity,
            terms,
            writing: None,
            unwritten: false,
            heard: BTreeMap::new(),
            due: BTreeMap::new(),
            next_round: Time::ZERO,
        }
    }

    /// Takes in what another founder tells.
    ///
    /// # Errors
    ///
    /// The founders can't agree, and waiting won't change that. `Ok(Some(_))` says why the news
    /// was not used.
    pub fn on_news(&mut self, from: Peer, news: &News) -> Result<Option<Rejection>, GenesisFault> {
        if from.id == self.identity.me.id {
            return Ok(Some(Rejection::NotForMe));
        }
        if !self.founders().any(|id| id == from.id) {
            return Ok(Some(Rejection::Stranger));
        }
        let knows_me = news.to == Some(self.identity.me);
        let known = self.heard.get(&from.id).filter(|known| known.peer == from);
        let heard = Heard {
            peer: from,
            knows_me: knows_me || known.is_some_and(|known| known.knows_me),
            keeps_mine: known.is_some_and(|known| known.keeps_mine),
        };
        self.heard.insert(from.id, heard);
        if news.wants_answer {
            self.due.entry(from.id).or_insert(false);
        }
        let rejection = match &news.keeps {
            Some(offered) => self.on_offer(from, offered, news.founded, knows_me)?,
            None => None,
        };
        self.advance();
        Ok(rejection)
    }

    /// A member that is no founder asks how the cluster began.
    pub fn on_question(&mut self, from: Peer, news: &News) {
        if news.wants_answer && self.identity.stage.is_founded() {
            let heard = Heard {
                peer: from,
                knows_me: false,
                keeps_mine: false,
            };
            self.heard.insert(from.id, heard);
            self.due.entry(from.id).or_insert(false);
        }
    }

    /// A node speaks to this life of a node that joins, and so knows it as a member: it can tell how
    /// the cluster began, also if nobody had said that it is one.
    pub fn on_called(&mut self, by: NodeId) {
        let members = &self.terms.members;
        let room = members.contains_key(&by) || members.len() < MAX_ASKED;
        if self.is_joining() && by != self.identity.me.id && room {
            self.terms.members.entry(by).or_default();
            self.due.insert(by, true);
        }
    }

    /// Takes in that time has passed.
    pub fn on_time(&mut self, now: Time) {
        if self.deadline().is_some_and(|deadline| deadline <= now) {
            self.next_round = now.after(self.terms.interval);
            self.tell_all();
        }
        self.advance();
    }

    /// What was handed out by [`Genesis::next_identity`] is durable.
    pub fn on_durable(&mut self) {
        if let Some(stage) = self.writing.take() {
            self.identity.stage = stage;
            if self.is_founder() || self.is_joining() {
                self.tell_all();
            } else {
                // Who has joined has nothing more to ask, and nothing to tell.
                self.due.clear();
            }
        }
        self.advance();
    }

    /// The identity to make durable next, if any; answer with [`Genesis::on_durable`].
    pub fn next_identity(&mut self) -> Option<Bytes> {
        if !core::mem::take(&mut self.unwritten) {
            return None;
        }
        let stage = self.writing.clone()?;
        let me = self.identity.me;
        Some(Identity { me, stage }.encode())
    }

    /// The next letter to send.
    pub fn next_letter(&mut self) -> Option<(NodeId, News)> {
        if self.is_unborn() {
            return None;
        }
        let (to, wants_answer) = self.due.pop_first()?;
        let news = News {
            to: self.heard.get(&to).map(|heard| heard.peer),
            keeps: self.identity.stage.record().map(GenesisRecord::encode),
            founded: self.identity.stage.is_founded(),
            wants_answer,
        };
        Some((to, news))
    }

    /// When to come back with [`Genesis::on_time`].
    pub fn deadline(&self) -> Option<Time> {
        let idle = self.identity.stage.is_founded() || self.is_unborn();
        (!idle).then_some(self.next_round)
    }

    /// The record, once every founder is known to keep it.
    pub const fn founded(&self) -> Option<&GenesisRecord> {
        match &self.identity.stage {
            Stage::Founded(record) => Some(record),
            Stage::Born | Stage::Keeps(_) => None,
        }
    }

    /// This node in the life of its folder.
    pub const fn me(&self) -> Peer {
        self.identity.me
    }

    /// Whether a new folder's identity is not durable yet.
    pub fn is_unborn(&self) -> bool {
        self.writing == Some(Stage::Born)
    }

    /// Whether this node waits to be told how the cluster that it joins began.
    pub fn is_joining(&self) -> bool {
        self.terms.joins && self.identity.stage.record().is_none()
    }

    /// Whether a node of this name was there at the founding, or is to be.
    pub fn has_founder(&self, id: NodeId) -> bool {
        self.founders().any(|founder| founder == id)
    }

    /// Founders that have not been heard of, or not said yet that they keep the record.
    pub fn missing(&self) -> Vec<NodeId> {
        let record = self.identity.stage.record();
        let ready = |heard: &Heard| match record {
            Some(_) => heard.keeps_mine,
            None => heard.knows_me,
        };
        self.others()
            .filter(|id| !self.heard.get(id).is_some_and(ready))
            .collect()
    }

    fn on_offer(
        &mut self,
        from: Peer,
        offered: &[u8],
        founded: bool,
        knows_me: bool,
    ) -> Result<Option<Rejection>, GenesisFault> {
        let Ok(offered) = GenesisRecord::decode(offered) else {
            return Ok(Some(Rejection::Malformed));
        };
        // Who joins may ask a member that joined before it.
        if !offered.founders.admits(from) && !self.is_joining() {
            return Ok(Some(Rejection::Stranger));
        }
        match self.identity.stage.record() {
            Some(mine) if *mine == offered => self.on_agreement(from.id, founded),
            Some(mine) => {
                let fault = GenesisFault::RecordsDiffer {
                    by: from.id,
                    mine: mine.cluster,
                    theirs: offered.cluster,
                    founders: self.founders().collect(),
                };
                // Once founded, nothing another node says can undo it.
                return self.unless_leftover(knows_me && !self.identity.stage.is_founded(), fault);
            }
            None if self.is_joining() && !offered.founders.admits(self.identity.me) => {
                return self.on_invitation(from, offered, founded && knows_me);
            }
            None => return self.on_first_offer(from, offered, knows_me),
        }
        Ok(None)
    }

    /// A member tells a node that joins how its cluster began.
    fn on_invitation(
        &mut self,
        from: Peer,
        offered: GenesisRecord,
        certain: bool,
    ) -> Result<Option<Rejection>, GenesisFault> {
        if offered.payload_codec != self.terms.payload_codec {
            let fault = GenesisFault::PayloadCodecsDiffer {
                by: from.id,
                theirs: offered.payload_codec,
                mine: self.terms.payload_codec,
            };
            return self.unless_leftover(certain, fault);
        }
        // A record that not every founder is known to keep may never found anything.
        if !certain {
            return Ok(Some(Rejection::OtherRecord));
        }
        if self.writing.is_none() {
            self.write(Stage::Founded(offered));
        }
        Ok(None)
    }

    fn on_first_offer(
        &mut self,
        from: Peer,
        offered: GenesisRecord,
        knows_me: bool,
    ) -> Result<Option<Rejection>, GenesisFault> {
        let by = from.id;
        if !offered
            .founders
            .ids()
            .into_iter()
            .eq(self.terms.members.keys().copied())
        {
            let fault = GenesisFault::MembersDiffer {
                by,
                theirs: offered.founders.ids().into_iter().collect(),
                mine: self.terms.members.keys().copied().collect(),
            };
            return self.unless_leftover(knows_me, fault);
        }
        if offered.payload_codec != self.terms.payload_codec {
            let fault = GenesisFault::PayloadCodecsDiffer {
                by,
                theirs: offered.payload_codec,
                mine: self.terms.payload_codec,
            };
            return self.unless_leftover(knows_me, fault);
        }
        let theirs = witnesses_of(&offered);
        if theirs != self.terms.witnesses {
            let fault = GenesisFault::WitnessesDiffer {
                by,
                theirs,
                mine: self.terms.witnesses.clone(),
            };
            return self.unless_leftover(knows_me, fault);
        }
        if !offered.founders.admits(self.identity.me) {
            let fault = GenesisFault::Wiped {
                me: self.identity.me.id,
                by,
                cluster: offered.cluster,
            };
            return self.unless_leftover(knows_me, fault);
        }
        if self.writing.is_none() {
            self.write(Stage::Keeps(offered));
        }
        Ok(None)
    }

    /// Only a founder that has heard from this very life can end the founding: a letter may be
    /// left over from another one.
    fn unless_leftover(
        &self,
        certain: bool,
        fault: GenesisFault,
    ) -> Result<Option<Rejection>, GenesisFault> {
        if certain {
            Err(fault)
        } else {
            Ok(Some(Rejection::OtherRecord))
        }
    }

    fn on_agreement(&mut self, from: NodeId, founded: bool) {
        for (id, heard) in &mut self.heard {
            heard.keeps_mine |= founded || *id == from;
        }
        if founded {
            self.complete();
        }
    }

    /// Does what has become possible.
    fn advance(&mut self) {
        if self.writing.is_some() {
            return;
        }
        match &self.identity.stage {
            Stage::Born if self.writes_the_record() && self.missing().is_empty() => {
                let record = self.new_record();
                self.write(Stage::Keeps(record));
            }
            Stage::Keeps(_) if self.missing().is_empty() => self.complete(),
            Stage::Born | Stage::Keeps(_) | Stage::Founded(_) => {}
        }
    }

    fn complete(&mut self) {
        if let (Stage::Keeps(record), None) = (&self.identity.stage, &self.writing) {
            let record = record.clone();
            self.write(Stage::Founded(record));
        }
    }

    fn write(&mut self, stage: Stage) {
        self.writing = Some(stage);
        self.unwritten = true;
    }

    fn tell_all(&mut self) {
        let asks = !self.identity.stage.is_founded();
        let others: Vec<NodeId> = self.others().collect();
        for id in others {
            self.due.insert(id, asks);
        }
    }

    fn writes_the_record(&self) -> bool {
        let first = self.terms.members.keys().next();
        first == Some(&self.identity.me.id) && !self.terms.joins
    }

    fn is_founder(&self) -> bool {
        let record = self.identity.stage.record();
        record.map_or(!self.terms.joins, |record| {
            record.founders.admits(self.identity.me)
        })
    }

    fn new_record(&self) -> GenesisRecord {
        let peers = self.heard.values().map(|heard| heard.peer);
        let founders = peers.chain([self.identity.me]).map(|peer| {
            let address = self.terms.members.get(&peer.id).cloned();
            let role = match self.terms.witnesses.contains(&peer.id) {
                true => MemberRole::Witness,
                false => MemberRole::Voter,
            };
            let member = Member {
                role,
                address: address.unwrap_or_default(),
                ..Member::voter(peer.incarnation)
            };
            (peer.id, member)
        });
        GenesisRecord {
            cluster: self.terms.cluster,
            payload_codec: self.terms.payload_codec,
            shared: self.terms.shared,
            founders: Configuration::new(founders),
        }
    }

    fn founders(&self) -> impl Iterator<Item = NodeId> {
        let record = self.identity.stage.record();
        let kept = record.into_iter().flat_map(|record| record.founders.ids());
        let told = self.terms.members.keys().copied();
        kept.chain(told.filter(move |_| record.is_none()))
    }

    fn others(&self) -> impl Iterator<Item = NodeId> {
        self.founders().filter(|id| *id != self.identity.me.id)
    }
}

fn witnesses_of(record: &GenesisRecord) -> BTreeSet<NodeId> {
    let ids = record.founders.ids().into_iter();
    ids.filter(|id| record.founders.is_witness(*id)).collect()
}

/// Why the founders can't agree. Nothing was decided in the cluster that was to be founded.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum GenesisFault {
    /// Another founder keeps a record that names another life of this node.
    #[error(
        "{by} keeps the genesis record of cluster {cluster}, which names another life of {me}: \
         the data folder of {me} was wiped or replaced. Add it as a new member; or, if the \
         cluster never ran, delete the data folders of all founders and start again"
    )]
    Wiped {
        /// This node.
        me: NodeId,
        /// Who keeps the record.
        by: NodeId,
        /// Its cluster.
        cluster: ClusterId,
    },
    /// Two founders keep different records.
    #[error(
        "{by} keeps the genesis record of cluster {theirs}, this node that of cluster {mine}: \
         stop the founders {founders:?}, delete the data folders of those that belong together \
         and hold nothing, and start again"
    )]
    RecordsDiffer {
        /// Who keeps the other record.
        by: NodeId,
        /// This node's cluster.
        mine: ClusterId,
        /// The other's.
        theirs: ClusterId,
        /// All founders.
        founders: Vec<NodeId>,
    },
    /// The founders were started with different lists of members.
    #[error("{by} founds with the members {theirs:?}, this node was started with {mine:?}")]
    MembersDiffer {
        /// Who founds with another list.
        by: NodeId,
        /// Its list.
        theirs: Vec<NodeId>,
        /// This node's list.
        mine: Vec<NodeId>,
    },
    /// The founders were started with different witnesses.
    #[error("{by} founds with the witnesses {theirs:?}, this node was started with {mine:?}")]
    WitnessesDiffer {
        /// Who founds with others.
        by: NodeId,
        /// Its witnesses.
        theirs: BTreeSet<NodeId>,
        /// This node's.
        mine: BTreeSet<NodeId>,
    },
    /// The founders were started with different payload codecs.
    #[error("{by} founds with payloads in {theirs}, this node was started with {mine}")]
    PayloadCodecsDiffer {
        /// Who founds with another codec.
        by: NodeId,
        /// Its codec.
        theirs: PayloadCodec,
        /// This node's codec.
        mine: PayloadCodec,
    },
}

/// As many nodes may be asked how the cluster began: more members than one has.
const MAX_ASKED: usize = 256;

#[cfg(test)]
mod tests;
