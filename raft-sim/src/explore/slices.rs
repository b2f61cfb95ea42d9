//! Short lists of numbers, each kept once and named by its place: what a table is asked for.

/// The lists, one after the other. The n-th list that was new has the number n.
///
/// Lists are compared whole, so that no two different ones are ever taken for the same.
#[derive(Debug)]
pub(super) struct Slices {
    numbers: Vec<u32>,
    /// Where each list ends.
    ends: Vec<usize>,
    /// Open addressing: the list's number plus one, or 0.
    places: Vec<u32>,
}

impl Slices {
    pub(super) fn new() -> Self {
        Self {
            numbers: Vec::new(),
            ends: Vec::new(),
            places: vec![0; 1 << 10],
        }
    }

    /// The number of a list, and whether it is new. `None` when numbers have run out.
    pub(super) fn intern(&mut self, list: &[u32]) -> Option<(u32, bool)> {
        let place = match self.look_up(list) {
            Ok(found) => return Some((found, false)),
            Err(free) => free,
        };
        let number = u32::try_from(self.ends.len()).ok()?;
        self.places[place] = number.checked_add(1)?;
        self.numbers.extend_from_slice(list);
        self.ends.push(self.numbers.len());
        if self.ends.len() > self.places.len() / 4 * 3 {
            self.grow();
        }
        Some((number, true))
    }

    /// The number of a list that was met.
    pub(super) fn find(&self, list: &[u32]) -> Option<u32> {
        self.look_up(list).ok()
    }

    /// The number of a list, or the place where that would stand.
    fn look_up(&self, list: &[u32]) -> Result<u32, usize> {
        let mask = self.places.len() - 1;
        let mut place = hash(list) as usize & mask;
        while let Some(found) = self.places[place].checked_sub(1) {
            if self.get(found) == list {
                return Ok(found);
            }
            place = (place + 1) & mask;
        }
        Err(place)
    }

    /// The list of a number that [`Slices::intern`] gave.
    pub(super) fn get(&self, number: u32) -> &[u32] {
        let number = number as usize;
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.numbers[start..self.ends[number]]
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    fn grow(&mut self) {
        let size = self.places.len() * 2;
        let mut places = vec![0; size];
        for number in (0u32..).take(self.ends.len()) {
            let mut place = hash(self.get(number)) as usize & (size - 1);
            while places[place] != 0 {
                place = (place + 1) & (size - 1);
            }
            places[place] = number + 1;
        }
        self.places = places;
    }
}

/// Where to look for a list first. Nothing depends on it but speed.
fn hash(list: &[u32]) -> u64 {
    let mixed = list.iter().fold(list.len() as u64, |hash, number| {
        (hash.rotate_left(23) ^ u64::from(*number)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    });
    mixed ^ (mixed >> 29)
}

#[cfg(test)]
mod tests {
    use super::Slices;

    #[test]
    fn each_list_has_one_number_however_many_there_are() {
        let mut slices = Slices::new();
        let list = |number: u32| vec![number / 2; 1 + number as usize % 2];
        for number in 0..3_000 {
            assert_eq!(slices.find(&list(number)), None);
            assert_eq!(slices.intern(&list(number)), Some((number, true)));
        }
        for number in 0..3_000 {
            assert_eq!(slices.intern(&list(number)), Some((number, false)));
            assert_eq!(slices.find(&list(number)), Some(number));
            assert_eq!(slices.get(number), list(number));
        }
        assert_eq!(slices.len(), 3_000);
    }
}
