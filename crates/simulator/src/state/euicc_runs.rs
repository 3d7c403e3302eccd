//! How eUICCs carry out what they were told: at the next poll, or never.

use jiff::Timestamp;

use super::euicc::{Euicc, EuiccError, EuiccOperation, EuiccProfile, ROLLBACK, action, profile, status};
use super::sim::Actor;
use super::{Organisation, State};

impl Organisation {
    /// The eUICC in a device: that of its SIM.
    fn euicc_of(&self, endpoint: u64) -> Option<u64> {
        let sim = self.sims.get(&self.endpoints.get(&endpoint)?.sim?)?;
        let holds = |euicc: &&Euicc| {
            let on_it = euicc.profiles.iter().any(|profile| profile.iccid == sim.iccid);
            sim.eid.as_ref() == Some(&euicc.eid) || on_it
        };
        self.euiccs.values().find(holds).map(|euicc| euicc.id)
    }

    /// The device that uses a profile.
    pub fn device_of_profile(&self, iccid: &str) -> Option<u64> {
        self.endpoint_of_sim(*self.indexes.sim_by_iccid.get(iccid)?)
    }

    fn reachable(&self, euicc: &Euicc) -> bool {
        let devices = euicc.profiles.iter().filter_map(|profile| self.device_of_profile(&profile.iccid));
        devices.filter_map(|id| self.endpoints.get(&id)).any(|row| row.connectivity.location.is_some())
    }

    /// Lets eUICCs poll, operations expire and switches be taken back.
    pub(super) fn settle_euiccs(&mut self, actor: &mut Actor<'_>) {
        let open = |operation: &EuiccOperation| operation.finalized.is_none();
        let euiccs: Vec<u64> = self
            .euiccs
            .values()
            .filter(|euicc| euicc.operations.values().any(open))
            .map(|euicc| euicc.id)
            .collect();
        for id in euiccs {
            let euicc = &self.euiccs[&id];
            let first = euicc.operations.values().find(|operation| operation.status == status::SCHEDULED);
            let poll = first.map(|operation| euicc.polls_after(operation.created));
            if let Some(at) = poll.filter(|at| *at <= actor.now)
                && self.reachable(euicc)
            {
                self.poll_at(actor, id, at);
            }
            let now = actor.now;
            let euicc = self.euiccs.get_mut(&id).expect("listed above");
            let mut taken_back = None;
            for operation in euicc.operations.values_mut().filter(|operation| open(operation)) {
                let back = operation.updated + ROLLBACK;
                let waits = operation.status == status::IN_PROGRESS && operation.rollback;
                if waits && back <= now {
                    taken_back = operation.before.take();
                    operation.end(status::FAILED, Some(EuiccError::rolled_back()), back);
                } else if !waits && operation.expires <= now {
                    operation.end(status::EXPIRED, None, operation.expires);
                }
            }
            if taken_back.is_some() {
                euicc.switch(taken_back.as_deref());
            }
        }
    }

    /// An eUICC asks what to do and does it, one after another, as long as its device is heard of.
    fn poll_at(&mut self, actor: &mut Actor<'_>, id: u64, at: Timestamp) {
        let euicc = self.euiccs.get_mut(&id).expect("the caller looked it up");
        euicc.last_polled = Some(at);
        let due = |row: &&EuiccOperation| row.status == status::SCHEDULED && at <= row.expires;
        let due: Vec<u64> = euicc.operations.values().filter(due).map(|operation| operation.id).collect();
        for number in due {
            let euicc = self.euiccs.get_mut(&id).expect("looked up above");
            let operation = euicc.operations[&number].clone();
            let before = euicc.enabled().map(|profile| profile.iccid.clone());
            let (ended, gone) = match euicc.run(&operation, at) {
                Err(error) => (Some((status::FAILED, Some(error))), false),
                Ok(true) if euicc.unreachable => (None, true),
                Ok(_) => (Some((status::SUCCESSFUL, None)), false),
            };
            let switched = before != euicc.enabled().map(|profile| profile.iccid.clone());
            let row = euicc.operations.get_mut(&number).expect("cloned above");
            if let Some((to, error)) = ended {
                row.end(to, error, at);
            } else {
                (row.status, row.updated, row.before) = (status::IN_PROGRESS, at, before.clone());
            }
            if gone {
                euicc.unreachable = false;
            }
            if switched && let Some(device) = before.and_then(|iccid| self.device_of_profile(&iccid)) {
                self.drop_connection(actor, device);
            }
            if gone {
                return;
            }
        }
    }
}

