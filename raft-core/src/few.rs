//! A list that mostly holds one item, and then needs no memory of its own.

use alloc::vec::{self, Vec};
use core::fmt;
use core::hash::{Hash, Hasher};
use core::ops::Deref;
use core::{mem, slice};

/// A list whose first item lies in the list itself as long as it is alone: what is proposed, sent,
/// written and applied one by one costs no allocation for being a list. Otherwise like a `Vec`: it
/// is read as a slice, made from a `Vec` or by collecting, and equal to what holds the same items.
#[derive(Clone)]
pub struct Few<T>(Kept<T>);

#[derive(Clone)]
enum Kept<T> {
    /// At most one.
    One(Option<T>),
    /// Any number.
    Many(Vec<T>),
}

impl<T> Few<T> {
    /// No items.
    pub const fn new() -> Self {
        Self(Kept::One(None))
    }

    /// No items, with room for `count`.
    pub fn with_capacity(count: usize) -> Self {
        if count > 1 {
            Self(Kept::Many(Vec::with_capacity(count)))
        } else {
            Self::new()
        }
    }

    /// Adds an item at the end.
    #[inline]
    pub fn push(&mut self, item: T) {
        match &mut self.0 {
            Kept::One(first @ None) => *first = Some(item),
            Kept::One(Some(_)) => self.push_second(item),
            Kept::Many(items) => items.push(item),
        }
    }

    #[inline(never)]
    fn push_second(&mut self, item: T) {
        let first = mem::take(self);
        self.0 = Kept::Many(first.into_iter().chain([item]).collect());
    }

    /// Takes out the items from `at` on.
    #[must_use]
    pub fn split_off(&mut self, at: usize) -> Self {
        match &mut self.0 {
            Kept::One(first) if at == 0 => Self(Kept::One(first.take())),
            Kept::One(_) => Self::new(),
            Kept::Many(items) => Self(Kept::Many(items.split_off(at.min(items.len())))),
        }
    }

    /// Keeps only the items of which `keep` is true.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        match &mut self.0 {
            Kept::One(first) => *first = first.take().filter(keep),
            Kept::Many(items) => items.retain(|item| keep(item)),
        }
    }

    /// Gives back the memory that is kept for more items than there are.
    pub fn shrink_to_fit(&mut self) {
        match &mut self.0 {
            Kept::Many(items) if items.len() <= 1 => self.0 = Kept::One(items.pop()),
            Kept::Many(items) => items.shrink_to_fit(),
            Kept::One(_) => {}
        }
    }

    /// The items, one by one.
    pub fn iter(&self) -> slice::Iter<'_, T> {
        self[..].iter()
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.0 {
            Kept::One(first) => first.as_slice(),
            Kept::Many(items) => items,
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
        Self(Kept::Many(items))
    }
}

impl<T> From<T> for Few<T> {
    fn from(item: T) -> Self {
        Self(Kept::One(Some(item)))
    }
}

impl<T> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut few = Self::new();
        items.into_iter().for_each(|item| few.push(item));
        few
    }
}

impl<T> IntoIterator for Few<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter(match self.0 {
            Kept::One(first) => Left::One(first),
            Kept::Many(items) => Left::Many(items.into_iter()),
        })
    }
}

impl<'a, T> IntoIterator for &'a Few<T> {
    type Item = &'a T;
    type IntoIter = slice::Iter<'a, T>;

    fn into_iter(self) -> slice::Iter<'a, T> {
        self.iter()
    }
}

impl<T: PartialEq, S: AsRef<[T]>> PartialEq<S> for Few<T> {
    /// As slices: how the items are kept makes no difference.
    fn eq(&self, other: &S) -> bool {
        self[..] == *other.as_ref()
    }
}

impl<T: Eq> Eq for Few<T> {}

impl<T> AsRef<[T]> for Few<T> {
    fn as_ref(&self) -> &[T] {
        self
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

/// The items of a [`Few`], one by one.
#[derive(Clone, Debug)]
pub struct IntoIter<T>(Left<T>);

#[derive(Clone, Debug)]
enum Left<T> {
    /// At most one.
    One(Option<T>),
    /// Any number.
    Many(vec::IntoIter<T>),
}

impl<T> Iterator for IntoIter<T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        match &mut self.0 {
            Left::One(item) => item.take(),
            Left::Many(items) => items.next(),
        }
    }

    /// What `for_each` goes by: an item that is alone need not be looked for again.
    fn fold<B, F: FnMut(B, T) -> B>(self, start: B, mut with: F) -> B {
        match self.0 {
            Left::One(None) => start,
            Left::One(Some(item)) => with(start, item),
            Left::Many(items) => items.fold(start, with),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.0 {
            Left::One(item) => (
                usize::from(item.is_some()),
                Some(usize::from(item.is_some())),
            ),
            Left::Many(items) => items.size_hint(),
        }
    }
}

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
                let mut each = Vec::new();
                few.clone().into_iter().for_each(|number| each.push(number));
                assert_eq!(each, expected);
                assert_eq!(alloc::format!("{few:?}"), alloc::format!("{expected:?}"));
                assert_eq!(few, expected.iter().copied().collect::<Few<u8>>());
                let mut even = few.clone();
                even.retain(|number| number % 2 == 0);
                let kept: Vec<u8> = (0..count).filter(|number| number % 2 == 0).collect();
                assert_eq!(even, kept);
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
        assert!(matches!(few.0, Kept::One(Some(1))));
        few.push(2);
        few.shrink_to_fit();
        assert!(matches!(few.0, Kept::Many(_)));
        few.retain(|number| *number == 2);
        few.shrink_to_fit();
        assert!(matches!(few.0, Kept::One(Some(2))));
    }
}
