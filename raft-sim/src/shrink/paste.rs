//! What can be pasted into a regression test.

use crate::plan::Plan;

/// A Rust test that runs this plan and demands that nothing is violated; `property` is what was
/// violated when it was written.
///
/// It goes into a file of `raft-sim/tests`, or of the tests of whoever has the worlds.
pub fn test_of(plan: &Plan, property: &str) -> String {
    let letter = |letter: char| match letter.is_ascii_alphanumeric() {
        true => letter,
        false => '_',
    };
    let name: String = property.chars().map(letter).collect();
    let text = plan.to_text();
    let mut hashes = String::from("#");
    while text.contains(&format!("\"{hashes}")) {
        hashes.push('#');
    }
    let seed = plan.seed;
    format!(
        "/// Once violated {property}.\n\
         #[test]\n\
         fn {name}_holds_in_a_world_of_seed_{seed}() {{\n    \
             let plan = raft_sim::plan::Plan::parse(WORLD_OF_SEED_{seed}).unwrap();\n    \
             assert_eq!(raft_sim::sim::run_plan(plan).violation, None);\n\
         }}\n\n\
         const WORLD_OF_SEED_{seed}: &str = r{hashes}\"{text}\"{hashes};\n"
    )
}
