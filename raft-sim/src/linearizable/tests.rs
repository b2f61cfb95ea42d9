//! A corpus of histories of one register, and of many, good and bad.

use raft_core::time::Time;

use super::*;
use crate::history::OperationId;

/// A register that starts at 0.
struct Register;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ask {
    Read,
    Write(u64),
    /// Writes the second if the first is there; answers what was there.
    Swap(u64, u64),
}

impl Sequential for Register {
    type Input = Ask;
    type Output = u64;
    type State = u64;
    type Key = ();

    fn initial(&self) -> u64 {
        0
    }

    fn apply(&self, state: &u64, input: &Ask) -> (u64, u64) {
        match input {
            Ask::Read => (*state, *state),
            Ask::Write(value) => (*value, 0),
            Ask::Swap(old, new) if state == old => (*new, *state),
            Ask::Swap(..) => (*state, *state),
        }
    }

    fn key(&self, _input: &Ask) {}
}

/// Many registers.
struct Registers;

impl Sequential for Registers {
    type Input = (u64, Ask);
    type Output = u64;
    type State = u64;
    type Key = u64;

    fn initial(&self) -> u64 {
        0
    }

    fn apply(&self, state: &u64, input: &(u64, Ask)) -> (u64, u64) {
        Register.apply(state, &input.1)
    }

    fn key(&self, input: &(u64, Ask)) -> u64 {
        input.0
    }
}

/// Reads a history: `aw5` a asks to write 5, `ar` a asks to read, `as5,6` a swaps 5 for 6,
/// `a=5` a is answered 5, `a.` a is answered (a write), `a!` a is refused. A client asks its next
/// question also when the last was not answered, which then stays unknown.
fn history(text: &str) -> History<Ask, u64> {
    let mut history = History::new();
    let mut open: BTreeMap<char, OperationId> = BTreeMap::new();
    for (at, token) in text.split_whitespace().enumerate() {
        let now = Time::from_millis(at as u64);
        let client = token.chars().next().unwrap();
        let (verb, rest) = token[1..].split_at(1);
        let number = |text: &str| text.parse().unwrap();
        let ask = match verb {
            "r" => Ask::Read,
            "w" => Ask::Write(number(rest)),
            "s" => {
                let (old, new) = rest.split_once(',').unwrap();
                Ask::Swap(number(old), number(new))
            }
            "=" => {
                history.answer(open[&client], now, number(rest));
                continue;
            }
            "." => {
                history.answer(open[&client], now, 0);
                continue;
            }
            "!" => {
                history.refuse(open[&client]);
                continue;
            }
            other => panic!("{other}"),
        };
        open.insert(client, history.invoke(client as u64, now, ask));
    }
    history
}

const GOOD: &[(&str, &str)] = &[
    ("nothing", ""),
    ("a read of the beginning", "ar a=0"),
    ("one after the other", "aw1 a. ar a=1 bw2 b. ar a=2"),
    ("a read beside a write sees the old", "aw1 br b=0 a."),
    ("a read beside a write sees the new", "aw1 br b=1 a."),
    (
        "two reads beside a write, old then new",
        "aw1 br b=0 br b=1 a.",
    ),
    ("two writes at once, the first wins", "aw1 bw2 a. b. cr c=1"),
    (
        "two writes at once, the second wins",
        "aw1 bw2 a. b. cr c=2",
    ),
    (
        "the later invocation takes effect first",
        "aw1 bw2 b. cr c=2 cr c=1 a.",
    ),
    ("an unknown write took effect", "aw1 br b=1"),
    ("an unknown write took no effect", "aw1 br b=0 br b=0"),
    (
        "an unknown write took effect late",
        "aw1 br b=0 cw2 c. br b=2 br b=1",
    ),
    (
        "an unknown write overwrites a known one",
        "aw1 bw2 b. br b=2 br b=1",
    ),
    ("two unknown writes, both seen", "aw1 bw2 cr c=2 cr c=1"),
    ("two unknown writes, one seen", "aw1 bw2 cr c=1 cr c=1"),
    (
        "a client goes on after an unknown write",
        "aw1 aw2 a. ar a=2 ar a=1",
    ),
    ("a refused write left no trace", "aw1 a! ar a=0"),
    ("an unknown read means nothing", "aw1 a. br ar a=1"),
    ("a swap that fits", "aw1 a. as1,2 a=1 ar a=2"),
    ("a swap that does not fit", "aw1 a. as5,2 a=1 ar a=1"),
    ("two swaps at once, one fits", "as0,1 bs0,2 a=0 b=1 cr c=1"),
    (
        "two swaps at once, the other fits",
        "as0,1 bs0,2 a=2 b=0 cr c=2",
    ),
    (
        "an unknown swap enables a known one",
        "as0,1 bs1,2 b=1 cr c=2",
    ),
    (
        "an unknown swap that can't have fitted",
        "aw3 a. as0,1 br b=3",
    ),
    (
        "a chain of swaps beside each other",
        "as0,1 bs1,2 cs2,3 c=2 b=1 a=0 dr d=3",
    ),
    (
        "reads beside each other, order open",
        "aw1 br cr c=1 b=0 a.",
    ),
    (
        "a long write seen in the middle",
        "aw1 br b=0 bw2 b. br b=2 br b=1 a.",
    ),
    ("the same value twice", "aw1 a. bw1 b. cr c=1"),
];

