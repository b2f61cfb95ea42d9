//! A remote client: commands into a cluster from anywhere, each applied exactly once.
//!
//! A client opens a session in the replicated log and numbers its commands (thesis 6.3). Whatever
//! breaks on the way, it sends what is unanswered again under the same number, to another node if
//! need be, and the cluster applies it once. Any node will do; one that does not lead says who
//! does, and the client moves there to save a hop.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use raft_tokio::Client;
//!
//! let client = Client::connect(["127.0.0.1:7001", "127.0.0.1:7002"]).await?;
//! let reply = client.submit("a command, as bytes").await?;
//! # drop(reply);
//! # Ok(())
//! # }
//! ```

use std::collections::BTreeMap;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use raft_node::codec::{CodecError, PayloadCodec};
use raft_node::state_machine::{App, AppMachine, ReplyError};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use book::{Book, Pending};
use line::Dispatcher;

pub use line::ConnectionProblem;

mod book;
mod line;
#[cfg(test)]
mod tests;

/// A session with a cluster. Cloning is cheap, and clones share the session; dropping the last one
/// ends it, as does the end of the runtime that it was connected in; what is still under way is told so
/// ([`Submission`]). At most one command is applied for each that was submitted, whatever happens.
///
/// While a session is open, no other cluster hears of its commands. When no address leads to the session's
/// cluster any more, and one leads to another (it was recovered, or replaced), the session is over, and the
/// next one is opened there.
#[derive(Clone, Debug)]
pub struct Client {
    inner: Arc<Inner>,
}

/// How a client behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientSettings {
    /// Commands that may be unanswered at once; further ones wait. At least 1. None is sent that is
    /// 4,096 or more beyond the lowest unanswered one, whatever this says.
    pub max_in_flight: usize,
    /// Bytes that may be unanswered at once; further commands wait. A single larger one goes
    /// alone.
    pub max_in_flight_bytes: usize,
    /// How long [`Client::connect`] tries.
    pub connect_timeout: Duration,
    /// How long [`Client::submit`] waits for an answer before it says that the outcome is unknown,
    /// or that the command was not sent.
    pub submit_timeout: Duration,
    /// How long a node that was asked something may answer nothing before another is asked. Longer
    /// than an election takes, or every election makes all commands travel twice.
    pub silence_timeout: Duration,
    /// How long to wait when no node could be reached; doubled each time up to
    /// [`Self::longest_backoff`].
    pub first_backoff: Duration,
    /// The longest such wait.
    pub longest_backoff: Duration,
    /// After how long without a command the next one goes under another session. The cluster ends a session
    /// that is unused for longer than its own `SessionLimits::idle_time`, an hour by default, and a command
    /// that comes too late ends with [`SubmitError::SessionOver`]: choose a good deal less than that. A new
    /// session costs an entry and a round trip, and ends the least recently used one where there are too many.
    pub renew_after: Duration,
    /// Bytes of one command; longer ones are refused before they are sent. At most what the nodes
    /// take (`ServiceSettings::max_command_bytes`), since they cut off whoever sends more.
    pub max_command_bytes: usize,
    /// Bytes of one answer. Longer ones end the connection.
    pub max_reply_bytes: usize,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            max_in_flight: 1_024,
            max_in_flight_bytes: 64 << 20,
            connect_timeout: Duration::from_secs(10),
            submit_timeout: Duration::from_secs(60),
            silence_timeout: Duration::from_secs(3),
            first_backoff: Duration::from_millis(10),
            longest_backoff: Duration::from_millis(500),
            renew_after: Duration::from_secs(15 * 60),
            max_command_bytes: 16 << 20,
            max_reply_bytes: 64 << 20,
        }
    }
}

impl Client {
    /// Opens a session through any of these addresses. Must be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// No session could be opened in time; the error says what is wrong with each address.
    pub async fn connect<T: Into<String>>(
        addresses: impl IntoIterator<Item = T>,
    ) -> Result<Self, ConnectError> {
        Self::connect_with(addresses, ClientSettings::default()).await
    }

