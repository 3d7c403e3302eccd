//! The life of a SIM: which wanted state may be applied when. `Endpoint` follows the same rules for its SIM.

use std::fmt;

use emnify_engine::kind::Invalid;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::period::{ActivePeriod, Period};

/// Wanted state of the SIM. `Activated`: in service, and billed in every month in which it was active. `Suspended`: out of
/// service, free from the first day of the next month. `FactoryTest`: in service and free up to emnify's thresholds, then
/// activated by emnify, which satisfies `FactoryTest`. It is applied when the spec changes: a SIM that somebody suspends
/// in the portal is reported and not activated again. Unset: the state is left alone. Only one object may set the state
/// of a SIM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum SimState {
    /// In service and billed in every month in which it was active.
    Activated,
    /// Out of service; free from the first day of the next month.
    Suspended,
    /// In service and free up to emnify's thresholds, then activated by emnify.
    FactoryTest,
}

impl SimState {
    /// Status id in the API. [S]
    pub fn id(self) -> i64 {
        match self {
            Self::Activated => status::ACTIVATED,
            Self::Suspended => status::SUSPENDED,
            Self::FactoryTest => status::FACTORY_TEST,
        }
    }
}

impl fmt::Display for SimState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&status::name(self.id()))
    }
}

/// SIM status ids and their names.
pub mod status {
    use std::borrow::Cow;

    pub use emnify::wire::sim::status::{ACTIVATED, DELETED, FACTORY_TEST, ISSUED, SUSPENDED};

    /// As specs and statuses write it.
    pub fn name(id: i64) -> Cow<'static, str> {
        Cow::Borrowed(match id {
            ISSUED => "Issued",
            ACTIVATED => "Activated",
            SUSPENDED => "Suspended",
            DELETED => "Deleted",
            FACTORY_TEST => "FactoryTest",
            other => return Cow::Owned(format!("Unknown{other}")),
        })
    }
}

/// What a wanted state means for a SIM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// Nothing to do.
    Stay,
    /// Set this state; further ones may follow.
    To(SimState),
    /// Differs, and only an edit of the spec may change that: SIMs are never activated as drift.
    Drifted,
    /// In a state that this version does not know, or that emnify passes through: what it waits for.
    Passing(String),
    /// emnify has no such transition, or it needs a consent that is missing.
    Illegal(String),
}

/// The wanted state of a SIM, with all that the spec says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WantedState {
    /// The state.
    pub state: SimState,
    /// When `Activated` holds.
    pub period: Period,
    /// Consent to end Factory Test.
    pub acknowledged: bool,
}

impl WantedState {
    /// What a spec says; `path` is put before the names of its fields, `acknowledged` the consent to end Factory Test.
    ///
    /// # Errors
    /// Those of the period.
    pub fn read(
        state: Option<SimState>,
        active: &ActivePeriod,
        acknowledged: Option<bool>,
        path: &str,
    ) -> Result<Option<Self>, Invalid> {
        let period = active.read(path)?;
        Ok(state.map(|state| Self { state, period, acknowledged: acknowledged == Some(true) }))
    }

    /// Whether a SIM may be activated as soon as it is there, whatever the date.
    pub fn activates_at_once(&self) -> bool {
        self.state == SimState::Activated && self.period.is_open()
    }

    /// What to do about a SIM in state `have`. Outside its period an activated SIM is suspended; one that costs nothing is left
    /// as it is.
    pub fn next(&self, have: i64, edited: bool, now: Timestamp) -> Move {
        let rests = self.state == SimState::Activated && !self.period.holds(now);
        match have {
            status::ISSUED | status::FACTORY_TEST if rests => Move::Stay,
            _ if rests => next(have, SimState::Suspended, edited, self.acknowledged),
            _ => next(have, self.state, edited, self.acknowledged),
        }
    }
}

