//! The founding: three pure state machines, every letter and every write by hand.

use std::collections::BTreeSet;

use raft_core::ids::Incarnation;

use super::*;

const INTERVAL: Duration = Duration::from_millis(100);

/// Founders and their disks. A write is durable when the test says so.
struct Founding {
    founders: BTreeMap<u64, Genesis>,
    disks: BTreeMap<u64, Bytes>,
    written: BTreeMap<u64, Bytes>,
    lives: u128,
    now: Time,
}

fn terms(ids: &[u64], lives: u128) -> FoundingTerms {
    let address = |id: &u64| (NodeId::new(*id), format!("host{id}"));
    FoundingTerms {
        joins: false,
        witnesses: BTreeSet::new(),
        members: ids.iter().map(address).collect(),
        payload_codec: PayloadCodec::Postcard,
        shared: SharedSettings::default(),
        cluster: ClusterId::new(lives),
        interval: INTERVAL,
    }
}

impl Founding {
    fn of_three() -> Self {
        let mut founding = Self {
            founders: BTreeMap::new(),
            disks: BTreeMap::new(),
            written: BTreeMap::new(),
            lives: 0,
            now: Time::ZERO,
        };
        for id in [1, 2, 3] {
            founding.start(id);
        }
        founding
    }

    /// Starts a founder from its disk, losing what was not durable.
    fn start(&mut self, id: u64) {
        self.lives += 1;
        let terms = terms(&[1, 2, 3], self.lives);
        self.written.remove(&id);
        let genesis = match self.disks.get(&id) {
            Some(disk) => Genesis::resumed(Identity::decode(disk).unwrap(), terms),
            None => {
                let incarnation = Incarnation::new(self.lives);
                Genesis::born(Peer::new(NodeId::new(id), incarnation), terms)
            }
        };
        self.founders.insert(id, genesis);
    }

    fn wipe(&mut self, id: u64) {
        self.disks.remove(&id);
        self.start(id);
    }

    /// Writes begin; whether a founder wants anything written that is not durable yet.
    fn write(&mut self, id: u64) -> bool {
        let founder = self.founders.get_mut(&id).unwrap();
        if let Some(identity) = founder.next_identity() {
            self.written.insert(id, identity);
        }
        self.written.contains_key(&id)
    }

    fn sync(&mut self, id: u64) {
        self.write(id);
        if let Some(identity) = self.written.remove(&id) {
            self.disks.insert(id, identity);
            self.founders.get_mut(&id).unwrap().on_durable();
        }
    }

    /// The letters a founder has to send.
    fn letters(&mut self, id: u64) -> Vec<(u64, Peer, News)> {
        let founder = self.founders.get_mut(&id).unwrap();
        let from = founder.me();
        std::iter::from_fn(|| founder.next_letter())
            .map(|(to, news)| (to.get(), from, news))
            .collect()
    }

    fn deliver(&mut self, letter: &(u64, Peer, News)) -> Result<Option<Rejection>, GenesisFault> {
        let (to, from, news) = letter;
        match self.founders.get_mut(to) {
            Some(founder) => founder.on_news(*from, news),
            None => Ok(None),
        }
    }

    /// One round among three in which the letters that `lost` names never arrive.
    fn round_losing(&mut self, lost: impl Fn(&Self, &(u64, Peer, News)) -> bool) {
        self.now = self.now.after(INTERVAL);
        for id in [1, 2, 3] {
            self.founders.get_mut(&id).unwrap().on_time(self.now);
            self.sync(id);
            for letter in self.letters(id) {
                if !lost(self, &letter) {
                    self.deliver(&letter).unwrap();
                }
            }
        }
    }

