//! What a key still needs: pure.

use emnify_engine::kind::{Context, Diff, FieldDiff, Have, spec::Provenance};
use jiff::{SignedDuration, Timestamp};

use super::{
    change::Change,
    rows::{Row, VALUE, Want},
    spec::{ApiSecret, ApiSecretStatus},
};

/// A key that nobody asked to be replaced is replaced so often at most.
const SHORTEST: SignedDuration = SignedDuration::from_hours(1);

/// How the key differs from the spec.
pub(super) fn diff(want: &Want, have: &Have<ApiSecret>, context: &Context<'_, ApiSecret>) -> Diff<Change> {
    let mut out = Diff::from(superfluous(have, context.status));
    let sent = context.status.and_then(|status| status.common.input(VALUE));
    let adopted = context.status.is_some_and(|s| s.common.provenance == Some(Provenance::Adopted));
    let text = want.text.as_ref().filter(|text| **text != have.row.text);
    let text = text.map(|text| FieldDiff::new("purpose", &have.row.text, text));
    if sent.is_none() && adopted && !want.replaces {
        let unknown = "unverified, since emnify shows no key; adoptionPolicy: Force replaces it";
        out.reported.extend(text.into_iter().chain([FieldDiff::new(VALUE, unknown, "***")]));
        return out;
    }
    let (why, asked) = if sent.is_some_and(|sent| sent != want.value.digest()) {
        (format!("{VALUE}: the Secret holds another value"), true)
    } else if let Some(text) = text {
        (text.to_string(), context.edited)
    } else if sent.is_none() {
        (format!("{VALUE}: which value emnify has is not known"), false)
    } else {
        return out;
    };
    let later = next_renewal(context.status).filter(|at| !asked && *at > context.now);
    out.renew = later.is_none().then_some(why);
    out.wake_at = later;
    out
}

/// The key itself and those that it replaced.
pub(super) fn retire(have: &Have<ApiSecret>, context: &Context<'_, ApiSecret>) -> Vec<Change> {
    let mut changes = superfluous(have, context.status);
    changes.push(Change::Delete);
    changes
}

/// A key that is deleted with the object: one that it replaced.
pub(super) fn goes_along(row: &Row, status: Option<&ApiSecretStatus>, _: Option<Timestamp>) -> bool {
    status.is_some_and(|status| status.retiring.iter().any(|old| old.id == row.id.to_string()))
}

/// Replaced keys that are still there; the engine holds them back while somebody uses them.
fn superfluous(have: &Have<ApiSecret>, status: Option<&ApiSecretStatus>) -> Vec<Change> {
    let retiring = status.map(|status| status.retiring.as_slice()).unwrap_or_default();
    let earlier = have.parts.earlier.iter().flatten();
    let earlier = earlier.filter(|id| retiring.iter().any(|old| old.id == id.to_string()));
    earlier.map(|id| Change::DeleteEarlier { id: *id }).collect()
}

fn next_renewal(status: Option<&ApiSecretStatus>) -> Option<Timestamp> {
    let last = status?.renewed_at.as_ref()?.get("status.renewedAt").ok()?;
    last.checked_add(SHORTEST).ok()
}