const BAD: &[(&str, &str)] = &[
    ("a value nobody wrote", "ar a=5"),
    ("a write is lost", "aw1 a. br b=0"),
    ("a read goes back", "aw1 br b=1 br b=0 a."),
    (
        "two clients see a write in turn, then not",
        "aw1 br b=1 cr c=0 a.",
    ),
    ("stale after an overwrite", "aw1 a. bw2 b. cr c=1"),
    (
        "two writes at once seen in both orders",
        "aw1 bw2 a. b. cr c=1 cr c=2",
    ),
    (
        "flicker between two unknown writes",
        "aw1 bw2 cr c=1 cr c=2 cr c=1",
    ),
    (
        "an unknown write seen twice",
        "aw1 br b=1 cw2 c. br b=1 cw3 c. br b=1",
    ),
    ("a write seen before it was asked for", "br b=1 aw1 a."),
    (
        "an unknown write seen before it was asked for",
        "br b=1 aw1",
    ),
    ("a refused write is seen", "aw1 a! br b=1"),
    ("a refused write is seen later", "aw1 br a! b=1"),
    ("both of two swaps fit", "as0,1 bs0,2 a=0 b=0"),
    ("a swap fits on what is not there", "aw1 a. as5,2 a=5"),
    ("a swap that fitted is lost", "as0,1 a=0 br b=0"),
    ("a swap fits twice", "as0,1 a=0 as0,1 a=0"),
    ("an unknown swap can't explain it", "aw3 a. as0,1 br b=1"),
    (
        "a late read of a value gone for good",
        "aw1 a. br b=1 cw2 c. br b=2 dr d=1",
    ),
    (
        "a stale read on the minority's side",
        "aw1 a. bw2 b. cw3 c. dr d=2",
    ),
    (
        "a read beside two writes sees the one before",
        "aw1 a. aw2 a. bw3 cr c=1 b.",
    ),
    ("an old value comes back", "aw1 a. bw2 b. cr c=2 cr c=1"),
    (
        "an acknowledged write vanishes under an unknown one",
        "aw1 bw2 b. br b=2 br b=0",
    ),
];

#[test]
fn finds_an_order_for_good_histories() {
    for (name, text) in GOOD {
        let verdict = check(&Register, &history(text), EFFORT);
        assert_eq!(verdict, Verdict::Linearizable, "{name}: {text}");
    }
}

#[test]
fn finds_none_for_bad_histories() {
    for (name, text) in BAD {
        let verdict = check(&Register, &history(text), EFFORT);
        let found_none = matches!(verdict, Verdict::NotLinearizable(_));
        assert!(found_none, "{name}: {text}: {verdict:?}");
    }
}

#[test]
fn says_where_it_got_stuck() {
    let Verdict::NotLinearizable(text) = check(&Register, &history("aw1 a. br b=0"), EFFORT) else {
        panic!("found an order");
    };
    assert!(text.contains("after 1 of 2"), "{text}");
    assert!(text.contains("can't have been answered 0"), "{text}");
}

#[test]
fn splits_by_key() {
    let mut history = History::new();
    for (key, value) in [(1, 5), (2, 6)] {
        let id = history.invoke(1, Time::ZERO, (key, Ask::Write(value)));
        history.answer(id, Time::ZERO, 0);
    }
    let read = history.invoke(1, Time::ZERO, (1, Ask::Read));
    history.answer(read, Time::ZERO, 5);
    assert_eq!(check(&Registers, &history, EFFORT), Verdict::Linearizable);
    let read = history.invoke(1, Time::ZERO, (2, Ask::Read));
    history.answer(read, Time::ZERO, 5);
    let Verdict::NotLinearizable(text) = check(&Registers, &history, EFFORT) else {
        panic!("found an order");
    };
    assert!(text.contains("under key 2"), "{text}");
}

#[test]
fn gives_up_when_told_to() {
    let text = "aw1 a. ar a=1 ar a=1 ar a=1";
    assert_eq!(check(&Register, &history(text), 3), Verdict::Undecided);
}

/// A small generator of numbers, the same on every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = crate::spy::mix(self.0, 1);
        (self.0 >> 11) % bound
    }
}

