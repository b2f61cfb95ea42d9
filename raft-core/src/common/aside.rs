//! What there is none of at rest, and then takes no room.

use alloc::boxed::Box;
use core::hash::{Hash, Hasher};

/// Something that is empty most of the time where a process holds many hulls: it is made once it is
/// needed, stays as long as there is work, and is let go of at rest.
#[derive(Clone, Debug)]
pub(crate) struct Aside<T>(Option<Box<T>>);

impl<T> Aside<T> {
    /// Nothing yet.
    pub(crate) const fn new() -> Self {
        Self(None)
    }

    /// What is there, if anything was needed since the last rest.
    pub(crate) fn there(&self) -> Option<&T> {
        self.0.as_deref()
    }

    /// The same, to be changed.
    pub(crate) fn there_mut(&mut self) -> Option<&mut T> {
        self.0.as_deref_mut()
    }

    /// Lets go of it, if it is empty.
    pub(crate) fn give_back(&mut self, is_empty: impl FnOnce(&T) -> bool) {
        self.0.take_if(|there| is_empty(there));
    }
}

impl<T: Default> Aside<T> {
    /// What is there; from now on there is something.
    #[inline]
    pub(crate) fn needed(&mut self) -> &mut T {
        self.0.get_or_insert_with(made)
    }
}

/// Nothing yet, where something will be. Seldom: whoever needs it mostly finds it there.
#[cold]
#[inline(never)]
fn made<T: Default>() -> Box<T> {
    Box::default()
}

impl<T: Default + Hash> Hash for Aside<T> {
    /// What is not there is as what is empty.
    fn hash<H: Hasher>(&self, state: &mut H) {
        match &self.0 {
            Some(there) => there.hash(state),
            None => T::default().hash(state),
        }
    }
}

impl<T> Default for Aside<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_empty_is_let_go_of() {
        let mut aside: Aside<u8> = Aside::new();
        assert_eq!(aside.there(), None);
        *aside.needed() += 1;
        assert_eq!(aside.there(), Some(&1));
        aside.give_back(|count| *count == 0);
        assert_eq!(aside.there_mut(), Some(&mut 1));
        aside.give_back(|count| *count == 1);
        assert_eq!(aside.there(), None);
        assert_eq!(size_of::<Aside<[u64; 8]>>(), size_of::<usize>());
    }
}
