//! Faults on demand.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::operations::{self, Operation};

/// A rule: which calls it strikes and how. Of several that strike, the first added wins.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fault {
    /// HTTP method; none: any.
    pub method: Option<String>,
    /// Path template as in the published API, such as `/api/v1/endpoint/{endpoint_id}`; none: any.
    pub route: Option<String>,
    /// Share of the calls it strikes, 0 to 1.
    pub probability: Option<f64>,
    /// Strikes only the n-th matching call, counted from 1.
    pub nth: Option<u64>,
    /// Strikes at most so often.
    pub times: Option<u64>,
    /// Whether the call takes effect before the fault shows.
    pub commit: bool,
    /// Waits that long (such as `2s`), before or after the call took effect.
    pub delay: Option<String>,
    /// Answers with that status instead.
    pub status: Option<u16>,
    /// The body of that answer.
    pub body: Option<Value>,
    /// `Retry-After` of that answer, in seconds.
    pub retry_after: Option<u64>,
    /// Cuts the connection instead of answering.
    pub reset: bool,
    /// Cuts the connection in the middle of the answer's body; the call takes effect.
    pub truncate: bool,
}

impl Fault {
    /// The delay, if it has one.
    pub fn wait(&self) -> Option<std::time::Duration> {
        let delay: jiff::SignedDuration = self.delay.as_deref()?.parse().ok()?;
        delay.try_into().ok()
    }

    fn check(&self) -> Result<(), String> {
        if let Some(route) = &self.route
            && !operations::all().iter().any(|operation| operation.path == *route)
        {
            return Err(format!("route: {route} is no path template of the API"));
        }
        if self.delay.is_some() && self.wait().is_none() {
            return Err("delay: not a duration such as 2s".to_owned());
        }
        if self.probability.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            return Err("probability: not between 0 and 1".to_owned());
        }
        if self.status.is_some_and(|status| !(200..600).contains(&status)) {
            return Err("status: not an HTTP status".to_owned());
        }
        if self.status.is_none() && self.delay.is_none() && !self.reset && !self.truncate {
            return Err("one of status, delay, reset or truncate is needed".to_owned());
        }
        Ok(())
    }

    fn concerns(&self, operation: &Operation) -> bool {
        self.method.as_ref().is_none_or(|method| method.eq_ignore_ascii_case(&operation.method))
            && self.route.as_ref().is_none_or(|route| *route == operation.path)
    }
}

/// The active rules.
#[derive(Debug)]
pub struct Faults {
    rules: Vec<Active>,
    chance: StdRng,
}

#[derive(Debug)]
struct Active {
    fault: Fault,
    seen: u64,
    struck: u64,
}

impl Faults {
    /// No rules; chance follows the seed.
    pub fn new(seed: u64) -> Self {
        Self { rules: Vec::new(), chance: StdRng::seed_from_u64(seed) }
    }

    /// Adds a rule.
    ///
    /// # Errors
    /// A sentence naming the field that makes no sense.
    pub fn add(&mut self, fault: Fault) -> Result<(), String> {
        fault.check()?;
        self.rules.push(Active { fault, seen: 0, struck: 0 });
        Ok(())
    }

    /// Removes all rules.
    pub fn clear(&mut self) {
        self.rules.clear();
    }

    /// The fault that strikes this call.
    pub fn strike(&mut self, operation: &Operation) -> Option<Fault> {
        let mut strikes = None;
        for rule in &mut self.rules {
            if !rule.fault.concerns(operation) {
                continue;
            }
            rule.seen += 1;
            let chosen = rule.fault.nth.is_none_or(|nth| nth == rule.seen)
                && rule.fault.times.is_none_or(|times| rule.struck < times)
                && rule.fault.probability.is_none_or(|share| self.chance.random_bool(share));
            if chosen && strikes.is_none() {
                rule.struck += 1;
                strikes = Some(rule.fault.clone());
            }
        }
        strikes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_strikes_the_nth_matching_call_only() {
        let mut faults = Faults::new(1);
        let rule = Fault {
            method: Some("post".to_owned()),
            route: Some("/api/v1/endpoint".to_owned()),
            nth: Some(2),
            status: Some(503),
            ..Fault::default()
        };
        faults.add(rule.clone()).expect("a sound rule");
        let create = operations::named("create-endpoint").expect("known");
        let list = operations::named("get-endpoints").expect("known");
        let struck: Vec<_> =
            [create, list, create, create].map(|operation| faults.strike(operation).is_some()).into();
        assert_eq!(struck, [false, false, true, false]);
    }

    #[test]
    fn a_rule_without_sense_is_refused_by_field() {
        let mut faults = Faults::new(1);
        let rule = Fault { route: Some("/api/v1/endpoints".to_owned()), reset: true, ..Fault::default() };
        assert!(faults.add(rule).is_err_and(|why| why.starts_with("route")));
        assert!(faults.add(Fault::default()).is_err(), "a rule must do something");
    }

    #[test]
    fn a_probability_is_a_share_of_the_calls() {
        let struck = |share| {
            let mut faults = Faults::new(1);
            let rule = Fault { probability: Some(share), status: Some(500), ..Fault::default() };
            faults.add(rule).expect("a sound rule");
            let list = operations::named("get-endpoints").expect("known");
            (0..1_000).filter(|_| faults.strike(list).is_some()).count()
        };
        assert_eq!((struck(0.0), struck(1.0)), (0, 1_000));
        assert!((200..400).contains(&struck(0.3)), "about three of ten");
    }
}
