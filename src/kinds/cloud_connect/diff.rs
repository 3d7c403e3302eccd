//! What an attachment still needs, and what emnify does with it: pure.

use std::time::Duration;

use emnify::wire::cloud_connect::{Attachment, kind, status};
use emnify_engine::kind::{Context, Diff, FieldDiff, Have, Phase, Status as _, Veto, reason};
use jiff::Timestamp;
use secrecy::ExposeSecret;

use super::{
    change::{Change, PSK},
    rows,
    spec::CloudConnect,
    want::{Attached, Want, marked},
};

/// One that waits for its customer is read so often.
const CUSTOMER: Duration = Duration::from_secs(60);
/// One that emnify sets up or takes down.
const EMNIFY: Duration = Duration::from_secs(30);
/// The word for what is never shown.
const HIDDEN: &str = "***";

/// How the attachment is.
fn state(row: &Attachment) -> Option<i64> {
    row.status.as_ref().map(|status| status.id)
}

fn kind_of(row: &Attachment) -> Option<i64> {
    row.kind.as_ref().map(|kind| kind.id)
}

/// Those before went by another number.
fn modern(kind: i64) -> i64 {
    match kind {
        kind::TGW_CLASSIC => kind::TGW,
        kind::VPN_CLASSIC => kind::VPN,
        kind::VPN_BGP_HA => kind::VPN_BGP,
        other => other,
    }
}

/// The type in emnify's words.
pub(super) fn kind_name(row: &Attachment) -> Option<String> {
    let kind = row.kind.as_ref()?;
    Some(kind.name.clone().unwrap_or_else(|| named(kind.id)))
}

fn named(kind: i64) -> String {
    match kind {
        kind::TGW => "TGW".into(),
        kind::VPN => "IPSec VPN".into(),
        kind::VPN_BGP => "VPN BGP".into(),
        other => format!("type {other}"),
    }
}

/// The state in emnify's words.
pub(super) fn state_name(row: &Attachment) -> String {
    let Some(status) = &row.status else { return "Unknown".into() };
    status.name.clone().unwrap_or_else(|| match status.id {
        status::PENDING_CUSTOMER => "Pending Customer Action".into(),
        status::PENDING_AWS => "Pending AWS Activation".into(),
        status::PENDING_EGN => "Pending EGN Activation".into(),
        status::PENDING_CRG => "Pending CRG Activation".into(),
        status::ACTIVE => "Active".into(),
        status::DEACTIVATING => "Deactivation Pending".into(),
        status::DEACTIVATED => "Deactivated".into(),
        status::ROLLING_BACK => "Rolling Back".into(),
        other => format!("status {other}"),
    })
}

/// It is gone for good, and remembered by its id.
pub(super) fn is_deleted(row: &Attachment) -> bool {
    state(row) == Some(status::DEACTIVATED)
}

/// The customer may accept a share.
pub(super) fn waits_for_customer(row: &Attachment) -> bool {
    let gateway = kind_of(row).map(modern) == Some(kind::TGW);
    gateway && matches!(state(row), Some(status::PENDING_CUSTOMER | status::PENDING_AWS))
}

/// Nothing of it can be changed; what emnify shows goes into the Secret.
pub(super) fn diff(
    want: &Want,
    have: &Have<CloudConnect>,
    context: &Context<'_, CloudConnect>,
) -> Diff<Change> {
    let mut diff = Diff { immutable: immutable(want, have, context), ..Diff::default() };
    if let Some(Attached::Vpn { output: true, .. }) = &want.network {
        let values = rows::values(&have.parts.tunnels);
        let held = have.output.as_deref();
        let lacks = values.iter().filter(|(key, value)| {
            let held = held.and_then(|output| output.data.get(*key));
            held.is_none_or(|held| held.expose_secret() != value.expose_secret())
        });
        let lacks: Vec<String> = lacks.map(|(key, _)| key.clone()).collect();
        if !lacks.is_empty() {
            diff.changes.push(Change::Deliver { values, lacks });
        }
    }
    diff
}

