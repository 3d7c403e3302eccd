//! The operations, one file or folder per resource of the API. Each lists its routes in one table.

mod application_token;
pub(crate) mod authentication;
mod automation;
mod cloud_connect;
mod data_stream;
mod dns;
mod endpoint;
mod euicc;
mod event;
mod integration;
mod ip_address_space;
mod lookups;
mod organisation;
pub mod route;
mod scheduled;
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
        euicc::routes(),
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
    mod all;
    mod automations;
    mod blocks;
    mod callbacks;
    mod cloud_connect;
    mod configuration;
    mod data_streams;
    mod log;
    mod migrations;
    mod organisation;
    mod recorded;
    mod sim_operations;
    mod sms;
    mod tags;
    mod tariffs;
    mod users;

    use super::*;
    use crate::operations;

    #[test]
    fn every_operation_is_implemented() {
        let missing: Vec<_> = operations::all().iter().filter(|known| route_of(known).is_none()).collect();
        assert!(missing.is_empty(), "nobody answers {missing:?}");
        assert_eq!(ROUTES.len(), operations::all().len());
    }
}
