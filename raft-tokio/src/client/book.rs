//! What a client has begun and not yet seen answered. No network here.
//!
//! A command leaves the book when it is told its outcome, both under one lock: what is said never to be applied
//! is never sent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use raft_core::ids::ClusterId;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

use crate::client::{CLIENT_WINDOW, ConnectionProblem, SubmitError};
use crate::protocol::Request;

/// The client's side of one session after another.
#[derive(Debug)]
pub(crate) struct Book {
    renew_after: Duration,
    pages: Mutex<Pages>,
}

/// A command that waits for its answer.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) payload: Bytes,
    pub(crate) reply: oneshot::Sender<Result<Bytes, SubmitError>>,
    /// Given back when the command is answered or given up.
    #[expect(dead_code, reason = "held for its drop")]
    pub(crate) permits: [OwnedSemaphorePermit; 2],
}

/// A command on the book.
#[derive(Debug)]
struct Begun {
    command: Pending,
    /// Connections it was sent over. Who was sent it may have it applied whatever comes after.
    sends: u64,
}

impl Begun {
    /// Tells whoever waits, if anybody still does.
    fn tell(self, outcome: Result<Bytes, SubmitError>) {
        let _ = self.command.reply.send(outcome);
    }
}

/// A session in a log.
#[derive(Clone, Copy, Debug)]
struct Session {
    /// Each cluster has sessions with the same numbers, of others.
    cluster: ClusterId,
    number: u64,
}

#[derive(Debug)]
struct Pages {
    /// `None` while one is being opened.
    session: Option<Session>,
    /// How many sessions there were before: what serials belong to, also before the log has
    /// numbered the session.
    era: u64,
    next_serial: u64,
    pending: BTreeMap<u64, Begun>,
    /// What has not been sent over the present connection.
    unsent: BTreeSet<u64>,
    opened: Option<oneshot::Sender<()>>,
    problems: BTreeMap<String, ConnectionProblem>,
    payload_codec: u8,
    closed: bool,
    dispatcher: Option<Waker>,
    /// When a command was last added.
    used: Instant,
}

impl Book {
    /// A book without a session. A session that is open is given up for another when a command comes after
    /// `renew_after` without one.
    pub(crate) fn new(opened: oneshot::Sender<()>, renew_after: Duration) -> Self {
        Self {
            renew_after,
            pages: Mutex::new(Pages {
                session: None,
                era: 0,
                next_serial: 1,
                pending: BTreeMap::new(),
                unsent: BTreeSet::new(),
                opened: Some(opened),
                problems: BTreeMap::new(),
                payload_codec: 0,
                closed: false,
                dispatcher: None,
                used: Instant::now(),
            }),
        }
    }

    /// Adds a command, and names it by era and serial.
    pub(crate) fn add(&self, command: Pending) -> Result<(u64, u64), SubmitError> {
        let mut pages = self.pages();
        if pages.closed {
            return Err(SubmitError::Closed);
        }
        let now = Instant::now();
        let idle = now.duration_since(pages.used) >= self.renew_after;
        pages.used = now;
        // The cluster may have ended a session that nobody used for long, or be about to. With nothing under
        // way in it, nobody is left in doubt by another one.
        if idle && pages.session.is_some() && pages.pending.is_empty() {
            pages.begin_anew();
        }
        let serial = pages.next_serial;
        pages.next_serial += 1;
        pages.pending.insert(serial, Begun { command, sends: 0 });
        pages.unsent.insert(serial);
        let era = pages.era;
        wake(pages);
        Ok((era, serial))
    }

    /// The caller no longer waits: the serial counts as settled, and is not sent again. The command is told what
    /// that means for it, if it was not told anything before: what is not on the book any more was.
    pub(crate) fn give_up(&self, era: u64, serial: u64) {
        let mut pages = self.pages();
        if pages.era != era {
            return;
        }
        pages.unsent.remove(&serial);
        if let Some(begun) = pages.pending.remove(&serial) {
            let session = pages.session_sent_in(&begun);
            begun.tell(Err(session.map_or(SubmitError::NoSession, |session| {
                SubmitError::Unknown { session, serial }
            })));
            // What waited beyond the window may be sent now.
            wake(pages);
        }
    }

