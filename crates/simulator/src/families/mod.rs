//! The operations, one file or folder per family of the API. Each lists its routes in one table.

mod application_token;
pub(crate) mod authentication;
mod dns;
mod endpoint;
mod event;
mod integration;
mod ip_address_space;
mod lookups;
mod organisation;
mod service_profile;
mod sim;
mod tag;
mod tariff_profile;
mod user;

use std::collections::HashMap;
use std::sync::LazyLock;

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

static ROUTES: LazyLock<HashMap<&'static str, Route>> = LazyLock::new(|| {
    let families: Vec<Vec<Route>> = vec![
        application_token::routes(),
        authentication::routes(),
        dns::routes(),
        endpoint::routes(),
        event::routes(),
        integration::routes(),
        ip_address_space::routes(),
        lookups::routes(),
        organisation::routes(),
        service_profile::routes(),
        sim::routes(),
        tag::routes(),
        tariff_profile::routes(),
        user::routes(),
    ];
    families.into_iter().flatten().map(|route| (route.operation.operation.as_str(), route)).collect()
});

/// The implementation of an operation, if there is one.
pub fn route(operation: &Operation) -> Option<&'static Route> {
    ROUTES.get(operation.operation.as_str())
}

#[cfg(test)]
mod tests {
    mod blocks;
    mod configuration;
    mod log;
    mod organisation;
    mod recorded;
    mod sms;
    mod tags;
    mod tariffs;
    mod users;

    use super::*;

    /// How many of the 214 operations are implemented. It only grows.
    const IMPLEMENTED: usize = 159;

    #[test]
    fn the_number_of_implemented_operations_only_grows() {
        let implemented = ROUTES.len();
        assert_eq!(
            implemented,
            IMPLEMENTED,
            "{implemented} of {} operations are implemented: raise IMPLEMENTED, never lower it",
            operations::all().len()
        );
    }
}
