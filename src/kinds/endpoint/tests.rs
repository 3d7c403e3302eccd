//! Rules of devices, each a test.

mod diff;
mod events;
mod io;
mod life;
mod manifest;
mod report;
mod retire;

use serde_json::json;

use emnify_engine::kind::{Id, Inputs, spec::Provenance};

use super::{
    Endpoint, EndpointSettings, EndpointSim, EndpointSpec, EndpointStatus,
    diff::Memory,
    rows::{Parts, Row, RowSim, Tag, Want, status},
};
use crate::{
    api::Reference,
    kinds::{laws::kind_laws, sim::SimState},
};

const ICCID: &str = "8988303000000010140";

fn profile(id: &str) -> Reference {
    Reference { id: Some(id.into()), ..Reference::default() }
}

/// A device with a SIM.
fn endpoint(change: impl FnOnce(&mut EndpointSpec)) -> Endpoint {
    let mut spec = EndpointSpec {
        settings: EndpointSettings {
            service_profile: Some(profile("1")),
            tariff_profile: Some(profile("2")),
            ..EndpointSettings::default()
        },
        sim: Some(EndpointSim { iccid: Some(ICCID.into()), ..EndpointSim::default() }),
        ..EndpointSpec::default()
    };
    change(&mut spec);
    Endpoint::new("meter-1", spec)
}

fn set_state(spec: &mut EndpointSpec, state: SimState) {
    spec.sim.get_or_insert_default().state = Some(state);
}

fn inputs() -> Inputs {
    let mut inputs = Inputs::default();
    inputs.installation = "prod".into();
    inputs.put("sim.iccid", Id::Int(70));
    inputs
}

fn want(change: impl FnOnce(&mut EndpointSpec)) -> Want {
    super::want::want(&endpoint(change), &inputs()).unwrap()
}

/// The device as the spec of [`endpoint`] wants it.
fn row(sim_status: i64) -> Row {
    Row {
        id: 9,
        name: "meter-1".into(),
        status: status::DISABLED,
        service_profile: 1,
        tariff_profile: 2,
        sim: Some(RowSim { id: 70, iccid: Some(ICCID.into()), status: Some(sim_status) }),
        tags: Some(vec![tag(5, "k8s:prod")].into()),
        ..Row::default()
    }
}

kind_laws!(
    Endpoint,
    there: (row(1), Parts::default()),
    inputs: inputs(),
    bare: json!({"sim": {"iccid": ICCID}, "serviceProfile": {"id": "1"}, "tariffProfile": {"id": "2"}}),
    others: [
        json!({"name": "Meter", "enabled": true, "serviceProfile": {"id": "3"}, "tariffProfile": {"id": "2"}, "imeiLock": true}),
        json!({"sim": {"iccid": ICCID, "state": "Suspended"}, "serviceProfile": {"id": "1"}, "tariffProfile": {"id": "2"}}),
        json!({"sim": {"none": true}, "serviceProfile": {"id": "1"}, "tariffProfile": {"id": "2"}}),
    ],
    new: json!({"name": "of the law", "enabled": false, "serviceProfile": {"id": "101"}, "tariffProfile": {"id": "201"}}),
);

fn tag(id: i64, name: &str) -> Tag {
    Tag { id: Some(id), name: name.into() }
}

fn created() -> EndpointStatus {
    let mut status = EndpointStatus::default();
    status.common.id = Some("9".into());
    status.common.provenance = Some(Provenance::Created);
    status
}

fn memory(status: &EndpointStatus, edited: bool) -> Memory<'_> {
    Memory { status: Some(status), edited, now: "2026-06-01T00:00:00Z".parse().unwrap() }
}

fn lines(changes: &[super::Change]) -> Vec<String> {
    changes.iter().map(ToString::to_string).collect()
}
