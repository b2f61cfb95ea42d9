//! The corpus of histories (`corpus.txt`), and histories that a generator makes.

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

    fn apply(&self, state: &u64, input: &Ask) -> Option<(u64, u64)> {
        Some(match input {
            Ask::Read => (*state, *state),
            Ask::Write(value) => (*value, 0),
            Ask::Swap(old, new) if state == old => (*new, *state),
            Ask::Swap(..) => (*state, *state),
        })
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

    fn apply(&self, state: &u64, input: &(u64, Ask)) -> Option<(u64, u64)> {
        Register.apply(state, &input.1)
    }

    fn key(&self, input: &(u64, Ask)) -> u64 {
        input.0
    }
}

/// Reads a history as `corpus.txt` writes it.
fn history(text: &str) -> History<(u64, Ask), u64> {
    let mut history = History::new();
    let mut open: BTreeMap<char, OperationId> = BTreeMap::new();
    for (at, token) in text.split_whitespace().enumerate() {
        let now = Time::from_millis(at as u64);
        let client = token.chars().next().unwrap();
        let (verb, rest) = token[1..].split_at(1);
        let (rest, key) = rest.split_once('@').unwrap_or((rest, "0"));
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
        open.insert(
            client,
            history.invoke(client as u64, now, (number(key), ask)),
        );
    }
    history
}

/// Writes a history as [`history`] reads it. (A refusal is told as early as it can be.)
fn text_of(history: &History<(u64, Ask), u64>) -> String {
    let mut moments: Vec<(u64, String)> = Vec::new();
    for operation in history.operations() {
        let client = char::from(b'a' + operation.client as u8);
        let (key, ask) = operation.input;
        let at = if key == 0 {
            String::new()
        } else {
            format!("@{key}")
        };
        let asked = match ask {
            Ask::Read => format!("{client}r{at}"),
            Ask::Write(value) => format!("{client}w{value}{at}"),
            Ask::Swap(old, new) => format!("{client}s{old},{new}{at}"),
        };
        moments.push((operation.invoked.order, asked));
        match &operation.outcome {
            Outcome::Answered(moment, 0) if matches!(ask, Ask::Write(_)) => {
                moments.push((moment.order, format!("{client}.")));
            }
            Outcome::Answered(moment, value) => {
                moments.push((moment.order, format!("{client}={value}")));
            }
            Outcome::Refused | Outcome::Unknown => {}
        }
    }
    moments.sort();
    let words: Vec<String> = moments.into_iter().map(|(_, word)| word).collect();
    words.join(" ")
}

/// A history of the corpus.
struct Case {
    class: &'static str,
    good: bool,
    name: &'static str,
    text: &'static str,
}

fn corpus() -> Vec<Case> {
    let mut class = "";
    let mut cases = Vec::new();
    for line in include_str!("corpus.txt").lines() {
        if let Some(name) = line.strip_prefix('[') {
            class = name.trim_end_matches(']');
        } else if !line.is_empty() && !line.starts_with('#') {
            let mut parts = line.split('|').map(str::trim);
            let mut part = || parts.next().unwrap();
            let good = match part() {
                "good" => true,
                "bad" => false,
                other => panic!("{other} is no verdict"),
            };
            let (name, text) = (part(), part());
            cases.push(Case {
                class,
                good,
                name,
                text,
            });
        }
    }
    cases
}

#[test]
fn judges_every_history_of_the_corpus() {
    for case in corpus() {
        let verdict = check(&Registers, &history(case.text), EFFORT);
        let right = match &verdict {
            Verdict::Linearizable => case.good,
            Verdict::NotLinearizable(_) => !case.good,
            Verdict::Undecided => false,
        };
        assert!(right, "{}: {}: {verdict:?}", case.class, case.name);
    }
}

/// The verdicts that stand in the corpus, confirmed by a judge that knows no shortcut.
#[test]
fn the_corpus_is_judged_alike_by_brute_force() {
    for case in corpus() {
        let verdict = by_force(&history(case.text));
        assert_eq!(verdict, case.good, "{}: {}", case.class, case.name);
    }
}

#[test]
fn the_corpus_is_wide() {
    let cases = corpus();
    let good = cases.iter().filter(|case| case.good).count();
    let bad = cases.len() - good;
    assert!(good >= 100 && bad >= 100, "{good} good, {bad} bad");
    let unknown = |case: &&Case| {
        let history = history(case.text);
        history
            .operations()
            .iter()
            .any(|one| one.outcome == Outcome::Unknown)
    };
    let unknown = cases.iter().filter(unknown).count();
    assert!(unknown >= 80, "{unknown} with an unknown outcome");
    let split = cases.iter().filter(|case| case.text.contains('@')).count();
    assert!(split >= 100, "{split} with several keys");
    let mut texts: Vec<&str> = cases.iter().map(|case| case.text).collect();
    texts.sort_unstable();
    texts.dedup();
    assert!(texts.len() >= 200, "{} different ones", texts.len());
}

/// What stands under "generated" is what the generator gives: half of it as real registers
/// answered, half with one answer changed; only histories that say something.
#[test]
fn the_generated_part_is_what_the_generator_gives() {
    let mut numbers = Numbers(11);
    let mut lines = Vec::new();
    for seed in 0.. {
        let real = real(9_000 + seed, 3, (8, 2, 4));
        let changed = with_one_answer_changed(&real, &mut numbers);
        let chosen = if seed % 3 == 0 { real } else { changed };
        let good = by_force(&chosen);
        let count = |good: &str| {
            lines
                .iter()
                .filter(|line: &&String| line.starts_with(good))
                .count()
        };
        let verdict = if good { "good" } else { "bad" };
        if count(verdict) < 60 {
            lines.push(format!("{verdict} | seed {seed} | {}", text_of(&chosen)));
        }
        if lines.len() == 120 {
            break;
        }
    }
    let generated: Vec<String> = corpus()
        .iter()
        .filter(|case| case.class == "generated")
        .map(|case| {
            let verdict = if case.good { "good" } else { "bad" };
            format!("{verdict} | {} | {}", case.name, case.text)
        })
        .collect();
    assert!(lines == generated, "put this there:\n{}", lines.join("\n"));
}

#[test]
fn says_where_it_got_stuck() {
    let Verdict::NotLinearizable(text) = check(&Registers, &history("aw1 a. br b=0"), EFFORT)
    else {
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
    assert_eq!(check(&Registers, &history(text), 3), Verdict::Undecided);
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
                let (after, answer) = Register.apply(&before, &ask).unwrap();
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
            let (after, answer) = Register.apply(state.get(&key).unwrap_or(&0), &ask).unwrap();
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
