//! The names of all properties that a world can violate.

/// Declares the properties, and the list of all.
macro_rules! properties {
    ($($(#[$doc:meta])* $name:ident: $text:literal,)*) => {
        $($(#[$doc])* pub const $name: &str = $text;)*

        /// All of them.
        pub const ALL: &[&str] = &[$($name,)*];
    };
}

properties! {
    /// At most one leader is elected in a term (Figure 3).
    ELECTION_SAFETY: "election_safety",
    /// A leader never overwrites or deletes entries in its log (Figure 3).
    LEADER_APPEND_ONLY: "leader_append_only",
    /// Logs with an entry of the same id are the same up to it (Figure 3).
    LOG_MATCHING: "log_matching",
    /// A committed entry is in the logs of all leaders of later terms (Figure 3).
    LEADER_COMPLETENESS: "leader_completeness",
    /// No two nodes commit or apply different entries at one index (Figure 3).
    STATE_MACHINE_SAFETY: "state_machine_safety",
    /// What was called durable survives, and so does what a client was told.
    DURABILITY: "durability",
    /// Term, vote and commit index never go back.
    MONOTONIC: "monotonic",
    /// Each submission is answered exactly once, and truly.
    TICKETS: "tickets",
    /// Client histories have an order in which each operation took effect at one moment.
    LINEARIZABILITY: "linearizability",
    /// A linearizable read sees all that was committed before it was asked for.
    READS: "reads",
    /// Each command is applied once, and only what was submitted is applied.
    EXACTLY_ONCE: "exactly_once",
    /// Sessions open, end and answer as the log says, whoever applies it (thesis 6.3).
    SESSIONS: "client_sessions",
    /// At the end all live nodes have applied the same commands.
    CONVERGENCE: "convergence",
    /// After faults end, a majority makes progress in bounded time.
    LIVENESS: "liveness",
    /// Nobody campaigns, votes or gives up where the timers and letters it has seen say otherwise.
    NEEDLESS_ELECTIONS: "needless_elections",
    /// Handing over leadership holds proposals up for an election timeout at most, and votes for
    /// whoever takes over are not refused for the leader's sake (thesis 3.10).
    LEADER_TRANSFER: "leader_transfer",
    /// Who has promised to give no vote gives none, and while a leader has a lease nobody is elected
    /// after it (thesis 6.4.1).
    LEASES: "leases",
    /// A cluster at rest sends little more than heartbeats, and keeps nothing for lost answers.
    IDLE: "idle",
    /// One cluster is founded, and who lost its disk is no member of it under its old name.
    ONE_CLUSTER: "one_cluster",
    /// Members change one step at a time, in force from the log on, and nobody decides alone.
    MEMBERSHIP: "membership",
    /// A witness leads nobody, holds no payload, and hears of nothing before those who keep
    /// payloads.
    WITNESSES: "witnesses",
    /// What a node says of how it stands, and why it does not get on, is so.
    ANSWERS: "answers",
    /// Nothing panics and no hull stops by a broken invariant of its own.
    NO_PANIC: "no_panic",
    /// The user's state machine answers alike, and comes to the same state, on every node.
    APP_DETERMINISM: "app_determinism",
    /// The user's state machine answers out of a snapshot as it would have without.
    APP_SNAPSHOTS: "app_snapshots",
    /// The user's state machine does not panic, whatever it is asked.
    APP_PANIC: "app_panic",
}
