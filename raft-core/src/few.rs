//! A list that mostly holds one item, and then needs no memory of its own.

use alloc::vec::{self, Vec};
use core::fmt;
use core::hash::{Hash, Hasher};
use core::iter::Chain;
use core::ops::Deref;
use core::option;

/// A list whose first item lies in the list itself as long as it is alone: what is proposed, sent
/// and applied one by one costs no allocation for being a list.
#[derive(Clone)]
pub(crate) enum Few<T> {
    /// At most one.
    One(Option<T>),
    /// Any number.
    Many(Vec<T>),
}

impl<T> Few<T> {
    /// No items.
    pub(crate) const fn new() -> Self {
        Self::One(None)
    }

    /// No items, with room for `count`.
    pub(crate) fn with_capacity(count: usize) -> Self {
        if count > 1 {
            Self::Many(Vec::with_capacity(count))
        } else {
            Self::new()
        }
    }

    /// Adds an item at the end.
    pub(crate) fn push(&mut self, item: T) {
        match self {
            Self::One(first @ None) => *first = Some(item),
            Self::One(first) => {
                *self = Self::Many(first.take().into_iter().chain([item]).collect());
            }
            Self::Many(items) => items.push(item),
        }
    }

    /// Takes out the items from `at` on.
    pub(crate) fn split_off(&mut self, at: usize) -> Self {
        match self {
            Self::One(first) if at == 0 => Self::One(first.take()),
            Self::One(_) => Self::new(),
            Self::Many(items) => Self::Many(items.split_off(at.min(items.len()))),
        }
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::One(first) => first.as_slice(),
            Self::Many(items) => items,
        }
    }
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> From<Vec<T>> for Few<T> {
    fn from(items: Vec<T>) -> Self {
        Self::Many(items)
    }
}

impl<T> From<T> for Few<T> {
    fn from(item: T) -> Self {
        Self::One(Some(item))
    }
}

impl<T> IntoIterator for Few<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        let (first, others) = match self {
            Self::One(first) => (first, Vec::new()),
            Self::Many(items) => (None, items),
        };
        first.into_iter().chain(others)
    }
}

impl<T: Hash> Hash for Few<T> {
    /// As a slice: how the items are kept makes no difference.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self[..].hash(state);
    }
}

impl<T: fmt::Debug> fmt::Debug for Few<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self[..].fmt(f)
    }
}

/// The items, one by one.
pub(crate) type IntoIter<T> = Chain<option::IntoIter<T>, vec::IntoIter<T>>;

#[cfg(test)]
mod tests {
    use super::*;

    /// A list of the numbers below `count`, kept in this way or in that.
    fn both(count: u8) -> [Few<u8>; 2] {
        let mut pushed = Few::new();
        (0..count).for_each(|number| pushed.push(number));
        [pushed, Few::from((0..count).collect::<Vec<u8>>())]
    }

    #[test]
    fn is_the_same_list_however_it_is_kept() {
        for count in 0..5 {
            let expected: Vec<u8> = (0..count).collect();
            for few in both(count) {
                assert_eq!(few[..], expected);
                assert_eq!(few.clone().into_iter().collect::<Vec<u8>>(), expected);
                assert_eq!(alloc::format!("{few:?}"), alloc::format!("{expected:?}"));
            }
        }
        assert_eq!(Few::from(7)[..], [7]);
        assert_eq!(Few::<u8>::with_capacity(9)[..], []);
    }

    #[test]
    fn splits_anywhere() {
        for count in 0..4 {
            for at in 0..=usize::from(count) {
                for mut few in both(count) {
                    let expected: Vec<u8> = (0..count).collect();
                    let (kept, taken) = expected.split_at(at);
                    assert_eq!(few.split_off(at)[..], *taken);
                    assert_eq!(few[..], *kept);
                }
            }
        }
    }

    #[test]
    fn one_item_needs_no_memory_of_its_own() {
        let mut few = Few::with_capacity(1);
        few.push(1);
        assert!(matches!(few, Few::One(Some(1))));
        few.push(2);
        assert!(matches!(few, Few::Many(_)));
    }
}
