//! Devices.

mod bulk;
mod change;
mod connectivity;
mod limits;
mod path;
mod quota;
mod read;
mod render;
mod sms;
mod stats;
#[cfg(test)]
mod tests;
mod write;

use super::route::{Class, Route};

pub(super) use render::luhn;
pub(super) use stats::{daily_json, usage_json};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::moved("get-endpoints", read::list).class(Class::Ten),
        Route::java("create-endpoint", write::create).endpoint_write(),
        Route::java("endpoint-status-get", read::statuses),
        Route::moved("endpoint-by-id-get", read::get).class(Class::Fifty),
        Route::java("endpoint-by-id-patch", write::patch).endpoint_write(),
        Route::java("endpoint-by-id-delete", write::delete).endpoint_write(),
        Route::express("bulk-create-endpoint", bulk::create).endpoint_write(),
        Route::express("bulk-update-endpoint", bulk::patch).endpoint_write(),
        Route::express("bulk-delete-endpoint", bulk::delete).endpoint_write(),
        Route::php("endpoint-connectivity-by-id-get", connectivity::get).class(Class::Fifty),
        Route::php("update-endpoint-connectivity-by-id", connectivity::reset),
        Route::express("get-connectivity-info-by-endpoint-id", connectivity::info).class(Class::Ten),
        Route::java("endpoint-operator-blacklist-by-endpoint-id-get", limits::blacklist),
        Route::java("endpoint-operator-blacklist-by-ep-id-and-operator-id-put", limits::block),
        Route::java("endpoint-operator-blacklist-by-ep-id-and-operator-id-delete", limits::unblock),
        Route::java("get-endpoint-traffic-limit-extensions", limits::extensions),
        Route::java("create-endpoint-traffic-limit-extension", limits::extend),
        Route::java("delete-endpoint-traffic-limit-extensions", limits::end_extensions),
        Route::php("endpoint-quota-data-by-endpoint-id-get", quota::get_data),
        Route::php("endpoint-quota-data-by-endpoint-id-post", quota::set_data),
        Route::php("delete-endpoint-data-quota-by-id", quota::delete_data),
        Route::php("endpoint-quota-sms-by-endpoint-id-get", quota::get_sms),
        Route::php("endpoint-quota-sms-by-endpoint-id-post", quota::set_sms),
        Route::php("delete-endpoint-sms-quota-by-id", quota::delete_sms),
        Route::php("endpoint-sms-by-id-get", sms::list),
        Route::php("endpoint-sms-by-id-post", sms::send),
        Route::php("endpoint-sms-by-endpoint-id-and-sms-id-get", sms::get),
        Route::php("endpoint-sms-by-endpoint-id-and-sms-id-delete", sms::cancel),
        Route::php("endpoint-stats-by-id-get", stats::months).class(Class::Hundred),
        Route::php("endpoint-stats-daily-by-id-get", stats::daily).class(Class::Hundred),
    ]
}
