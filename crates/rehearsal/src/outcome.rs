//! What came of a rehearsal.

use emnify_engine::{cluster::observer::Share, session::guard::Trip};
use serde_json::Value;

/// A request that would change something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// POST, PUT, PATCH or DELETE.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// What is sent; it may hold secrets, and is for comparisons only.
    pub body: String,
    /// What the copy answered.
    pub status: u16,
}

/// A call that was made for objects.
#[derive(Clone, Debug)]
pub struct Made {
    /// What each object has in it.
    pub shares: Vec<Share>,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

/// A guard held changes back.
#[derive(Clone, Debug)]
pub struct Held {
    /// The workspace, for people.
    pub workspace: String,
    /// Why.
    pub trip: Trip,
    /// Calls before.
    pub made: usize,
    /// Requests before.
    pub requests: usize,
}

/// What became of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Played {
    /// As it was before, without what the API server adds.
    pub before: Value,
    /// As it is in the end; none of what is gone.
    pub after: Option<Value>,
}

/// What came of a rehearsal.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Objects, in the order in which they were given.
    pub objects: Vec<Played>,
    /// Calls, in the order of their answers.
    pub made: Vec<Made>,
    /// Requests that change something, in the order in which they were sent.
    pub requests: Vec<Request>,
    /// What could not be copied, and what that means.
    pub told: Vec<String>,
    /// Where guards held changes back until somebody approves of them, as the rehearsal then did.
    pub held: Vec<Held>,
    /// It did not come to rest in time.
    pub unfinished: bool,
}