/// A history as a real register gives it: `clients` at a time, each operation takes effect at some
/// moment between its invocation and its return; one of `unknown_of` loses its answer.
fn real(
    seed: u64,
    clients: usize,
    (operations, keys, unknown_of): (usize, u64, u64),
) -> History<(u64, Ask), u64> {
    let mut numbers = Numbers(seed);
    let mut history = History::new();
    let mut state: BTreeMap<u64, u64> = BTreeMap::new();
    // Each client's open operation: what, and the answer once it has taken effect.
    let mut open: Vec<Option<Open>> = vec![None; clients];
    let mut asked = 0;
    while asked < operations || open.iter().any(Option::is_some) {
        let client = numbers.below(clients as u64) as usize;
        let now = Time::from_millis(asked as u64);
        match open[client] {
            None if asked == operations => {}
            None => {
                asked += 1;
                let key = numbers.below(keys);
                let ask = match numbers.below(4) {
                    0 => Ask::Write(asked as u64),
                    1 => Ask::Swap(state.get(&key).copied().unwrap_or(0), asked as u64),
                    _ => Ask::Read,
                };
                let id = history.invoke(client as u64, now, (key, ask));
                open[client] = Some((id, (key, ask), None));
            }
            Some((id, (key, ask), None)) => {
                let before = state.get(&key).copied().unwrap_or(0);
                let lost = numbers.below(unknown_of) == 0;
                if lost && numbers.below(2) == 0 {
                    open[client] = None;
                    continue;
                }
                let (after, answer) = Register.apply(&before, &ask);
                state.insert(key, after);
                open[client] = (!lost).then_some((id, (key, ask), Some(answer)));
            }
            Some((id, _, Some(answer))) => {
                history.answer(id, now, answer);
                open[client] = None;
            }
        }
    }
    history
}

type Open = (OperationId, (u64, Ask), Option<u64>);

/// Whether there is an order, by trying all of them.
fn by_force(history: &History<(u64, Ask), u64>) -> bool {
    fn go(history: &History<(u64, Ask), u64>, taken: u32, state: &BTreeMap<u64, u64>) -> bool {
        let open = |at: &usize| taken & (1 << at) == 0;
        let all = history.operations();
        let returned = |at: &usize| match &all[*at].outcome {
            Outcome::Answered(moment, _) => moment.order,
            Outcome::Unknown | Outcome::Refused => u64::MAX,
        };
        let first_return = (0..all.len()).filter(open).map(|at| returned(&at)).min();
        let Some(first_return) = first_return.filter(|order| *order < u64::MAX) else {
            return true;
        };
        (0..all.len()).filter(open).any(|at| {
            let (key, ask) = all[at].input;
            let (after, answer) = Register.apply(state.get(&key).unwrap_or(&0), &ask);
            let fits = match &all[at].outcome {
                Outcome::Answered(_, output) => *output == answer,
                Outcome::Unknown => true,
                Outcome::Refused => false,
            };
            let mut next = state.clone();
            next.insert(key, after);
            fits && all[at].invoked.order < first_return && go(history, taken | 1 << at, &next)
        })
    }
    go(history, 0, &BTreeMap::new())
}

/// The same history, but one answer is another.
fn with_one_answer_changed(
    history: &History<(u64, Ask), u64>,
    numbers: &mut Numbers,
) -> History<(u64, Ask), u64> {
    let mut changed = history.clone();
    let at = numbers.below(changed.operations.len() as u64) as usize;
    let other = numbers.below(changed.operations.len() as u64);
    if let Outcome::Answered(_, output) = &mut changed.operations[at].outcome {
        *output = other;
    }
    changed
}

#[test]
fn agrees_with_brute_force_on_small_histories() {
    let mut numbers = Numbers(7);
    let (mut good, mut bad) = (0, 0);
    for seed in 0..1_500 {
        let real = real(seed, 3, (7, 2, 5));
        let changed = with_one_answer_changed(&real, &mut numbers);
        for mut history in [real, changed] {
            let expected = by_force(&history);
            let found = check(&Registers, &history, EFFORT) == Verdict::Linearizable;
            assert_eq!(found, expected, "seed {seed}: {history:#?}");
            // No hint, however wrong, changes the verdict.
            history.hint(|(key, ask)| match ask {
                Ask::Read => None,
                Ask::Write(value) | Ask::Swap(_, value) => Some((value * 7 + key + seed) % 5),
            });
            let found = check(&Registers, &history, EFFORT) == Verdict::Linearizable;
            assert_eq!(found, expected, "hinted, seed {seed}: {history:#?}");
            good += u32::from(expected);
            bad += u32::from(!expected);
        }
    }
    assert!(good > 1_000 && bad > 200, "{good} good, {bad} bad");
}

#[test]
fn decides_long_histories_of_real_registers() {
    for seed in 0..20 {
        let history = real(seed, 8, (2_000, 10, 20));
        assert_eq!(
            check(&Registers, &history, EFFORT),
            Verdict::Linearizable,
            "seed {seed}"
        );
    }
}

/// Not a measurement (it would need a clock): the search takes about one step an operation.
#[test]
fn ten_thousand_operations_need_few_steps() {
    let history = real(1, 8, (10_000, 10, 1_000));
    let verdict = check(&Registers, &history, 20_000);
    assert_eq!(verdict, Verdict::Linearizable);
}
