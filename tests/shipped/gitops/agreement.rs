//! Argo CD, kstatus and Flux with our expressions say the same of every status, and what the design says.

use std::collections::BTreeMap;

use super::{
    argo::Customization,
    flux::{Expressions, Status, kstatus},
    situations::{self, Situation},
};

struct Tools(BTreeMap<&'static str, (Customization, Expressions)>);

impl Tools {
    fn agree(&mut self, situation: &Situation) {
        let Situation { name, kind, object, .. } = situation;
        let (argo, flux) =
            self.0.entry(kind).or_insert_with(|| (Customization::of(kind), Expressions::of(kind)));
        let (health, message) = argo.health(object);
        assert_eq!(health, situation.health, "Argo CD, {name}: {message}\n{object:#}");
        assert!(
            message.contains(&situation.says),
            "Argo CD tells {:?}, not {message:?}: {name}",
            situation.says
        );
        assert_eq!(kstatus(object), situation.flux, "kstatus, {name}:\n{object:#}");
        // Flux asks only whether to go on; what is leaving is not there yet or not gone yet.
        let waits = if situation.flux == Status::Terminating { Status::InProgress } else { situation.flux };
        assert_eq!(flux.evaluate(object), waits, "healthCheckExprs, {name}:\n{object:#}");
    }
}

#[test]
fn every_reason_has_its_health() {
    let mut tools = Tools(BTreeMap::new());
    let situations = situations::of_managed_kinds();
    for situation in &situations {
        tools.agree(situation);
    }
    assert!(situations.len() > 1000, "every reason, effect, kind and past was asked about");
}

#[test]
fn suspension_drift_and_deletion_have_their_health() {
    let mut tools = Tools(BTreeMap::new());
    for situation in &situations::of_an_endpoint() {
        tools.agree(situation);
    }
}

#[test]
fn every_login_has_its_health() {
    let mut tools = Tools(BTreeMap::new());
    for situation in &situations::of_a_workspace() {
        tools.agree(situation);
    }
}

#[test]
fn a_new_object_holds_up_what_comes_after_it() {
    for crd in emnify_operator::definitions::crds() {
        let kind = crd.spec.names.kind;
        let fresh = situations::fresh(&kind);
        assert_eq!(Customization::of(&kind).health(&fresh).0, "Progressing", "{kind}");
        assert_eq!(Expressions::of(&kind).evaluate(&fresh), Status::InProgress, "{kind}");
        // kstatus alone would let the next Kustomization start: this is why the expressions exist
        assert_eq!(kstatus(&fresh), Status::Current, "{kind}");
    }
}

#[test]
fn an_edit_made_while_suspended_is_not_taken_for_done() {
    let mut object = situations::of_an_endpoint().remove(0).object;
    // what an edit during a suspension leaves: the generation is seen, Ready speaks of the one before
    object["metadata"]["generation"] = 6.into();
    object["status"]["observedGeneration"] = 6.into();
    assert_eq!(Customization::of("Endpoint").health(&object).0, "Progressing");
    assert_eq!(Expressions::of("Endpoint").evaluate(&object), Status::InProgress);
}