    /// [`Self::connect`] with settings of your own.
    ///
    /// # Errors
    ///
    /// See [`Self::connect`].
    pub async fn connect_with<T: Into<String>>(
        addresses: impl IntoIterator<Item = T>,
        settings: ClientSettings,
    ) -> Result<Self, ConnectError> {
        let addresses: Vec<String> = addresses.into_iter().map(Into::into).collect();
        if addresses.is_empty() {
            return Err(ConnectError::NoAddress);
        }
        let (opened, is_open) = oneshot::channel();
        let book = Arc::new(Book::new(opened, settings.renew_after));
        let dispatcher = Dispatcher::new(Arc::clone(&book), addresses, settings);
        tokio::spawn(dispatcher.run());
        let client = Self {
            inner: Arc::new(Inner {
                count: Arc::new(Semaphore::new(settings.max_in_flight.max(1))),
                bytes: Arc::new(Semaphore::new(byte_permits(settings.max_in_flight_bytes))),
                book,
                settings,
            }),
        };
        match timeout(settings.connect_timeout, is_open).await {
            Ok(Ok(())) => Ok(client),
            Ok(Err(_)) | Err(_) => Err(ConnectError::NoSession {
                waited: settings.connect_timeout,
                problems: client.inner.book.problems(),
            }),
        }
    }

    /// Has the cluster apply a command, and returns the state machine's reply.
    ///
    /// # Errors
    ///
    /// See [`SubmitError`]: it says whether the command may have been applied.
    pub async fn submit(&self, payload: impl Into<Bytes>) -> Result<Bytes, SubmitError> {
        let mut submission = self.begin(payload.into()).await?;
        match timeout(self.inner.settings.submit_timeout, &mut submission).await {
            Ok(outcome) => outcome,
            Err(_) => submission.give_up().await,
        }
    }

    /// Submits a command and returns as soon as there is room for it among those in flight; the
    /// submission is its outcome, to be waited for as long as you like. Commands may be applied in
    /// another order than they were begun in.
    ///
    /// # Errors
    ///
    /// The command is too large, or the client was shut down; nothing was done.
    pub async fn begin(&self, payload: Bytes) -> Result<Submission, SubmitError> {
        let limit = self.inner.settings.max_command_bytes;
        if payload.len() > limit {
            let limit = u64::try_from(limit).unwrap_or(u64::MAX);
            return Err(SubmitError::TooLarge { limit });
        }
        let weight =
            byte_permits(payload.len()).min(byte_permits(self.inner.settings.max_in_flight_bytes));
        let weight = u32::try_from(weight).unwrap_or(u32::MAX);
        let bytes = Arc::clone(&self.inner.bytes)
            .acquire_many_owned(weight)
            .await;
        let count = Arc::clone(&self.inner.count).acquire_owned().await;
        let (Ok(bytes), Ok(count)) = (bytes, count) else {
            return Err(SubmitError::Closed);
        };
        let (reply, outcome) = oneshot::channel();
        let (era, serial) = self.inner.book.add(Pending {
            payload,
            reply,
            permits: [bytes, count],
        })?;
        Ok(Submission {
            book: Arc::clone(&self.inner.book),
            era,
            serial,
            outcome,
        })
    }

    /// The same session, for the commands of an [`App`].
    ///
    /// # Errors
    ///
    /// The cluster's payloads use a codec that this build does not have.
    pub fn of_app<A: App>(&self) -> Result<AppClient<A>, CodecMissing> {
        let tag = self.inner.book.payload_codec();
        let codec = PayloadCodec::from_tag(tag)
            .filter(|codec| codec.is_built_in())
            .ok_or(CodecMissing { tag })?;
        Ok(AppClient {
            client: self.clone(),
            codec,
            app: PhantomData,
        })
    }
}

/// What all clones of a client share.
#[derive(Debug)]
struct Inner {
    book: Arc<Book>,
    settings: ClientSettings,
    count: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.book.close();
    }
}

/// A command under way: a future of its outcome. Dropping it gives up on the outcome, not on the
/// command, which may or may not be applied, once. Keep a clone of the client until the outcome is there: when
/// the last is dropped, the outcome is [`SubmitError::Unknown`], or [`SubmitError::Closed`] of what was not sent.
#[derive(Debug)]
#[must_use = "the outcome is lost when this is dropped"]
pub struct Submission {
    book: Arc<Book>,
    era: u64,
    serial: u64,
    outcome: oneshot::Receiver<Result<Bytes, SubmitError>>,
}

impl Submission {
    /// Waits no longer: what is known by now, or, if nothing is, whether the command was sent.
    async fn give_up(self) -> Result<Bytes, SubmitError> {
        self.book.give_up(self.era, self.serial);
        self.await
    }
}

impl Future for Submission {
    type Output = Result<Bytes, SubmitError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = ready!(Pin::new(&mut self.outcome).poll(cx));
        // The book drops no command without telling it something. If it did, nobody could say more than this.
        let (session, serial) = (0, self.serial);
        Poll::Ready(outcome.unwrap_or(Err(SubmitError::Unknown { session, serial })))
    }
}

impl Drop for Submission {
    fn drop(&mut self) {
        self.book.give_up(self.era, self.serial);
    }
}