    /// The cluster that the session is of, if one is open: no other may hear of its commands.
    pub(crate) fn cluster(&self) -> Option<ClusterId> {
        self.pages().session.map(|session| session.cluster)
    }

    /// Nobody sends any more, and no command is taken: those on the book are told what that means for them.
    pub(crate) fn close(&self) {
        let mut pages = self.pages();
        pages.closed = true;
        // Whoever waits for the first session need not wait longer.
        pages.opened = None;
        pages.unsent.clear();
        for (serial, begun) in std::mem::take(&mut pages.pending) {
            let session = pages.session_sent_in(&begun);
            begun.tell(Err(session.map_or(SubmitError::Closed, |session| {
                SubmitError::Unknown { session, serial }
            })));
        }
        wake(pages);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.pages().closed
    }

    pub(crate) fn payload_codec(&self) -> u8 {
        self.pages().payload_codec
    }

    pub(crate) fn learn_payload_codec(&self, tag: u8) {
        self.pages().payload_codec = tag;
    }

    pub(crate) fn problems(&self) -> BTreeMap<String, ConnectionProblem> {
        self.pages().problems.clone()
    }

    /// What went wrong with an address last; `None` when all is well.
    pub(crate) fn note(&self, address: &str, problem: Option<ConnectionProblem>) {
        let mut pages = self.pages();
        match problem {
            Some(problem) => pages.problems.insert(address.to_owned(), problem),
            None => pages.problems.remove(address),
        };
    }

    /// Whether there is anything that a node should answer.
    pub(crate) fn awaits_answers(&self) -> bool {
        let pages = self.pages();
        pages.session.is_none() || !pages.pending.is_empty()
    }

    /// Whether a command was sent over the present connection and is not answered.
    pub(crate) fn has_sent(&self) -> bool {
        let pages = self.pages();
        pages.pending.len() > pages.unsent.len()
    }

    pub(crate) fn has_session(&self) -> bool {
        self.pages().session.is_some()
    }

    /// A session was opened in this cluster. One is enough: a second, opened by an attempt that had seemed lost,
    /// is left to expire.
    pub(crate) fn session_opened(&self, cluster: ClusterId, number: u64) {
        let mut pages = self.pages();
        if pages.session.is_none() {
            pages.session = Some(Session { cluster, number });
            if let Some(opened) = pages.opened.take() {
                // Whoever connected may have given up; the session is still there for clones.
                let _ = opened.send(());
            }
        }
    }

    /// The cluster no longer knows the session: nobody can say what became of its commands. False when it is not
    /// this book's any more.
    pub(crate) fn session_over(&self, session: u64) -> bool {
        let pages = self.pages();
        let is_open = pages.is_open(session);
        if is_open {
            end_session(pages);
        }
        is_open
    }

    /// Another cluster took the place of the session's: nobody can say what became of its commands there.
    pub(crate) fn cluster_replaced(&self) {
        end_session(self.pages());
    }

    /// A command was answered. Later answers to the same one find nothing. A node that refuses it knows nothing
    /// of what another has done that it was sent to before.
    pub(crate) fn answered(&self, session: u64, serial: u64, answer: Result<Bytes, SubmitError>) {
        let mut pages = self.pages();
        if !pages.is_open(session) {
            return;
        }
        pages.unsent.remove(&serial);
        if let Some(begun) = pages.pending.remove(&serial) {
            let is_refused = matches!(answer, Err(SubmitError::TooLarge { .. }));
            let unknown = SubmitError::Unknown { session, serial };
            let in_doubt = is_refused && begun.sends > 1;
            begun.tell(if in_doubt { Err(unknown) } else { answer });
        }
    }

    /// A new connection: everything unanswered has to be sent over it.
    pub(crate) fn send_all_again(&self) {
        let mut pages = self.pages();
        let unsent = pages.pending.keys().copied().collect();
        pages.unsent = unsent;
    }

