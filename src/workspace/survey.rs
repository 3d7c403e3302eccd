//! What is worth knowing of an organisation and nothing waits for: its tariff plan, and what emnify says of the organisation
//! itself. Each is read once, and again when there is news; what failed is tried again ever more rarely.

use std::time::Duration;

use emnify::{Api, Error, Lane, wire::organisation::Organisation as Wire};
use emnify_engine::session::{Session, caller::Caller};
use jiff::{SignedDuration, Timestamp};

use super::spec::{Organisation, WorkspaceStatus};

/// What failed is tried again after this time, doubling.
const AGAIN: Duration = Duration::from_secs(30);
const MOST_AGAIN: Duration = Duration::from_secs(3_600);
/// What was read is good for so long, whatever is said of it: news come in swarms.
const FRESH: SignedDuration = SignedDuration::from_secs(60);

/// What was read of the organisation that a workspace is logged in to.
#[derive(Debug, Default)]
pub(super) struct Survey {
    plan: Reading,
    organisation: Reading,
    /// The first look has more urgent work, and so has a mass of creates.
    looked: bool,
}

/// One thing to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Reading {
    /// The organisation that it was read for.
    of: Option<i64>,
    /// How often it failed in a row.
    failures: u32,
    /// When it is tried again.
    next: Option<Timestamp>,
}

impl Reading {
    fn is_due(&self, organisation: i64, now: Timestamp) -> bool {
        self.of != Some(organisation) && self.next.is_none_or(|next| now >= next)
    }

    fn done(&mut self, organisation: i64, now: Timestamp) {
        let next = now.checked_add(FRESH).ok();
        *self = Self { of: Some(organisation), failures: 0, next };
    }

    /// It failed; true if that is news.
    fn failed(&mut self, now: Timestamp) -> bool {
        let pause = AGAIN.saturating_mul(1 << self.failures.min(8)).min(MOST_AGAIN);
        self.next = SignedDuration::try_from(pause).ok().and_then(|pause| now.checked_add(pause).ok());
        self.failures = self.failures.saturating_add(1);
        self.failures == 1
    }

    /// What was read is no longer so.
    fn doubt(&mut self) {
        self.of = None;
    }
}

impl Survey {
    /// Something about the organisation changed, or a person wants everything read anew.
    pub(super) fn doubt(&mut self) {
        self.organisation.doubt();
    }

    /// Reads what is due.
    pub(super) async fn work(
        &mut self,
        (session, caller): (&Session, &Caller),
        organisation: i64,
        now: Timestamp,
        status: &mut WorkspaceStatus,
    ) {
        let api = caller.client.api(Lane::Create);
        if self.plan.is_due(organisation, now) {
            match plan(&api, status).await {
                Ok(()) => self.plan.done(organisation, now),
                Err(error) if self.plan.failed(now) => {
                    tracing::warn!(organisation, %error, "tariff plan not read");
                }
                Err(_) => {}
            }
        }
        if self.plan.of == Some(organisation) {
            session.set_factory_test(status.factory_test_mode == Some(true));
        }
        let quiet = self.looked && !session.creating();
        self.looked = true;
        if quiet && self.organisation.is_due(organisation, now) {
            let currency = status.organisation.as_ref().and_then(|known| known.currency.clone());
            match details(&api, currency).await {
                Ok((read, refused)) => {
                    if let Some(known) = status.organisation.as_mut() {
                        let (id, name, base_url) =
                            (known.id.clone(), known.name.clone(), known.base_url.clone());
                        *known = Organisation { id, name, base_url, ..read };
                    }
                    match refused {
                        Some(error) => self.unread(organisation, &error, now),
                        None => self.organisation.done(organisation, now),
                    }
                }
                Err(error) => self.unread(organisation, &error, now),
            }
        }
    }

    fn unread(&mut self, organisation: i64, error: &Error, now: Timestamp) {
        if self.organisation.failed(now) {
            tracing::warn!(organisation, %error, "not all is known of the organisation");
        }
    }
}

/// Tariff plan and Factory Test.
async fn plan(api: &Api, status: &mut WorkspaceStatus) -> Result<(), Error> {
    let plan = api.active_tariff_plan().await?.and_then(|plan| {
        let allowed = plan.factory_test_mode_allowed;
        plan.tariff_plan.map(|inner| (inner.name, allowed))
    });
    (status.tariff_plan, status.factory_test_mode) =
        plan.map_or((None, None), |(name, allowed)| (Some(name), allowed));
    Ok(())
}

/// State, currency and limit. emnify shows them with names, or with ids that lookups name. Where a lookup is refused, the rest is
/// told without it, a state by its id, and the currency stays the one told `before`; the refusal comes back too.
async fn details(api: &Api, before: Option<String>) -> Result<(Organisation, Option<Error>), Error> {
    let Wire { status, currency, monthly_cost_limit, .. } = api.my_organisation().await?;
    let mut refused = None;
    let state = match status {
        Some(status) if status.name.is_none() => {
            let all = unless_refused(api.organisation_statuses().await, &mut refused)?;
            let named = all.and_then(|all| all.into_iter().find(|known| known.id == status.id));
            Some(named.unwrap_or(status))
        }
        shown => shown,
    };
    let currency = match currency {
        Some(shown) if shown.code.is_empty() => match unless_refused(api.currencies().await, &mut refused)? {
            Some(all) => all.into_iter().find(|known| known.id == shown.id).map(|known| known.code),
            None => before,
        },
        shown => shown.map(|known| known.code),
    };
    let details = Organisation {
        state: state.map(|state| state.name.unwrap_or_else(|| state.id.to_string())),
        currency: currency.filter(|code| !code.is_empty()),
        monthly_cost_limit: monthly_cost_limit.map(|limit| limit.to_string()),
        ..Organisation::default()
    };
    Ok((details, refused))
}

/// `None` where emnify says no, which is noted.
fn unless_refused<T>(read: Result<T, Error>, refused: &mut Option<Error>) -> Result<Option<T>, Error> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error @ (Error::Unauthorized { status: 403, .. } | Error::Rejected { .. })) => {
            *refused = Some(error);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn what_fails_is_tried_ever_more_rarely_and_told_once() {
        let mut reading = Reading::default();
        assert!(reading.is_due(42, at(0)));
        assert!(reading.failed(at(0)), "the first failure is news");
        assert!(!reading.is_due(42, at(29)) && reading.is_due(42, at(30)));
        assert!(!reading.failed(at(30)), "the second is not");
        assert!(!reading.is_due(42, at(89)) && reading.is_due(42, at(90)));
        for _ in 0..40 {
            reading.failed(at(0));
        }
        assert!(!reading.is_due(42, at(3_599)) && reading.is_due(42, at(3_600)), "once an hour in the end");
    }

    #[test]
    fn what_was_read_is_read_again_for_another_organisation_and_when_it_changed() {
        let mut reading = Reading::default();
        reading.done(42, at(0));
        assert!(!reading.is_due(42, at(60)) && reading.is_due(43, at(60)));
        reading.doubt();
        assert!(!reading.is_due(42, at(59)), "news come in swarms");
        assert!(reading.is_due(42, at(60)));
    }
}
