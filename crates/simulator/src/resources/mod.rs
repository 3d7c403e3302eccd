//! The operations, one file or folder per resource of the API. Each lists its routes in one table.

mod application_token;
pub(crate) mod authentication;
mod automation;
mod cloud_connect;
mod data_stream;
mod dns;
mod endpoint;
mod event;
mod integration;
mod ip_address_space;
mod lookups;
mod organisation;
pub mod route;
mod service_profile;
mod sim;
mod tag;
mod tariff_profile;
mod user;

use std::collections::HashMap;
use std::sync::LazyLock;

pub(crate) use self::event::show as event_record;
use self::route::Route;
use crate::operations::Operation;

static ROUTES: LazyLock<HashMap<&'static str, Route>> = LazyLock::new(|| {
    let resources: Vec<Vec<Route>> = vec![
        application_token::routes(),
        authentication::routes(),
        automation::routes(),
        cloud_connect::routes(),
        data_stream::routes(),
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
    resources.into_iter().flatten().map(|route| (route.operation.operation.as_str(), route)).collect()
});

/// The implementation of an operation, if there is one.
pub fn route_of(operation: &Operation) -> Option<&'static Route> {
    ROUTES.get(operation.operation.as_str())
}

#[cfg(test)]
mod tests {
    mod automations;
    mod blocks;
    mod cloud_connect;
    mod configuration;
    mod data_streams;
    mod log;
    mod organisation;
    mod recorded;
    mod sms;
    mod tags;
    mod tariffs;
    mod users;

    use super::*;
    use crate::operations;

    /// How many of the 215 operations are implemented. It only grows.
    const IMPLEMENTED: usize = 197;

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