/// A [`Client`] that speaks an [`App`]'s types.
pub struct AppClient<A> {
    client: Client,
    codec: PayloadCodec,
    app: PhantomData<fn() -> A>,
}

impl<A: App> AppClient<A> {
    /// Has the cluster apply a command, and returns the app's reply.
    ///
    /// # Errors
    ///
    /// See [`AppSubmitError`].
    pub async fn submit(&self, command: A::Command) -> Result<A::Reply, AppSubmitError> {
        let payload = AppMachine::<A>::encode_command(self.codec, &command)
            .map_err(AppSubmitError::Command)?;
        let reply = self.client.submit(payload).await?;
        Ok(AppMachine::<A>::decode_reply(self.codec, &reply)?)
    }

    /// The session, for payloads as bytes.
    pub const fn client(&self) -> &Client {
        &self.client
    }
}

impl<A> Clone for AppClient<A> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            codec: self.codec,
            app: PhantomData,
        }
    }
}

impl<A> std::fmt::Debug for AppClient<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppClient")
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

/// Why a client has no session. Nothing was submitted.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConnectError {
    /// There was no address to try.
    #[error("no address was given; name at least one node")]
    NoAddress,
    /// No node could open a session in time.
    #[error(
        "no session after {waited:?}; check that a majority of nodes is up{}",
        Listed(problems)
    )]
    NoSession {
        /// How long it was tried.
        waited: Duration,
        /// What was last wrong with each address; an address that connected but had no leader to
        /// ask is absent.
        problems: BTreeMap<String, ConnectionProblem>,
    },
}

/// What is wrong with each address, as the end of a sentence.
struct Listed<'a>(&'a BTreeMap<String, ConnectionProblem>);

impl std::fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, (address, problem)) in self.0.iter().enumerate() {
            let separator = if place == 0 { ": " } else { "; " };
            write!(f, "{separator}{address}: {problem}")?;
        }
        Ok(())
    }
}

/// The cluster's payloads are in a codec that this build does not have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the cluster's payloads are in codec {tag}, which this build does not have")]
pub struct CodecMissing {
    /// The codec's number in formats.
    pub tag: u8,
}

/// Why there is no reply to a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SubmitError {
    /// The command is longer than a command may be. It was not applied, and never will be.
    #[error("the command is longer than the {limit} bytes that one may have")]
    TooLarge {
        /// Bytes that a command may have.
        limit: u64,
    },
    /// There was no answer in time, or before the client was shut down; or the command was sent to several nodes,
    /// and one of them found it too large. It was applied once or not at all, and may still be.
    #[error("no answer: command {serial} of session {session} was applied once or not at all")]
    Unknown {
        /// The client's session.
        session: u64,
        /// The command's number in it.
        serial: u64,
    },
    /// The command was not sent: in time there was no session to send it in, or no node to send it to, or its
    /// session was over before. It was not applied, and never will be.
    #[error("the command was not sent for want of a session or a node; it was not applied")]
    NoSession,
    /// The cluster no longer knows the session that the command was sent in, or another cluster has taken its
    /// place. The command was applied once or not at all. The next command opens a new session.
    #[error("session {session} is over: command {serial} of it was applied once or not at all")]
    SessionOver {
        /// The session.
        session: u64,
        /// The command's number in it.
        serial: u64,
    },
    /// The command was applied, once, but its answer was lost on the way and was too much for the
    /// cluster to keep. Read the state if the outcome matters.
    #[error("command {serial} of session {session} was applied; its reply was lost")]
    ReplyForgotten {
        /// The client's session.
        session: u64,
        /// The command's number in it.
        serial: u64,
    },
    /// The client was shut down before the command was sent. It was not applied, and never will be.
    #[error("the client was shut down before the command was sent")]
    Closed,
}

/// Why there is no reply of an app's type.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AppSubmitError {
    /// The command can't be encoded; nothing was done.
    #[error("the command can't be encoded: {0}")]
    Command(CodecError),
    /// There is no reply.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The reply is not one of the app's.
    #[error(transparent)]
    Reply(#[from] ReplyError),
}

/// Bytes are counted in units of 64, so that any budget fits what a semaphore can count.
const fn byte_permits(bytes: usize) -> usize {
    let units = bytes / 64 + 1;
    if units < Semaphore::MAX_PERMITS {
        units
    } else {
        Semaphore::MAX_PERMITS
    }
}

/// Serials that a client's commands may span, from the lowest unanswered one on. The cluster keeps
/// an answer for each of them, so `SessionLimits::max_answers` must be at least this.
pub(crate) const CLIENT_WINDOW: usize = 4_096;
