//! When a customer's URL is called about messages. [D]

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::data_stream::RETRIES;
use super::sim::Actor;
use super::{Callback, Organisation, Sms, State};
use crate::rules::{dates, loopback};

/// Longest number that goes to an application; a longer one is a telephone. [D]
const SHORT: usize = 7;
/// The interface whose callers get receipts: REST. [R]
const REST: u64 = 1;

impl Organisation {
    /// What became of a message to a device. What a receipt looks like is not published. [?]
    pub(super) fn tell_receipt(&mut self, actor: &mut Actor<'_>, endpoint: u64, id: u64) {
        let profile = &self.service_profiles[&self.endpoints[&endpoint].service_profile];
        if profile.esme_interface_type.is_some_and(|interface| interface != REST) {
            return;
        }
        let sms = &self.endpoints[&endpoint].sms[&id];
        let mut body = self.written(endpoint, sms);
        body["status"] = json!({"id": sms.status as u64, "description": sms.status.name()});
        body["final_date"] = json!(sms.final_date.map(dates::php));
        self.call_back(actor, endpoint, "PATCH", body);
    }

    /// A message of a device, where it is for an application. [D]
    pub(super) fn tell_message(&mut self, actor: &mut Actor<'_>, endpoint: u64, id: u64) {
        let sms = &self.endpoints[&endpoint].sms[&id];
        let number = sms.dest_address.as_deref().unwrap_or_default();
        if number.chars().filter(char::is_ascii_digit).count() <= SHORT {
            let body = self.written(endpoint, sms);
            self.call_back(actor, endpoint, "POST", body);
        }
    }

    fn written(&self, endpoint: u64, sms: &Sms) -> Value {
        json!({
            "id": sms.id,
            "endpoint": {"id": endpoint, "name": self.endpoints[&endpoint].name},
            "organisation": {"id": self.id, "name": self.name},
            "source_address": sms.source_address,
            "dest_address": sms.dest_address,
            "payload": sms.payload,
            "dcs": sms.dcs,
            "pid": 0,
            "submit_date": dates::php(sms.submit_date),
        })
    }

    fn call_back(&mut self, actor: &mut Actor<'_>, endpoint: u64, method: &str, body: Value) {
        let profile = &self.service_profiles[&self.endpoints[&endpoint].service_profile];
        let callback = profile.api_callback.and_then(|id| self.api_callbacks.get(&id));
        let Some(url) = callback.map(|row| row.url.clone()).filter(|url| loopback(url).is_some()) else {
            return;
        };
        let secret = profile.api_secret.and_then(|id| self.api_secrets.get(&id));
        let secret = secret.map(|row| row.secret.clone());
        let method = method.to_owned();
        let row = Callback { id: 0, url, secret, method, body, failures: 0, retry_at: None };
        self.callbacks.add(actor.next, row);
    }
}

impl State {
    /// Calls that are to be made now, by their organisation, and when to look again if nothing happens.
    pub(crate) fn callbacks_due(&self, now: Timestamp) -> (Vec<(u64, Callback)>, Option<Timestamp>) {
        let all = self.organisations.values();
        let all = all.flat_map(|org| org.callbacks.values().map(|row| (org.id, row.clone())));
        let (later, due): (Vec<_>, Vec<_>) =
            all.partition(|(_, row)| row.retry_at.is_some_and(|at| at > now));
        let next = later.iter().filter_map(|(_, row)| row.retry_at).min();
        (due, next)
    }

    /// A call was taken or not. One that nobody takes is given up. [?]
    pub(crate) fn called_back(&mut self, organisation: u64, id: u64, taken: bool, now: Timestamp) {
        let Some(org) = self.organisations.get_mut(&organisation) else { return };
        let Some(row) = org.callbacks.get_mut(&id) else { return };
        match RETRIES.get(row.failures).filter(|_| !taken) {
            Some(pause) => {
                row.failures += 1;
                row.retry_at = Some(now + SignedDuration::from_secs(*pause));
            }
            None => {
                org.callbacks.remove(&id);
            }
        }
    }
}
