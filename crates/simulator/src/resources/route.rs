//! What implements an operation: its handler, the service that answers, and who may call it how fast.

use crate::http::call::{Answer, Call};
use crate::operations::{self, Operation};

/// A handler: sees the state alone, answers at once.
pub type Handler = fn(&mut Call<'_>) -> Answer;

/// The three services behind the gateway, which frame their answers differently. [R]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// Most of v1.
    Java,
    /// Behind nginx: numbers as strings, `text/html` when empty.
    Php,
    /// v2 and, since late 2024, reads of v1.
    Express,
    /// Java in the dialect of 2022, Express since. [R] Endpoint reads and log-ins.
    Moved,
}

/// How fast an operation may be called, per organisation. [D]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Only by the window of its source address.
    Unlimited,
    /// 10 a second, burst 5.
    Ten,
    /// 50 a second, burst 25.
    Fifty,
    /// 100 a second, burst 50.
    Hundred,
    /// 100 per 5 minutes and source address.
    Login,
}

/// What a caller must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nobody: no token.
    Nothing,
    /// Any role.
    Read,
    /// Administrator or User.
    Write,
    /// Administrator.
    Admin,
    /// A person rather than an application token.
    Person,
}

/// One implemented operation.
pub struct Route {
    /// Which one.
    pub operation: &'static Operation,
    /// Which service answers.
    pub backend: Backend,
    /// How fast it may be called.
    pub class: Class,
    /// Who may call it.
    pub needs: Needs,
    /// Whether it is one of the device writes that must not overlap. [S]
    pub endpoint_write: bool,
    /// What it does.
    pub handler: Handler,
}

impl Route {
    fn new(operation: &str, backend: Backend, handler: Handler) -> Self {
        let operation = operations::named(operation).expect("routes name published operations");
        let needs = if operation.method == "GET" { Needs::Read } else { Needs::Write };
        Self { operation, backend, class: Class::Unlimited, needs, endpoint_write: false, handler }
    }

    /// An operation of the Java service.
    pub fn java(operation: &str, handler: Handler) -> Self {
        Self::new(operation, Backend::Java, handler)
    }

    /// An operation of the PHP service.
    pub fn php(operation: &str, handler: Handler) -> Self {
        Self::new(operation, Backend::Php, handler)
    }

    /// An operation of the Express service.
    pub fn express(operation: &str, handler: Handler) -> Self {
        Self::new(operation, Backend::Express, handler)
    }

    /// An operation that moved from the Java to the Express service.
    pub fn moved(operation: &str, handler: Handler) -> Self {
        Self::new(operation, Backend::Moved, handler)
    }

    /// Sets the rate class.
    #[must_use]
    pub fn class(mut self, class: Class) -> Self {
        self.class = class;
        self
    }

    /// Sets who may call it. Reads need any role, writes Administrator or User, unless this says otherwise.
    #[must_use]
    pub fn needs(mut self, needs: Needs) -> Self {
        self.needs = needs;
        self
    }

    /// Marks a device write.
    #[must_use]
    pub fn endpoint_write(mut self) -> Self {
        self.endpoint_write = true;
        self
    }
}
