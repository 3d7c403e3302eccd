//! Logging in, second factors and trusted devices.

mod login;
mod mfa;
#[cfg(test)]
mod tests;
pub(crate) mod totp;

use super::route::{Class, Needs, Route};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::moved("authenticate", login::authenticate).class(Class::Login).needs(Needs::Nothing),
        Route::express("authenticate-workspace", login::switch_workspace).needs(Needs::Person),
        Route::java("post-mfa", mfa::create).needs(Needs::Person),
        Route::java("user-mfa-by-id-patch", mfa::activate).needs(Needs::Person),
        Route::java("user-mfa-by-user-id-and-key-id-delete", mfa::delete).needs(Needs::Person),
        Route::java("user-mfa-trusted-device-by-user-id-get", mfa::trusted_devices).needs(Needs::Person),
        Route::java("user-mfa-trusted-device-by-user-id-and-device-id-delete", mfa::distrust)
            .needs(Needs::Person),
    ]
}
