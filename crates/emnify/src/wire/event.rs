//! The event log: 30 days of what happened, by anyone.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::common::Named;
use super::lenient;
use super::listing::Listing;
use super::record::record;
use crate::api::Api;
use crate::call::Call;
use crate::error::Error;
use crate::limits::Class;
use crate::page::{Cursor, Page};

/// The page of events unless told otherwise [R].
const USUAL_PAGE: usize = 100;
/// So many events of a device are looked at.
const NEWEST: u32 = 100;

record!(
    /// An event. New types and keys may come at any time [P].
    #[derive(Debug, Clone, PartialEq)]
    pub struct Event {
        /// Its id: beyond 2^48 [R].
        pub id: i64,
        /// When it happened, by the server's clock.
        pub timestamp: Option<Timestamp>,
        /// What happened.
        pub event_type: Option<Named>,
        /// 0 network, 1 policy, 2 API or portal.
        #[read(lenient::reference)]
        pub event_source: Option<i64>,
        /// 0 info, 1 warning, 2 critical.
        #[read(lenient::reference)]
        pub event_severity: Option<i64>,
        /// It was raised as an alert.
        pub alert: bool,
        /// In words.
        pub description: String,
        /// The device it is about.
        pub endpoint: Option<Named>,
        /// The SIM it is about.
        pub sim: Option<EventSim>,
        /// Who did it; absent for application tokens [R].
        pub user: Option<EventUser>,
        /// More, depending on the type; `null` where there is none.
        pub detail: Value,
    }
);

record!(
    /// The SIM of an event.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct EventSim {
        /// Its id.
        pub id: Option<i64>,
        /// 19 digits.
        pub iccid: Option<String>,
    }
);

record!(
    /// The person of an event.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct EventUser {
        /// Their id.
        pub id: Option<i64>,
        /// Their e-mail address.
        pub username: Option<String>,
    }
);

impl Event {
    /// Id of its type.
    pub fn kind(&self) -> Option<i64> {
        self.event_type.as_ref().map(|kind| kind.id)
    }

    /// Id of its device.
    pub fn endpoint_id(&self) -> Option<i64> {
        self.endpoint.as_ref().map(|endpoint| endpoint.id)
    }

    /// Id of its SIM. Events about a SIM in a device may name the SIM alone [R].
    pub fn sim_id(&self) -> Option<i64> {
        self.sim.as_ref()?.id
    }
}

record!(
    /// What a record of a data stream names: an event or a usage record, whose keys are alike. New keys may come at any time;
    /// only these are looked at.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct Record {
        /// When it happened, by the server's clock: of events only.
        pub timestamp: Option<Timestamp>,
        /// Id of the organisation.
        #[read(lenient::reference)]
        pub organisation: Option<i64>,
        /// Id of the device.
        #[read(lenient::reference)]
        pub endpoint: Option<i64>,
        /// Id of the SIM.
        #[read(lenient::reference)]
        pub sim: Option<i64>,
    }
);

/// Events between two times of the server's clock, both included, by whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventWindow {
    /// From then.
    pub from: Timestamp,
    /// Until then.
    pub until: Timestamp,
}

impl EventWindow {
    /// The listing of the window. The API wants both ends or neither.
    fn narrow(self, listing: Listing) -> Listing {
        let date = |at: Timestamp| at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        listing.filter("from", date(self.from)).filter("until", date(self.until))
    }
}

impl Api {
    /// Types of events, by name.
    pub async fn event_types(&self) -> Result<Vec<Named>, Error> {
        self.call(Call::get("/api/v1/event/type")).await?.lookup()
    }

    /// The newest events of a device, the newest first.
    pub async fn newest_events_of(&self, endpoint: i64) -> Result<Vec<Event>, Error> {
        let call = Call::get("/api/v1/endpoint/{endpoint_id}/event").arg(endpoint).limited(Class::Listing);
        let listing = Listing::all().sort("-timestamp").per_page(NEWEST);
        let reply = self.call(listing.apply(call, Cursor::first())).await?;
        let full = usize::try_from(NEWEST).ok();
        let (page, odd) = readable(reply.page(Cursor::first(), full)?);
        reply.counters.add_unread(reply.route, odd);
        Ok(page.items)
    }