impl Euicc {
    /// Carries an operation out. True: the device has to come back with another profile.
    fn run(&mut self, operation: &EuiccOperation, at: Timestamp) -> Result<bool, EuiccError> {
        let iccid = operation.iccid.as_deref();
        match operation.action {
            action::DOWNLOAD => {
                let iccid = self.download(operation)?;
                if operation.enable {
                    self.switch(Some(&iccid));
                }
                return Ok(operation.enable);
            }
            action::ENABLE => {
                let row = self.profile(iccid)?;
                if row.status != profile::DISABLED {
                    return Err(EuiccError::state("disabled"));
                }
                self.switch(iccid);
                return Ok(true);
            }
            action::DISABLE => {
                let row = self.profile(iccid)?;
                if row.status != profile::ENABLED {
                    return Err(EuiccError::state("enabled"));
                }
                row.status = profile::DISABLED;
            }
            action::DELETE => {
                let row = self.profile(iccid)?;
                if row.status != profile::DISABLED {
                    return Err(EuiccError::state("disabled"));
                }
                let gone = row.iccid.clone();
                self.profiles.retain(|profile| profile.iccid != gone);
            }
            action::SET_FALLBACK => {
                let row = self.profile(iccid)?;
                if row.status == profile::AVAILABLE || !row.fallback_allowed {
                    return Err(EuiccError::state("allowed to be the fallback"));
                }
                let chosen = row.iccid.clone();
                for profile in &mut self.profiles {
                    profile.fallback = profile.iccid == chosen;
                }
            }
            action::UNSET_FALLBACK => {
                let row = self.profile(iccid)?;
                if !std::mem::take(&mut row.fallback) {
                    return Err(EuiccError::state("the fallback"));
                }
            }
            _ => self.last_audited = Some(at),
        }
        Ok(false)
    }

    /// Loads a profile that is waiting, or, by code alone, one of somebody else.
    fn download(&mut self, operation: &EuiccOperation) -> Result<String, EuiccError> {
        if let Some(iccid) = &operation.iccid {
            let row = self.profile(Some(iccid))?;
            if row.status != profile::AVAILABLE {
                return Err(EuiccError::state("available"));
            }
            row.status = profile::DISABLED;
            return Ok(iccid.clone());
        }
        let iccid = format!("8999{:015}", operation.id);
        self.profiles.push(EuiccProfile {
            iccid: iccid.clone(),
            status: profile::DISABLED,
            name: None,
            preloaded: false,
            fallback_allowed: false,
            fallback: false,
        });
        Ok(iccid)
    }
}

impl State {
    /// A device starts: its eUICC asks for operations.
    pub(crate) fn poll_euicc(&mut self, endpoint: u64, now: Timestamp) -> Result<(), String> {
        let (org, id) = self.euicc_in(endpoint)?;
        let org = self.organisations.get_mut(&org).expect("found above");
        if org.endpoints[&endpoint].connectivity.location.is_none() {
            return Err("the device is not attached".to_owned());
        }
        let mut actor = Actor { next: &mut self.next_ids, now, user: None };
        org.poll_at(&mut actor, id, now);
        Ok(())
    }

    /// A device is not heard of after the next switch of its eUICC.
    pub(crate) fn lose_after_switch(&mut self, endpoint: u64) -> Result<(), String> {
        let (org, id) = self.euicc_in(endpoint)?;
        let euicc = self.organisations.get_mut(&org).and_then(|org| org.euiccs.get_mut(&id));
        euicc.expect("found above").unreachable = true;
        Ok(())
    }

    fn euicc_in(&self, endpoint: u64) -> Result<(u64, u64), String> {
        let org = self.organisations.values().find(|org| org.endpoints.contains_key(&endpoint));
        let org = org.ok_or_else(|| format!("there is no device {endpoint}"))?;
        let euicc = org.euicc_of(endpoint).ok_or("the device has no eUICC")?;
        Ok((org.id, euicc))
    }
}
