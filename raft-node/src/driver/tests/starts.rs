//! What a start refuses.

use raft_core::error::OpenError;
use raft_core::ids::{NodeId, Term};

use super::*;
use crate::codec::PayloadCodec;
use crate::identity::IdentityError;

/// A world that has run, and what node 1's disk then holds.
fn lived() -> (World, Recovered) {
    let mut world = World::of(3);
    world.elect();
    let recovered = world.disk(1).recovered();
    (world, recovered)
}

#[test]
fn the_folder_of_another_node_is_refused() {
    let (world, recovered) = lived();
    assert_eq!(
        world.try_start(world.setup(2), recovered),
        Err(StartError::FolderOfAnotherNode {
            owner: NodeId::new(1),
            id: NodeId::new(2)
        })
    );
}

#[test]
fn another_payload_codec_than_the_clusters_is_refused() {
    let (world, recovered) = lived();
    let setup = NodeSetup {
        payload_codec: PayloadCodec::Bincode,
        ..world.setup(1)
    };
    let refused = world.try_start(setup, recovered);
    assert!(matches!(
        refused,
        Err(StartError::OtherPayloadCodec { .. } | StartError::CodecNotBuiltIn { .. })
    ));
}

#[test]
fn a_log_without_an_identity_is_refused() {
    let (world, mut recovered) = lived();
    recovered.identity = None;
    assert_eq!(
        world.try_start(world.setup(1), recovered),
        Err(StartError::IdentityMissing)
    );
}

#[test]
fn a_damaged_identity_is_refused() {
    let (world, mut recovered) = lived();
    let mut damaged = recovered.identity.unwrap().to_vec();
    damaged[20] ^= 1;
    recovered.identity = Some(damaged.into());
    assert_eq!(
        world.try_start(world.setup(1), recovered),
        Err(StartError::Identity(IdentityError::Checksum))
    );
}

#[test]
fn an_impossible_log_is_refused() {
    let (world, mut recovered) = lived();
    recovered.hard.term = Term::ZERO;
    assert!(matches!(
        world.try_start(world.setup(1), recovered),
        Err(StartError::Hull(OpenError::Recovered { .. }))
    ));
}

#[test]
fn settings_that_contradict_each_other_are_refused_before_anything_is_written() {
    let world = World::of(1);
    let mut setup = world.setup(1);
    setup.settings.raft.pre_vote = false;
    setup.settings.sweep_interval = std::time::Duration::ZERO;
    let problems = setup.settings.validate();
    assert_eq!(problems.len(), 2);
    assert_eq!(
        world.try_start(setup, Recovered::default()),
        Err(StartError::Settings { problems })
    );
}

#[test]
fn a_node_outside_its_own_list_of_members_is_refused() {
    let world = World::of(1);
    let mut setup = world.setup(1);
    setup.id = NodeId::new(9);
    assert_eq!(
        world.try_start(setup, Recovered::default()),
        Err(StartError::NotAMember { id: NodeId::new(9) })
    );
}

#[test]
fn an_address_that_no_configuration_holds_is_refused() {
    let world = World::of(1);
    let mut setup = world.setup(1);
    setup.members.insert(NodeId::new(2), "x".repeat(257));
    assert_eq!(
        world.try_start(setup, Recovered::default()),
        Err(StartError::AddressTooLong {
            id: NodeId::new(2),
            bytes: 257,
            limit: 256
        })
    );
}
