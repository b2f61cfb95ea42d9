//! Rare behaviour on demand: the places where the log may do less, or sooner, or later, than it
//! usually does, and a simulator may ask it to.
//!
//! Who owns the surroundings decides: at each site the log asks [`Fs::rarely`](crate::fs::Fs::rarely),
//! which answers `false` unless it is overridden. No real folder does that, and nothing can be
//! configured to. Each site keeps to the contract of [`raft_core::log::Log`] and to the format.

/// A place where the log can behave in a rare way that is allowed; what happens there, and why it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Site {
    /// A group ends after this frame, though more wait. Frames become durable in order; how many
    /// with one sync is nowhere promised.
    OneFrame,
    /// The sync of a group begins when its write has been answered, not together with it. A sync
    /// covers what was started before; it may come later.
    SyncApart,
    /// An acknowledgement is given a poll later. A write may take as long as it likes.
    AckLater,
    /// A segment counts as full before it is. A frame goes to a new one whenever it does not fit,
    /// and how large segments are may change.
    RollEarly,
    /// The log closes before it was idle for long. A closing frame says what holds as soon as
    /// nothing is under way.
    CloseEarly,
    /// One entry is read, though more were asked for and fit. A read answers from its range's start
    /// on, with at least one entry.
    LoadLeast,
    /// Opening reads little of a segment at a time, mostly less than a frame. What stands in a segment does
    /// not depend on how it is read.
    ReadLess,
}

impl Site {
    /// All of them, in this order.
    pub const ALL: &'static [Self] = &[
        Self::OneFrame,
        Self::SyncApart,
        Self::AckLater,
        Self::RollEarly,
        Self::CloseEarly,
        Self::LoadLeast,
        Self::ReadLess,
    ];
}
