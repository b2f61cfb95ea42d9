//! Rare behaviour on demand: the places where a driver may do less, or later, or once more, than
//! it usually does, and a simulator may ask it to.
//!
//! Who owns the surroundings decides: at each site the driver asks
//! [`Clock::rarely`](crate::clock::Clock::rarely), which answers `false` unless it is overridden.
//! No clock outside a simulation does that, and nothing can be configured to. Each site keeps to
//! what the driver promises, so that what goes wrong because of one was wrong before.

/// A place where a driver can behave in a rare way that is allowed; what happens there, and why it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Site {
    /// The poll ends after a turn that left work. Any poll may: it wakes itself first, and a process
    /// may be stopped between any two polls.
    EndPoll,
    /// A turn takes no further letter. Their number is bounded, and one is the least bound that can
    /// be set.
    OneLetter,
    /// A turn takes no further acknowledgement of the log. Their number is bounded; they come in
    /// order.
    OneDurable,
    /// Entries that were read back are looked at a turn later. Reads take as long as they take, and
    /// their answers are checked against the log as it is then.
    LoadLater,
    /// One command is proposed, though more wait. Batches are bounded, and how commands are batched
    /// means nothing.
    BatchOfOne,
    /// All commands that wait for another node, or rest, are sent again at once. A copy has the same
    /// session and serial: sending too often is never wrong.
    SendAgain,
    /// One command goes to the leader, though more wait. Letters are bounded, and room may be short.
    ForwardOne,
    /// Nothing is pulled out of the hull in this turn. It keeps what it has to say, and a slow
    /// process is no wrong one.
    PullLater,
    /// Nothing further is pulled after a write was begun: neither messages, which wait for no
    /// write's beginning, nor the next write.
    OneWrite,
    /// Nothing further is sent in this turn. The network may be full after any message.
    OneSend,
    /// There is no room for messages to a node in this turn. The network says how much there is, and
    /// it may be none.
    NoRoom,
    /// One committed entry is applied, though more are. How many at once is bounded.
    ApplyOne,
    /// Committed entries are applied a turn later. The applied index may lag behind the commit
    /// index.
    ApplyLater,
    /// Those who forwarded commands get their answers a turn later. Letters may be slow.
    ReplyLater,
    /// Those who asked get their outcomes a poll later. Nothing says how soon.
    SettleLater,
    /// The store's next answer is looked at a turn later. Stores take as long as they take.
    OneStored,
    /// A snapshot is asked for after a portion of entries, whatever the settings say. Anybody may,
    /// at any time.
    TakeSnapshot,
    /// Deadlines are said to have passed, but have not. Timers may fire early: the hull, the
    /// founding and the tickets look at the time themselves.
    EarlyDeadline,
}

impl Site {
    /// All of them, in this order.
    pub const ALL: &'static [Self] = &[
        Self::EndPoll,
        Self::OneLetter,
        Self::OneDurable,
        Self::LoadLater,
        Self::BatchOfOne,
        Self::SendAgain,
        Self::ForwardOne,
        Self::PullLater,
        Self::OneWrite,
        Self::OneSend,
        Self::NoRoom,
        Self::ApplyOne,
        Self::ApplyLater,
        Self::ReplyLater,
        Self::SettleLater,
        Self::OneStored,
        Self::TakeSnapshot,
        Self::EarlyDeadline,
    ];
}