/// Decides what to do about a wanted state.
///
/// emnify's transitions are 0->1, 0->4, 4->1 and 1<->2 [S]. Activation happens only on an `edited` spec, never as
/// drift; suspension stops costs and is corrected at any time. Ending Factory Test other than by
/// `state: Activated` needs to be `acknowledged`, because the SIM is activated on the way.
fn next(have: i64, want: SimState, edited: bool, acknowledged: bool) -> Move {
    use SimState::{Activated, FactoryTest, Suspended};
    match (want, have) {
        (Activated, status::ACTIVATED)
        | (Suspended, status::SUSPENDED)
        | (FactoryTest, status::FACTORY_TEST | status::ACTIVATED) => Move::Stay,
        (Activated, status::ISSUED | status::SUSPENDED | status::FACTORY_TEST)
        | (FactoryTest, status::ISSUED) => {
            if edited {
                Move::To(want)
            } else {
                Move::Drifted
            }
        }
        (Suspended, status::ACTIVATED) => Move::To(Suspended),
        (Suspended, status::FACTORY_TEST) if acknowledged && edited => Move::To(Activated),
        (Suspended, status::FACTORY_TEST) => Move::Illegal(
            "the SIM is in FactoryTest and is activated (and billed) before it can be suspended; set \
             acknowledgeFactoryTestEnd: true to allow that, or remove the state"
                .into(),
        ),
        (Suspended, status::ISSUED) => Move::Illegal(
            "the SIM is Issued and emnify suspends activated SIMs only; an Issued SIM costs nothing: remove the state, \
             or set Activated first"
                .into(),
        ),
        (FactoryTest, status::SUSPENDED) if !edited => Move::Drifted,
        (FactoryTest, status::SUSPENDED) => Move::Illegal(
            "the SIM is Suspended and emnify starts FactoryTest on Issued SIMs only; set Suspended or Activated".into(),
        ),
        (_, status::DELETED) => {
            Move::Illegal("the SIM is deleted in emnify, which is final; name another SIM".into())
        }
        (_, other) => Move::Passing(format!(
            "the SIM is in state {} in emnify, from which no transition to {want} is known; it is waited for, and may be \
             changed in the portal",
            status::name(other)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use SimState::{Activated, FactoryTest, Suspended};

    fn refusal(have: i64, want: SimState, acknowledged: bool) -> String {
        match next(have, want, true, acknowledged) {
            Move::Illegal(why) => why,
            other => panic!("{have} -> {want} is not refused: {other:?}"),
        }
    }

    fn to(have: i64, want: SimState) -> Option<SimState> {
        match next(have, want, true, false) {
            Move::To(state) => Some(state),
            _ => None,
        }
    }

    #[test]
    fn only_the_transitions_that_emnify_has_are_sent() {
        let legal = [(0, Activated), (0, FactoryTest), (4, Activated), (2, Activated), (1, Suspended)];
        for have in 0..=5 {
            for want in [Activated, Suspended, FactoryTest] {
                let expected = legal.contains(&(have, want)).then_some(want);
                assert_eq!(to(have, want), expected, "{have} -> {want}");
            }
        }
    }

    #[test]
    fn what_emnify_cannot_do_is_refused_with_the_mend() {
        for (have, want, mend) in [
            (status::ISSUED, Suspended, "set Activated first"),
            (status::SUSPENDED, FactoryTest, "set Suspended or Activated"),
            (status::DELETED, Activated, "name another SIM"),
        ] {
            let why = refusal(have, want, true);
            assert!(why.contains(mend), "{why}");
        }
    }

    #[test]
    fn a_state_that_nobody_knows_is_waited_for_and_called_nobodys_mistake() {
        for want in [Activated, Suspended, FactoryTest] {
            for edited in [true, false] {
                let Move::Passing(why) = next(9, want, edited, true) else {
                    panic!("9 -> {want} is no invalid spec");
                };
                assert!(why.contains("Unknown9") && why.contains("waited for"), "{why}");
            }
        }
    }

    #[test]
    fn factory_test_that_has_become_activated_is_satisfied() {
        assert_eq!(next(status::ACTIVATED, FactoryTest, true, false), Move::Stay);
        assert_eq!(next(status::ACTIVATED, FactoryTest, false, false), Move::Stay);
    }

    #[test]
    fn suspending_in_factory_test_needs_the_consent_and_goes_through_activated() {
        let why = refusal(status::FACTORY_TEST, Suspended, false);
        assert!(why.contains("acknowledgeFactoryTestEnd"), "the message names the field: {why}");
        assert_eq!(next(status::FACTORY_TEST, Suspended, true, true), Move::To(Activated));
        assert_eq!(next(status::ACTIVATED, Suspended, true, true), Move::To(Suspended), "the second step");
    }

    #[test]
    fn nothing_is_activated_as_drift_but_suspension_is_corrected() {
        for (have, want) in
            [(2, Activated), (0, Activated), (4, Activated), (0, FactoryTest), (2, FactoryTest)]
        {
            assert_eq!(next(have, want, false, true), Move::Drifted, "{have} -> {want} is not an edit");
        }
        assert_eq!(next(status::ACTIVATED, Suspended, false, false), Move::To(Suspended));
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_contract_begins_and_ends_by_itself_and_starts_nothing_that_somebody_ended() {
        let period =
            Period { from: Some(at("2027-01-01T00:00:00Z")), until: Some(at("2027-02-01T00:00:00Z")) };
        let wanted = WantedState { state: Activated, period, acknowledged: false };
        let (before, within, after) =
            (at("2026-12-01T00:00:00Z"), at("2027-01-01T00:00:00Z"), at("2027-02-01T00:00:00Z"));
        for rests in [before, after] {
            for free in [status::ISSUED, status::FACTORY_TEST, status::SUSPENDED] {
                assert_eq!(wanted.next(free, true, rests), Move::Stay, "{free} costs nothing at {rests}");
            }
            assert_eq!(wanted.next(status::ACTIVATED, false, rests), Move::To(Suspended), "at {rests}");
        }
        for have in [status::ISSUED, status::SUSPENDED] {
            assert_eq!(wanted.next(have, true, within), Move::To(Activated), "the date counts as an edit");
            assert_eq!(wanted.next(have, false, within), Move::Drifted, "and only once");
        }
        assert_eq!(wanted.next(status::ACTIVATED, false, within), Move::Stay);
    }
}