    /// The next command to send. What is far beyond the lowest unanswered command waits: each
    /// command that is applied carries a `settled` at most a window below it, so the cluster never
    /// keeps more of this client's answers than a window.
    pub(crate) fn next_to_send(&self) -> Option<Request> {
        let mut pages = self.pages();
        let session = pages.session?.number;
        let settled = pages.settled();
        let serial = *pages.unsent.first()?;
        if serial.saturating_sub(settled) >= CLIENT_WINDOW as u64 {
            return None;
        }
        pages.unsent.remove(&serial);
        let begun = pages.pending.get_mut(&serial)?;
        begun.sends += 1;
        Some(Request::Submit {
            session,
            serial,
            settled,
            payload: begun.command.payload.clone(),
        })
    }

    /// Remembers who sends, to wake it when there is something to send.
    pub(crate) fn register(&self, waker: &Waker) {
        let mut pages = self.pages();
        match &mut pages.dispatcher {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    fn is_open(&self, session: u64) -> bool {
        self.session.is_some_and(|open| open.number == session)
    }

    /// The session that a command on the book was sent in; `None` when nobody was sent it.
    fn session_sent_in(&self, begun: &Begun) -> Option<u64> {
        let session = self.session.filter(|_| begun.sends > 0);
        session.map(|session| session.number)
    }

    /// The session is over.
    fn begin_anew(&mut self) {
        self.session = None;
        self.era += 1;
        self.next_serial = 1;
        self.unsent.clear();
    }

    /// All serials below this one are answered or given up.
    fn settled(&self) -> u64 {
        self.pending
            .first_key_value()
            .map_or(self.next_serial, |(serial, _)| *serial)
    }
}

/// Tells the session's commands that it is over, if one is open.
fn end_session(mut pages: MutexGuard<'_, Pages>) {
    if pages.session.is_none() {
        return;
    }
    for (serial, begun) in std::mem::take(&mut pages.pending) {
        let session = pages.session_sent_in(&begun);
        begun.tell(Err(session.map_or(SubmitError::NoSession, |session| {
            SubmitError::SessionOver { session, serial }
        })));
    }
    pages.begin_anew();
}

fn wake(mut pages: MutexGuard<'_, Pages>) {
    let waker = pages.dispatcher.take();
    drop(pages);
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;

    type Outcome = oneshot::Receiver<Result<Bytes, SubmitError>>;

    fn command() -> (Pending, Outcome) {
        let permit = || Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let (reply, outcome) = oneshot::channel();
        let pending = Pending {
            payload: Bytes::new(),
            reply,
            permits: [permit(), permit()],
        };
        (pending, outcome)
    }

    fn pending() -> Pending {
        command().0
    }

    /// A session that is over leaves in doubt what was sent, and nothing else.
    #[test]
    fn what_was_not_sent_before_its_session_was_over_never_is() {
        let book = Book::new(oneshot::channel().0, Duration::MAX);
        book.session_opened(ClusterId::new(7), 5);
        let (sent, mut outcome_of_sent) = command();
        let (kept, mut outcome_of_kept) = command();
        let (_, serial) = book.add(sent).unwrap();
        assert!(book.next_to_send().is_some());
        book.add(kept).unwrap();
        assert!(book.session_over(5));
        let over = SubmitError::SessionOver { session: 5, serial };
        assert_eq!(outcome_of_sent.try_recv(), Ok(Err(over)));
        assert_eq!(outcome_of_kept.try_recv(), Ok(Err(SubmitError::NoSession)));
        book.session_opened(ClusterId::new(7), 6);
        assert_eq!(book.next_to_send(), None);
    }

    /// Serials begin anew with each session: who gave up one of the session before has none in this.
    #[test]
    fn who_gives_up_after_its_session_is_over_takes_nothing_from_the_next() {
        let book = Book::new(oneshot::channel().0, Duration::MAX);
        let cluster = ClusterId::new(7);
        book.session_opened(cluster, 5);
        let (era, serial) = book.add(pending()).unwrap();
        assert!(book.session_over(5));
        assert!(!book.session_over(5));
        book.session_opened(cluster, 6);
        let (later, again) = book.add(pending()).unwrap();
        assert_eq!((later, again), (era + 1, serial));
        book.give_up(era, serial);
        let sent = book.next_to_send();
        assert!(matches!(sent, Some(Request::Submit { session: 6, .. })));
    }
}
