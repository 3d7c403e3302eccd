//! Where a device is: one read, then events.

use emnify::wire::connectivity::{Connectivity as Wire, Session};
use emnify_engine::kind::reason;
use jiff::Timestamp;

use crate::kinds::common::group;

/// Where a device was at some time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connectivity {
    /// emnify's word: `ONLINE`, `ATTACHED`, `OFFLINE`, `BLOCKED`; others may come.
    pub word: String,
    /// Visited operator.
    pub operator: Option<String>,
    /// Visited country.
    pub country: Option<String>,
    /// Radio technology.
    pub rat_type: Option<String>,
    /// `mcc-mnc-lac-ci`, as far as known.
    pub cell: Option<String>,
    /// Since when.
    pub since: Option<Timestamp>,
}

impl Connectivity {
    /// The state as statuses write it; a word this version does not know is shown as it is.
    pub fn state(&self) -> &str {
        match self.word.as_str() {
            "ONLINE" => "Online",
            "ATTACHED" => "Attached",
            "OFFLINE" => "Offline",
            "BLOCKED" => "Blocked",
            other => other,
        }
    }
}

impl Connectivity {
    /// The same with what earlier news told and this does not: session events do not say where, and while a device is
    /// attached it is where it was. A cell lasts no longer than its session.
    #[must_use]
    pub fn after(self, before: &Self) -> Self {
        if self.state() == "Offline" {
            return self;
        }
        Self {
            operator: self.operator.or_else(|| before.operator.clone()),
            country: self.country.or_else(|| before.country.clone()),
            rat_type: self.rat_type.or_else(|| before.rat_type.clone()),
            ..self
        }
    }
}

/// The later of what an event said and what was read: an event may be heard after a read that already shows more. What has
/// no time says less.
pub fn newest<'a>(
    event: Option<&'a Connectivity>,
    read: Option<&'a Connectivity>,
) -> Option<&'a Connectivity> {
    match (event, read) {
        (Some(event), Some(read)) if read.since > event.since => Some(read),
        _ => event.or(read),
    }
}

/// Counts a device, and where it is while a network carries it. A word that this version does not know is no label.
pub fn census(
    event: Option<&Connectivity>,
    read: Option<&Connectivity>,
    put: &mut dyn FnMut(&'static str, &str),
) {
    let Some(seen) = newest(event, read) else { return put(group::CONNECTIVITY, reason::UNKNOWN) };
    let known = ["Online", "Attached", "Offline", "Blocked"].contains(&seen.state());
    put(group::CONNECTIVITY, if known { seen.state() } else { "Other" });
    if ["Online", "Attached"].contains(&seen.state()) {
        put(group::COUNTRY, seen.country.as_deref().unwrap_or(reason::UNKNOWN));
        put(group::RAT, seen.rat_type.as_deref().unwrap_or(reason::UNKNOWN));
    }
}

impl From<Wire> for Connectivity {
    fn from(wire: Wire) -> Self {
        let Wire { status, location, session } = wire;
        let place = location.unwrap_or_default();
        let began = session.as_ref().and_then(|session| session.created);
        let rat = session.as_ref().and_then(|session| session.rat_type.clone());
        Self {
            word: status,
            operator: place.operator.and_then(|operator| operator.name),
            country: place.country.and_then(|country| country.name),
            rat_type: rat.and_then(|rat| rat.description.or_else(|| rat.rat_type_id.map(rat_name))),
            cell: session.as_ref().and_then(cell),
            since: began.or(place.last_updated_gprs.max(place.last_updated)),
        }
    }
}

fn cell(session: &Session) -> Option<String> {
    let parts = [&session.mcc, &session.mnc, &session.lac, &session.ci];
    let known: Vec<&str> = parts.into_iter().map_while(|part| part.as_deref()).collect();
    (known.len() > 2).then(|| known.join("-"))
}

/// 3GPP's numbers of radio technologies, in emnify's words.
pub(super) fn rat_name(id: i64) -> String {
    match id {
        1 => "3G".into(),
        2 => "2G".into(),
        6 => "4G".into(),
        8 => "NB-IoT".into(),
        9 => "LTE-M".into(),
        10 => "5G".into(),
        other => format!("RAT {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_counts_by_what_was_seen_last_and_has_a_place_while_it_is_reachable() {
        let seen = |word: &str, country: Option<&str>| Connectivity {
            word: word.into(),
            country: country.map(Into::into),
            ..Connectivity::default()
        };
        let count = |event: Option<&Connectivity>| {
            let mut all = Vec::new();
            census(event, None, &mut |group, name| all.push(format!("{group} {name}")));
            all
        };
        assert_eq!(count(None), ["connectivity Unknown"]);
        let online = ["connectivity Online", "country Germany", "rat Unknown"];
        assert_eq!(count(Some(&seen("ONLINE", Some("Germany")))), online);
        assert_eq!(count(Some(&seen("OFFLINE", Some("Germany")))), ["connectivity Offline"]);
        assert_eq!(count(Some(&seen("SLEEPING", None))), ["connectivity Other"], "labels are bounded");
    }

    #[test]
    fn an_event_does_not_put_back_what_was_read_later() {
        let seen = |word: &str, second: Option<i64>| Connectivity {
            word: word.into(),
            since: second.map(|second| Timestamp::from_second(second).unwrap()),
            ..Connectivity::default()
        };
        let word =
            |event: &Connectivity, read: &Connectivity| newest(Some(event), Some(read)).unwrap().word.clone();
        assert_eq!(word(&seen("ATTACHED", Some(10)), &seen("ONLINE", Some(20))), "ONLINE");
        assert_eq!(word(&seen("OFFLINE", Some(30)), &seen("ONLINE", Some(20))), "OFFLINE");
        assert_eq!(word(&seen("OFFLINE", Some(20)), &seen("ONLINE", Some(20))), "OFFLINE", "the log goes on");
        assert_eq!(word(&seen("ATTACHED", Some(10)), &seen("OFFLINE", None)), "ATTACHED");
        assert_eq!(newest(None, Some(&seen("ONLINE", None))).unwrap().word, "ONLINE");
        assert_eq!(newest(None, None), None);
    }
}
