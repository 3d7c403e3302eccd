//! Messages to and from devices: what becomes of them, and who is told. [R][D]

use jiff::{SignedDuration, Timestamp};

use super::sim::Actor;
use super::traffic::Measure;
use super::{Organisation, SimState, Sms, SmsState, State, Usage};

impl Organisation {
    /// Sends a message to a device, at once unless it waits for its first attempt.
    pub fn send_sms(&mut self, actor: &mut Actor<'_>, endpoint: u64, mut sms: Sms) -> u64 {
        let row = self.endpoints.get_mut(&endpoint).expect("the caller looked it up");
        sms.sim = row.sim;
        let waits = sms.attempt_at.is_some();
        let id = row.sms.add(actor.next, sms);
        self.indexes.settled = None;
        if !waits {
            self.attempt_sms(actor, endpoint, id);
        }
        id
    }

    /// Delivered when the device is attached, buffered when it may come back, else failed.
    fn attempt_sms(&mut self, actor: &mut Actor<'_>, endpoint: u64, id: u64) {
        let row = &self.endpoints[&endpoint];
        let sim = row.sim.and_then(|sim| self.sims.get(&sim));
        let reachable = row.enabled
            && sim.is_some_and(|sim| matches!(sim.status, SimState::Activated | SimState::FactoryTest))
            && !self.lacks_sms_quota(row, actor.now);
        let attached = row.connectivity.location.is_some() && !row.connectivity.blocked;
        match (reachable, attached) {
            (false, _) => self.end_sms(actor, (endpoint, id), SmsState::Failed, actor.now),
            (true, true) => self.end_sms(actor, (endpoint, id), SmsState::Delivered, actor.now),
            (true, false) => {
                let row = self.endpoints.get_mut(&endpoint).expect("looked up above");
                row.sms.get_mut(&id).expect("the caller looked it up").status = SmsState::Buffered;
                self.indexes.settled = None;
            }
        }
    }

    /// A message reaches one of its last states, and the customer is told.
    fn end_sms(&mut self, actor: &mut Actor<'_>, (endpoint, id): (u64, u64), to: SmsState, at: Timestamp) {
        let row = self.endpoints.get_mut(&endpoint).expect("the caller looked it up");
        let sms = row.sms.get_mut(&id).expect("the caller looked it up");
        (sms.status, sms.final_date) = (to, Some(at));
        if to == SmsState::Delivered {
            row.count(actor.now, Usage { sms_rx: 1, ..Usage::default() });
            self.use_quota(actor, endpoint, Measure::Sms, 1.0);
            self.count_test_traffic(actor, endpoint, 0.0, 1);
        }
        self.tell_receipt(actor, endpoint, id);
    }

    /// Delivers what waited for a device.
    pub(super) fn deliver_buffered(&mut self, actor: &mut Actor<'_>, endpoint: u64) {
        let row = &self.endpoints[&endpoint];
        let waits = |sms: &&Sms| sms.status == SmsState::Buffered && actor.now < sms.expiry_date;
        let waiting: Vec<u64> = row.sms.values().filter(waits).map(|sms| sms.id).collect();
        for id in waiting {
            self.end_sms(actor, (endpoint, id), SmsState::Delivered, actor.now);
        }
    }

    /// What happens to a message by itself: the first attempt, and its end where nobody took it.
    pub(super) fn move_sms(&mut self, actor: &mut Actor<'_>, endpoint: u64, id: u64, at: Timestamp) {
        if self.endpoints[&endpoint].sms[&id].status == SmsState::Buffered {
            self.end_sms(actor, (endpoint, id), SmsState::Expired, at);
        } else {
            self.attempt_sms(actor, endpoint, id);
        }
    }

    /// A device sends a message; one to a short number goes to the customer. [D]
    fn take_sms(&mut self, actor: &mut Actor<'_>, endpoint: u64, mut sms: Sms) -> u64 {
        let row = self.endpoints.get_mut(&endpoint).expect("the caller looked it up");
        sms.sim = row.sim;
        row.count(actor.now, Usage { sms_tx: 1, ..Usage::default() });
        let id = row.sms.add(actor.next, sms);
        self.use_quota(actor, endpoint, Measure::Sms, 1.0);
        self.count_test_traffic(actor, endpoint, 0.0, 1);
        self.tell_message(actor, endpoint, id);
        id
    }
}

impl SmsState {
    /// The API's word for it. [R]
    pub fn name(self) -> &'static str {
        match self {
            Self::DeliveryAttemptPending => "DELIVERY ATTEMPT PENDING",
            Self::InProgress => "IN PROGRESS",
            Self::Buffered => "BUFFERED",
            Self::Delivered => "DELIVERED",
            Self::Failed => "FAILED",
            Self::Expired => "EXPIRED",
            Self::Canceled => "CANCELED",
        }
    }
}

impl Sms {
    /// When it goes on by itself.
    pub(super) fn moves(&self) -> Option<Timestamp> {
        match self.status {
            SmsState::DeliveryAttemptPending => self.attempt_at,
            // When a message that nobody took ends: one to six seconds after its time. [R]
            SmsState::Buffered => {
                Some(self.expiry_date + SignedDuration::from_secs(1 + (self.id % 6).cast_signed()))
            }
            _ => None,
        }
    }

    /// Nothing has become of it yet.
    fn is_open(&self) -> bool {
        matches!(self.status, SmsState::DeliveryAttemptPending | SmsState::InProgress | SmsState::Buffered)
    }
}

impl State {
    /// A message that waits is delivered, or fails for good.
    pub(crate) fn end_message(&mut self, id: u64, to: SmsState, now: Timestamp) -> Result<(), String> {
        let holds = |org: &&mut Organisation| org.endpoints.values().any(|row| row.sms.contains_key(&id));
        let org = self.organisations.values_mut().find(holds);
        let org = org.ok_or_else(|| format!("there is no message {id}"))?;
        let row = org.endpoints.values().find(|row| row.sms.contains_key(&id)).expect("found above");
        if !row.sms[&id].is_open() {
            return Err(format!("message {id} has come to its end"));
        }
        let mut actor = Actor { next: &mut self.next_ids, now, user: None };
        let endpoint = row.id;
        org.end_sms(&mut actor, (endpoint, id), to, now);
        Ok(())
    }

    /// An attached device sends a message.
    pub(crate) fn receive_message(
        &mut self,
        endpoint: u64,
        to: &str,
        payload: &str,
        now: Timestamp,
    ) -> Result<u64, String> {
        let org = self.organisations.values_mut().find(|org| org.endpoints.contains_key(&endpoint));
        let org = org.ok_or_else(|| format!("there is no device {endpoint}"))?;
        let row = &org.endpoints[&endpoint];
        if row.connectivity.location.is_none() || row.connectivity.blocked {
            return Err("the device is not attached".to_owned());
        }
        let sim = row.sim.and_then(|sim| org.sims.get(&sim)).ok_or("the device has no SIM")?;
        let sms = Sms {
            id: 0,
            payload: payload.to_owned(),
            source_address: sim.msisdn.clone(),
            source_address_type: 145,
            dest_address: Some(to.to_owned()),
            udh: None,
            dcs: 0,
            status: SmsState::Delivered,
            submit_date: now,
            expiry_date: now + SignedDuration::from_hours(24),
            final_date: Some(now),
            sim: None,
            mobile_originated: true,
            attempt_at: None,
        };
        let mut actor = Actor { next: &mut self.next_ids, now, user: None };
        Ok(org.take_sms(&mut actor, endpoint, sms))
    }
}