    /// One page of the event log, all of it or a window. Of an event that cannot be decoded only id and time are kept, and one
    /// without an id is left out: the log only hints.
    pub async fn list_events(
        &self,
        at: Cursor,
        window: Option<EventWindow>,
        listing: Listing,
    ) -> Result<Page<Event>, Error> {
        let listing = match window {
            Some(window) => window.narrow(listing),
            None => listing,
        };
        let full = listing.full(USUAL_PAGE, usize::MAX);
        let reply = self.call(listing.apply(Call::get("/api/v1/event").limited(Class::Listing), at)).await?;
        let (page, odd) = readable(reply.page(at, Some(full))?);
        reply.counters.add_unread(reply.route, odd);
        Ok(page)
    }
}

/// What can be read, and how many of them cannot, or not as a whole.
fn readable(mut page: Page<Value>) -> (Page<Event>, usize) {
    let all = std::mem::take(&mut page.items);
    let shown = all.len();
    let mut whole = 0;
    let items: Vec<Event> = all
        .into_iter()
        .filter_map(|value| {
            let bare = serde_json::json!({"id": value.get("id"), "timestamp": value.get("timestamp")});
            let event = serde_json::from_value(value);
            whole += usize::from(event.is_ok());
            event.or_else(|_| serde_json::from_value(bare)).ok()
        })
        .collect();
    if whole < shown {
        tracing::warn!(target: "emnify::http", unreadable = shown - whole, "events could not be read");
    }
    (page.with(items), shown - whole)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_of_all_producers_are_read_and_broken_ones_left_out() {
        let items = vec![
            json!({"id": 281_474_976_710_777_i64, "timestamp": "2022-03-27T23:20:49.298Z", "alert": false,
                   "event_type": {"id": 3, "description": "Create PDP Context"}, "event_source": {"id": 0, "name": "Network"},
                   "endpoint": {"id": 9, "name": "d", "tags": null}, "sim": {"id": 4, "iccid": "8988"}, "detail": {"a": 1}}),
            json!({"id": 5, "timestamp": "2022-03-27 23:20:49", "alert": 1, "event_type": {"id": "12"},
                   "endpoint": null, "sim": null, "user": null, "keen": {}}),
            json!({"timestamp": "2022-03-27 23:20:49"}),
            json!({"id": 6, "timestamp": "2022-03-27 23:20:50", "alert": [], "endpoint": {"id": 9}}),
        ];
        let page = Page {
            items,
            page: 1,
            pages: 1,
            total: None,
            server_time: None,
            unreadable: vec![],
            nameless: 0,
            cut: false,
        };
        let (page, odd) = readable(page);
        assert_eq!(odd, 2, "they are counted");
        let events = page.items;
        assert_eq!(events.len(), 3, "one without an id cannot be told from others");
        let bare = (events[2].id, events[2].endpoint_id(), events[2].timestamp.is_some());
        assert_eq!(bare, (6, None, true), "a broken one is known to be there");
        assert_eq!((events[0].kind(), events[0].endpoint_id()), (Some(3), Some(9)));
        assert_eq!((events[1].kind(), events[1].endpoint_id(), events[1].alert), (Some(12), None, true));
        assert!(events[1].timestamp.is_some());
    }

    #[test]
    fn records_name_their_objects_whatever_else_they_hold() {
        let usage = json!({"id": 1, "traffic_type": {"id": 5}, "volume": {"total": 0.1}, "endpoint": {"id": 9, "balance": null},
            "sim": {"id": "4", "iccid": "8988"}, "organisation": {"id": 42, "name": "o"}});
        let record: Record = serde_json::from_value(usage).unwrap();
        assert_eq!(
            record,
            Record { organisation: Some(42), endpoint: Some(9), sim: Some(4), ..Record::default() }
        );
        let none: Record = serde_json::from_value(json!({"endpoint": null, "sim": [], "x": 1})).unwrap();
        assert_eq!(none, Record::default());
    }

    #[test]
    fn a_window_names_both_ends_in_utc() {
        let at = |text: &str| text.parse().unwrap();
        let window =
            EventWindow { from: at("2026-01-01T00:00:00.5Z"), until: at("2026-01-01T01:00:00+01:00") };
        let call = window.narrow(Listing::all()).apply(Call::get("/r"), Cursor::first());
        assert_eq!(call.query[0].1, "from:2026-01-01T00:00:00Z,until:2026-01-01T00:00:00Z");
    }
}
