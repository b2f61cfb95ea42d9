//! The kit for comms on the network in memory that worlds have, as some seeds draw it.

use raft_sim::conformance::Wired;

mod seed_0 {
    raft_sim::comms_conformance!(|| super::Wired::of(0));
}

mod seed_3 {
    raft_sim::comms_conformance!(|| super::Wired::of(3));
}
