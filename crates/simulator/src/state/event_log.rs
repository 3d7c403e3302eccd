//! Writing the event log of an organisation.

use jiff::Timestamp;

use super::{Draft, Event, EventEndpoint, EventImsi, EventSim, NextIds, Organisation};

/// Entries of the log that are kept at the most, so that memory has a bound: what 100,000 devices write in a day or so. The
/// oldest go first, as they would after 30 days.
const KEPT: usize = 500_000;

impl Organisation {
    /// Writes an event into the log.
    pub fn emit(&mut self, next: &mut NextIds, now: Timestamp, draft: Draft) {
        let endpoint = draft.endpoint.and_then(|id| self.endpoints.get(&id));
        let sim = draft
            .sim
            .or_else(|| endpoint.and_then(|endpoint| endpoint.sim))
            .and_then(|id| self.sims.get(&id));
        let event = Event {
            id: 0,
            timestamp: now,
            event_type: draft.kind.id,
            source: draft.source,
            severity: draft.severity,
            alert: draft.alert,
            description: draft.description,
            user: draft.user,
            endpoint: endpoint.map(|endpoint| EventEndpoint {
                id: endpoint.id,
                name: endpoint.name.clone(),
                tags: endpoint.tags.clone(),
                ip_address: endpoint.ip_address.map(|address| address.to_string()),
                imei: endpoint.imei.clone(),
            }),
            imsi: sim.map(|sim| EventImsi {
                id: sim.id,
                imsi: sim.imsi.clone(),
                import_date: sim.production_date,
            }),
            sim: sim.map(|sim| EventSim {
                id: sim.id,
                iccid: sim.iccid.clone(),
                production_date: sim.production_date,
            }),
            detail: draft.detail,
        };
        let id = self.events.add(next, event);
        for stream in self.data_streams.values_mut() {
            stream.offer(&self.events[&id]);
        }
        self.run_automations(next, id);
        if self.events.len() > KEPT {
            self.events.pop_first();
        }
    }
}