    /// One interval in which everything arrives, `copies` times, and everything becomes durable.
    fn round(&mut self, copies: usize) -> Result<(), GenesisFault> {
        self.now = self.now.after(INTERVAL);
        let ids: Vec<u64> = self.founders.keys().copied().collect();
        for id in &ids {
            self.founders.get_mut(id).unwrap().on_time(self.now);
        }
        for _ in 0..6 {
            for id in &ids {
                self.sync(*id);
                for letter in self.letters(*id) {
                    for _ in 0..copies {
                        self.deliver(&letter)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn founded(&self) -> Vec<Option<GenesisRecord>> {
        let founders = self.founders.values();
        founders.map(|founder| founder.founded().cloned()).collect()
    }

    fn assert_one_cluster(&self) {
        let founded = self.founded();
        let first = founded[0].clone().expect("the first has not founded");
        assert!(
            founded.iter().all(|record| record.as_ref() == Some(&first)),
            "{founded:?}"
        );
        for founder in self.founders.values() {
            assert!(first.founders.admits(founder.me()));
        }
    }
}

#[test]
fn three_founders_keep_one_record() {
    let mut founding = Founding::of_three();
    founding.round(1).unwrap();
    founding.assert_one_cluster();
    let record = founding.founded()[0].clone().unwrap();
    let member = record.founders.member(NodeId::new(2)).unwrap();
    assert_eq!(member.address, "host2");
    assert_eq!(founding.founders[&1].deadline(), None, "nothing left to do");
}

#[test]
fn nothing_is_told_of_a_life_that_a_crash_could_take_back() {
    let mut founding = Founding::of_three();
    founding
        .founders
        .get_mut(&1)
        .unwrap()
        .on_time(Time::from_millis(1_000));
    assert!(founding.write(1));
    assert_eq!(founding.letters(1), []);
    founding.sync(1);
    assert_eq!(founding.letters(1).len(), 2);
}

#[test]
fn a_restart_at_every_point_changes_nothing() {
    // The founders take steps in turn; before step `at` one of them is restarted.
    for crashed in [1, 2, 3] {
        for at in 0..60 {
            let mut founding = Founding::of_three();
            let mut step = 0;
            for _ in 0..8 {
                founding.now = founding.now.after(INTERVAL);
                for id in [1, 2, 3] {
                    let now = founding.now;
                    founding.founders.get_mut(&id).unwrap().on_time(now);
                    for part in 0..2 {
                        if step == at {
                            founding.start(crashed);
                        }
                        step += 1;
                        if part == 0 {
                            founding.sync(id);
                            continue;
                        }
                        for letter in founding.letters(id) {
                            founding.deliver(&letter).unwrap();
                        }
                    }
                }
            }
            founding.assert_one_cluster();
        }
    }
}

#[test]
fn lost_letters_are_made_good_and_doubled_ones_do_no_harm() {
    for lost in 0..12 {
        let mut founding = Founding::of_three();
        let mut sent = 0;
        for _ in 0..3 {
            founding.now = founding.now.after(INTERVAL);
            for id in [1, 2, 3] {
                let now = founding.now;
                founding.founders.get_mut(&id).unwrap().on_time(now);
                founding.sync(id);
                for letter in founding.letters(id) {
                    sent += 1;
                    if sent != lost {
                        founding.deliver(&letter).unwrap();
                        founding.deliver(&letter).unwrap();
                    }
                }
            }
        }
        founding.round(2).unwrap();
        founding.assert_one_cluster();
    }
}

#[test]
fn nobody_has_founded_before_everyone_keeps() {
    let mut founding = Founding::of_three();
    founding.now = founding.now.after(INTERVAL);
    // Node 3 keeps nothing: its disk never finishes a second write.
    for round in 0..10 {
        founding.now = founding.now.after(INTERVAL);
        for id in [1, 2, 3] {
            let now = founding.now;
            founding.founders.get_mut(&id).unwrap().on_time(now);
            if id != 3 || round == 0 {
                founding.sync(id);
            }
            for letter in founding.letters(id) {
                founding.deliver(&letter).unwrap();
            }
        }
    }
    assert_eq!(founding.founded(), [None, None, None]);
    assert_eq!(founding.founders[&1].missing(), [NodeId::new(3)]);
    founding.round(1).unwrap();
    founding.assert_one_cluster();
}

#[test]
fn a_founder_that_comes_late_is_told_by_those_who_have_founded() {
    let mut founding = Founding::of_three();
    // Node 3 keeps, but hears from nobody afterwards until the others have founded.
    for _ in 0..6 {
        founding.round_losing(|founding, letter| {
            letter.0 == 3 && founding.disks.get(&3).is_some_and(keeps)
        });
    }
    assert!(founding.founded()[0].is_some() && founding.founded()[2].is_none());
    founding.round(1).unwrap();
    founding.assert_one_cluster();
}

fn keeps(disk: &Bytes) -> bool {
    Identity::decode(disk).unwrap().stage.record().is_some()
}

#[test]
fn a_founder_wiped_before_anyone_kept_just_takes_part() {
    let mut founding = Founding::of_three();
    founding.sync(1);
    founding.sync(3);
    founding
        .founders
        .get_mut(&3)
        .unwrap()
        .on_time(Time::from_millis(100));
    for letter in founding.letters(3) {
        founding.deliver(&letter).unwrap();
    }
    founding.wipe(3);
    founding.round(1).unwrap();
    founding.round(1).unwrap();
    founding.assert_one_cluster();
}

#[test]
fn a_founder_wiped_after_it_kept_is_told_so() {
    for wiped in [1, 2, 3] {
        let mut founding = Founding::of_three();
        founding.round(1).unwrap();
        founding.wipe(wiped);
        let fault = founding.round(1).unwrap_err();
        assert!(
            matches!(&fault, GenesisFault::Wiped { me, .. } if me.get() == wiped),
            "{fault}"
        );
    }
}

#[test]
fn what_a_founder_said_in_another_life_counts_for_nothing() {
    // 1 and 2 keep the record, and so does 3, of which nobody hears that. Then 2 is wiped.
    let mut founding = Founding::of_three();
    for _ in 0..4 {
        founding.round_losing(|_, (_, from, news)| from.id.get() == 3 && news.keeps.is_some());
    }
    let missing = |founding: &Founding| founding.founders[&1].missing();
    assert_eq!(missing(&founding), [NodeId::new(3)]);
    founding.wipe(2);
    founding.sync(2);
    let later = founding.now.after(INTERVAL);
    founding.founders.get_mut(&2).unwrap().on_time(later);
    for letter in founding.letters(2) {
        if letter.0 == 1 {
            founding.deliver(&letter).unwrap();
        }
    }
    assert_eq!(missing(&founding), [2, 3].map(NodeId::new));
}

#[test]
fn a_wiped_first_founder_does_not_found_a_second_cluster() {
    // 1 writes the record, 2 keeps it, 3 has heard nothing. Then 1 is wiped.
    let mut founding = Founding::of_three();
    for _ in 0..4 {
        founding.round_losing(|_, letter| letter.0 == 3 && letter.2.keeps.is_some());
    }
    assert!(keeps(&founding.disks[&2]) && !keeps(&founding.disks[&3]));
    founding.wipe(1);
    let fault = (0..5).find_map(|_| founding.round(1).err());
    assert!(
        matches!(fault, Some(GenesisFault::Wiped { .. })),
        "{fault:?}"
    );
    assert_eq!(founding.founded(), [None, None, None]);
}

#[test]
fn records_that_differ_end_the_founding_unless_they_are_left_over() {
    let mut founding = Founding::of_three();
    founding.round(1).unwrap();
    let mut other = Founding::of_three();
    other.lives = 1_000;
    for id in [1, 2, 3] {
        other.wipe(id);
    }
    other.round(1).unwrap();
    // Node 1 keeps, but does not know yet that all do.
    let mut identity = Identity::decode(&founding.disks[&1]).unwrap();
    let record = identity.stage.record().unwrap().clone();
    identity.stage = Stage::Keeps(record.clone());
    let mut genesis = Genesis::resumed(identity.clone(), terms(&[1, 2, 3], 9));
    let theirs = other.founded()[1].clone().unwrap();
    let peer = other.founders[&2].me();
    let mut news = News {
        to: None,
        keeps: Some(theirs.encode()),
        founded: false,
        wants_answer: false,
    };
    assert_eq!(
        genesis.on_news(peer, &news),
        Ok(Some(Rejection::OtherRecord))
    );
    news.to = Some(identity.me);
    assert!(matches!(
        genesis.on_news(peer, &news),
        Err(GenesisFault::RecordsDiffer { mine, theirs: other, .. })
            if mine == record.cluster && other == theirs.cluster
    ));
    // Once founded, nothing another node says can undo it.
    identity.stage = Stage::Founded(record);
    let mut genesis = Genesis::resumed(identity, terms(&[1, 2, 3], 9));
    assert_eq!(
        genesis.on_news(peer, &news),
        Ok(Some(Rejection::OtherRecord))
    );
}

/// A founder with other terms, and what it makes of the others' record.
fn offered(terms: FoundingTerms) -> Result<Option<Rejection>, GenesisFault> {
    let mut founding = Founding::of_three();
    founding.round(1).unwrap();
    let me = founding.founders[&2].me();
    let mut genesis = Genesis::born(me, terms);
    assert!(genesis.next_identity().is_some());
    genesis.on_durable();
    let news = News {
        to: Some(me),
        keeps: Some(founding.founded()[0].clone().unwrap().encode()),
        founded: true,
        wants_answer: false,
    };
    genesis.on_news(founding.founders[&1].me(), &news)
}

#[test]
fn founders_started_with_other_members_or_another_codec_are_told_so() {
    assert_eq!(offered(terms(&[1, 2, 3], 9)), Ok(None));
    assert!(matches!(
        offered(terms(&[1, 2], 9)),
        Err(GenesisFault::MembersDiffer { .. })
    ));
    let other_codec = FoundingTerms {
        payload_codec: PayloadCodec::Bincode,
        ..terms(&[1, 2, 3], 9)
    };
    assert!(matches!(
        offered(other_codec),
        Err(GenesisFault::PayloadCodecsDiffer { .. })
    ));
    let with_witness = FoundingTerms {
        witnesses: [NodeId::new(3)].into(),
        ..terms(&[1, 2, 3], 9)
    };
    assert!(matches!(
        offered(with_witness),
        Err(GenesisFault::WitnessesDiffer { .. })
    ));
}

#[test]
fn strangers_and_nonsense_are_refused() {
    let mut founding = Founding::of_three();
    founding.sync(1);
    let genesis = founding.founders.get_mut(&1).unwrap();
    let mut news = News {
        to: None,
        keeps: None,
        founded: false,
        wants_answer: true,
    };
    let peer = |id| Peer::new(NodeId::new(id), Incarnation::new(5));
    assert_eq!(
        genesis.on_news(peer(9), &news),
        Ok(Some(Rejection::Stranger))
    );
    assert_eq!(
        genesis.on_news(peer(1), &news),
        Ok(Some(Rejection::NotForMe))
    );
    news.keeps = Some(Bytes::from_static(b"nonsense"));
    assert_eq!(
        genesis.on_news(peer(2), &news),
        Ok(Some(Rejection::Malformed))
    );
}

/// Node 4, which joins and was told of nodes 1 and 9, and the record of three that have founded.
fn joining() -> (Genesis, Founding, Bytes) {
    let mut founding = Founding::of_three();
    for seed in 1..9 {
        founding.round(seed).unwrap();
    }
    let record = founding.founded()[0].clone().unwrap().encode();
    let me = Peer::new(NodeId::new(4), Incarnation::new(44));
    let terms = FoundingTerms {
        joins: true,
        ..terms(&[1, 4, 9], 5)
    };
    let mut genesis = Genesis::born(me, terms);
    assert!(genesis.next_identity().is_some());
    genesis.on_durable();
    (genesis, founding, record)
}

fn news(to: Option<Peer>, keeps: Option<Bytes>, founded: bool) -> News {
    News {
        to,
        keeps,
        founded,
        wants_answer: false,
    }
}

#[test]
fn who_joins_keeps_a_record_that_is_founded_and_was_meant_for_it() {
    let (mut genesis, founding, record) = joining();
    let me = genesis.me();
    let one = founding.founders[&1].me();
    // It founds nothing itself, whomever it hears.
    for peer in [one, Peer::new(NodeId::new(9), Incarnation::new(9))] {
        assert_eq!(
            genesis.on_news(peer, &news(Some(me), None, false)),
            Ok(None)
        );
        genesis.on_time(Time::ZERO.after(INTERVAL * 3));
        assert_eq!(genesis.next_identity(), None);
    }
    let leftover = Ok(Some(Rejection::OtherRecord));
    let another_life = Peer::new(me.id, Incarnation::new(45));
    for (to, founded) in [(None, true), (Some(another_life), true), (Some(me), false)] {
        let said = news(to, Some(record.clone()), founded);
        assert_eq!(genesis.on_news(one, &said), leftover, "{to:?} {founded}");
        assert_eq!(genesis.next_identity(), None);
    }
    let stranger = Peer::new(NodeId::new(2), Incarnation::new(7));
    let said = news(Some(me), Some(record.clone()), true);
    assert_eq!(
        genesis.on_news(stranger, &said),
        Ok(Some(Rejection::Stranger))
    );
    assert_eq!(genesis.on_news(one, &said), Ok(None));
    let written = genesis.next_identity().unwrap();
    assert_eq!(genesis.founded(), None, "not before it is durable");
    genesis.on_durable();
    assert_eq!(genesis.founded().map(GenesisRecord::encode), Some(record));
    assert_eq!(Identity::decode(&written).unwrap().me, me);
    // From then on it has nothing to ask, and nothing to tell the founders.
    assert_eq!(genesis.deadline(), None);
    assert_eq!(genesis.next_letter(), None);
}

#[test]
fn who_joins_may_be_told_by_a_member_that_joined_before_it() {
    let (mut genesis, _, record) = joining();
    let nine = Peer::new(NodeId::new(9), Incarnation::new(9));
    let said = news(Some(genesis.me()), Some(record), true);
    assert_eq!(genesis.on_news(nine, &said), Ok(None));
    assert!(genesis.next_identity().is_some());
}

#[test]
fn who_joins_asks_whoever_speaks_to_its_very_life_and_only_while_it_joins() {
    let (mut genesis, _, record) = joining();
    while genesis.next_letter().is_some() {}
    let two = Peer::new(NodeId::new(2), Incarnation::new(7));
    let said = news(Some(genesis.me()), Some(record), true);
    assert_eq!(genesis.on_news(two, &said), Ok(Some(Rejection::Stranger)));
    genesis.on_called(two.id);
    let (to, asked) = genesis.next_letter().unwrap();
    assert_eq!((to, asked.wants_answer), (two.id, true));
    assert_eq!(genesis.on_news(two, &said), Ok(None));
    assert!(genesis.next_identity().is_some());
    genesis.on_durable();
    genesis.on_called(NodeId::new(3));
    assert_eq!(genesis.next_letter(), None);
    let (mut other, ..) = joining();
    for id in 10..1_000 {
        other.on_called(NodeId::new(id));
    }
    assert!(other.missing().len() < 300, "there is a limit");
}

#[test]
fn who_joins_with_another_codec_is_told_so() {
    let (genesis, founding, record) = joining();
    let terms = FoundingTerms {
        payload_codec: PayloadCodec::Bincode,
        joins: true,
        ..terms(&[1], 5)
    };
    let mut other = Genesis::born(genesis.me(), terms);
    assert!(other.next_identity().is_some());
    other.on_durable();
    let said = news(Some(genesis.me()), Some(record), true);
    assert!(matches!(
        other.on_news(founding.founders[&1].me(), &said),
        Err(GenesisFault::PayloadCodecsDiffer { .. })
    ));
}

#[test]
fn a_member_tells_who_joined_when_asked_and_only_then() {
    let (_, mut founding, record) = joining();
    let one = founding.founders.get_mut(&1).unwrap();
    while one.next_letter().is_some() {}
    let four = Peer::new(NodeId::new(4), Incarnation::new(44));
    let mut asked = news(None, None, false);
    one.on_question(four, &asked);
    assert_eq!(one.next_letter(), None);
    asked.wants_answer = true;
    one.on_question(four, &asked);
    let (to, told) = one.next_letter().unwrap();
    assert_eq!((to, told.to, told.founded), (four.id, Some(four), true));
    assert_eq!(told.keeps, Some(record));
}