fn immutable(want: &Want, have: &Have<CloudConnect>, context: &Context<'_, CloudConnect>) -> Vec<FieldDiff> {
    let row = &have.row;
    let (text, _, ordered) = marked(row.description.as_deref());
    let other = |path: &str, have: Option<&str>, want: &Option<String>| {
        let want = want.as_deref()?;
        let have = have.unwrap_or_default();
        (have != want).then(|| FieldDiff::new(path, have, want))
    };
    let mut fields: Vec<FieldDiff> = [
        other("name", row.name.as_deref(), &want.name),
        other("description", Some(text), &want.description),
        row.region.as_deref().and_then(|region| other("region", Some(region), &want.region)),
    ]
    .into_iter()
    .flatten()
    .collect();
    let Some(network) = &want.network else { return fields };
    if let Some(kind) = kind_of(row).filter(|kind| modern(*kind) != network.kind()) {
        let had = kind_name(row).unwrap_or_else(|| named(kind));
        fields.push(FieldDiff::new(network.path(), had, named(network.kind())));
    } else if ordered.is_some_and(|ordered| ordered != network.digest()) {
        fields.push(FieldDiff::new(network.path(), "as it was ordered", network.unseen()));
    }
    fields.extend(other_key(network, have, context));
    fields
}

/// The key is compared as emnify shows it, and where it does not, by what was sent. A key of what others ordered is not known.
fn other_key(
    network: &Attached,
    have: &Have<CloudConnect>,
    context: &Context<'_, CloudConnect>,
) -> Option<FieldDiff> {
    let Attached::Vpn { psk: Some(want), .. } = network else { return None };
    let mut shown = have.parts.tunnels.iter().filter_map(|tunnel| tunnel.psk.as_ref()).peekable();
    let differs = if shown.peek().is_some() {
        shown.any(|psk| psk.expose_secret() != want.value().expose_secret())
    } else {
        let sent = context.status.and_then(|status| status.common().input(PSK));
        sent.is_some_and(|sent| sent != want.digest())
    };
    differs.then(|| FieldDiff::new(PSK, HIDDEN, format!("{HIDDEN} (the Secret holds another key)")))
}

pub(super) fn phase(row: &Attachment, now: Timestamp) -> Phase {
    let busy = |poll, reason, message: String| Phase::Busy { poll, reason, message };
    match state(row) {
        Some(status::ACTIVE) | None => Phase::Settled,
        Some(_) if waits_for_customer(row) => accept(row, now),
        Some(status::DEACTIVATING | status::DEACTIVATED) => {
            busy(EMNIFY, reason::DELETING, "emnify is taking the attachment down".into())
        }
        Some(status::ROLLING_BACK) => Phase::Broken {
            reason: reason::ROLLING_BACK,
            message: "emnify could not set the attachment up and takes it back; ask emnify's support why, correct the spec, and have it ordered anew when it is gone".into(),
        },
        Some(_) => {
            let message = format!("emnify is setting the attachment up: {}", state_name(row));
            busy(EMNIFY, reason::PROVISIONING, message)
        }
    }
}

/// The customer has days for accepting the share.
fn accept(row: &Attachment, now: Timestamp) -> Phase {
    if row.accept_before.is_some_and(|by| by < now) {
        let message = format!(
            "the share of the transit gateway was not accepted before status.acceptBefore; have it offered again in the portal or with PATCH /v1/cnc/breakout/{}, then accept it",
            row.id
        );
        return Phase::Broken { reason: reason::ACCEPT_EXPIRED, message };
    }
    let message = "accept the share of the transit gateway in your AWS account and attach your network to it, before status.acceptBefore";
    Phase::Busy { poll: CUSTOMER, reason: reason::WAITING_FOR_CUSTOMER, message: message.into() }
}

/// Everybody may depend on one that is in use; of one that never was nobody does.
pub(super) fn retire(have: &Have<CloudConnect>) -> Vec<Change> {
    let unused = matches!(
        state(&have.row),
        Some(status::PENDING_CUSTOMER..=status::PENDING_CRG | status::ROLLING_BACK)
    );
    let disturbs = if unused { 0 } else { have.parts.devices.unwrap_or_default() };
    vec![Change::Delete { disturbs }]
}

pub(super) fn forbids(change: &Change, row: &Attachment) -> Option<Veto> {
    let Change::Delete { .. } = change else { return None };
    match (state(row), kind_of(row)) {
        (Some(status::ROLLING_BACK), _) => {
            let message = "emnify takes the attachment back and deletes it itself; it is waited for";
            Some(Veto::new(reason::ROLLING_BACK, message))
        }
        (_, Some(kind::TGW_CLASSIC | kind::VPN_CLASSIC)) => {
            let message = "emnify deletes attachments of the classic types only on request: ask its support";
            Some(Veto::new(reason::REJECTED, message))
        }
        _ => None,
    }
}
