//! Hulls under inputs of any kind and order: what a driver may do, what a disk may do, and what a
//! network full of liars may say.
#![no_main]

#[path = "hull_inputs/act.rs"]
mod act;
#[path = "hull_inputs/lie.rs"]
mod lie;
#[path = "hull_inputs/node.rs"]
mod node;
#[path = "hull_inputs/setup.rs"]
mod setup;
#[path = "hull_inputs/shelf.rs"]
mod shelf;
#[path = "hull_inputs/world.rs"]
mod world;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|schedule: act::Schedule| {
    world::World::new(&schedule.plan).run(&schedule.acts);
});
