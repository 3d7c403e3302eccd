//! Reads Secrets in use again and again, and wakes those who use one that changed.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use tokio::time::sleep;

use super::{
    context::Shared,
    inputs::{Known, Place},
    refusal,
};
use crate::{
    kind::{object_key::ObjectKey, secret::one_line},
    session::{chance, pause},
};

/// A changed value is known this late at most, with the time that a read takes.
const LOOK: Duration = Duration::from_secs(25);
/// A failed read is tried again, and a missing Secret looked for, after this time at first.
const SOON: Duration = Duration::from_secs(2);
/// Each takes this part of the API server's time: a tenant may name as many as they like, and all together are ten a second,
/// of which each namespace has its share.
const EACH: Duration = Duration::from_millis(100);

/// Notes which Secrets an object uses; each is read from now on, until nobody uses it.
pub(crate) fn note(shared: &Arc<Shared>, who: &ObjectKey, names: &BTreeSet<String>) {
    for (place, reader) in shared.inputs.set(who, names) {
        let task = format!("reading of Secret {}/{}", place.0, place.1);
        shared.tasks.errand(task, read_while_used(shared.clone(), place, reader));
    }
}

async fn read_while_used(shared: Arc<Shared>, place: Place, reader: Arc<()>) {
    let api: Api<Secret> = Api::namespaced(shared.client.clone(), &place.0);
    let mut misses = 0_u32;
    while shared.inputs.goes_on(&place, &reader) {
        // of what cannot be read now goes on being true what is known
        if let Some(read) = read(&api, &place).await {
            misses = if matches!(read, Known::There(_)) { 0 } else { misses.saturating_add(1) };
            let Some(users) = shared.inputs.learn(&place, &reader, read) else { return };
            for user in users {
                if let Some(kind) = shared.kind(user.kind) {
                    kind.inputs_changed(&user);
                }
            }
        } else {
            misses = misses.saturating_add(1);
        }
        sleep(rest(misses, shared.inputs.weight(&place.0)).mul_f64(chance::between(0.9..1.0))).await;
    }
}

/// How long one rests after so many failed reads in a row, where it counts as so many.
fn rest(misses: u32, weight: usize) -> Duration {
    let share = EACH * u32::try_from(weight).unwrap_or(u32::MAX);
    let longest = LOOK.max(share);
    if misses == 0 { longest } else { pause::doubling(SOON, misses, longest).max(share) }
}

/// `None` if that cannot be told now.
async fn read(api: &Api<Secret>, (namespace, name): &Place) -> Option<Known> {
    match api.get_opt(name).await {
        Ok(None) => Some(Known::Missing),
        Ok(Some(secret)) => {
            let data = secret.data.unwrap_or_default().into_iter();
            let text = |bytes: Vec<u8>| Some(one_line(std::str::from_utf8(&bytes).ok()?).to_owned().into());
            Some(Known::There(data.map(|(key, value)| (key, text(value.0))).collect()))
        }
        Err(kube::Error::Api(status)) if status.code == 403 => Some(Known::Refused(status.message)),
        Err(error) => {
            let error = refusal::brief(&error);
            tracing::warn!(namespace, secret = name, error, "Secret not read");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::inputs::SecretInputs;

    fn used(inputs: &SecretInputs, namespace: &str, secrets: std::ops::Range<usize>) {
        let who = ObjectKey { kind: "Toy", namespace: namespace.to_owned(), name: "a".to_owned() };
        inputs.set(&who, &secrets.map(|n| format!("s{n}")).collect());
    }

    #[test]
    fn whoever_names_many_secrets_makes_nobody_else_wait() {
        let inputs = SecretInputs::default();
        used(&inputs, "many", 0..10_000);
        used(&inputs, "few", 0..3);
        assert_eq!(rest(0, inputs.weight("few")), LOOK, "a rotated Secret is seen as soon as ever");
        let a_second = 10_000.0 / rest(0, inputs.weight("many")).as_secs_f64();
        assert!(a_second <= 6.0, "half of ten: {a_second}");
        used(&inputs, "few", 0..0);
        assert_eq!(inputs.weight("many"), 10_000, "who is gone has no share");
        used(&inputs, "many", 0..2);
        assert_eq!(inputs.weight("many"), 2);
    }

    #[test]
    fn few_are_read_often_and_ten_thousand_do_not_fill_the_api_server() {
        assert_eq!(rest(0, 3), LOOK);
        assert!(rest(1, 3) < LOOK, "what is missing is likely to come soon");
        for misses in [0, 1, 20] {
            let a_second = 10_000.0 / rest(misses, 10_000).as_secs_f64();
            assert!(a_second <= 11.0, "{misses} misses: {a_second} reads a second");
        }
    }
}
