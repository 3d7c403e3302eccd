//! Where objects of ours lie.

use serde_json::{Value, json};

/// The root of our group.
pub(crate) const GROUP: &str = "/apis/emnify.io/v1alpha1/";

/// The namespace of what is applied without one.
pub(crate) const NAMESPACE: &str = "ns";

/// Where an object of this kind and name lies.
pub(crate) fn path_of(kind: &str, name: &str) -> String {
    format!("{GROUP}namespaces/{NAMESPACE}/{}/{name}", plural(kind))
}

fn plural(kind: &str) -> String {
    let ending = if kind.ends_with("ch") { "es" } else { "s" };
    format!("{}{ending}", kind.to_lowercase())
}

/// Namespace and plural in the path of an object of ours.
fn place(object: &str) -> Option<(&str, &str)> {
    let mut parts = object.strip_prefix(GROUP)?.strip_prefix("namespaces/")?.split('/');
    Some((parts.next()?, parts.next()?))
}

/// Which objects a path lists, if it lists any.
pub(crate) fn listed(path: &str) -> Option<impl Fn(&str) -> bool + use<>> {
    let rest = path.strip_prefix(GROUP)?;
    let (namespace, plural) = match rest.split('/').collect::<Vec<_>>()[..] {
        [plural] => (None, plural.to_owned()),
        ["namespaces", namespace, plural] => (Some(namespace.to_owned()), plural.to_owned()),
        _ => return None,
    };
    Some(move |object: &str| {
        place(object).is_some_and(|(in_namespace, of)| {
            of == plural && namespace.as_ref().is_none_or(|namespace| namespace == in_namespace)
        })
    })
}

/// A listing by one label, by name, or of all.
pub(crate) fn selected(object: &Value, query: &str) -> bool {
    let decoded = query.replace("%2F", "/").replace("%3D", "=");
    let asked = |key: &str| decoded.split('&').find_map(|pair| pair.strip_prefix(key)?.split_once('='));
    let labelled = asked("labelSelector=")
        .is_none_or(|(label, value)| object["metadata"]["labels"][label] == json!(value));
    let named = asked("fieldSelector=").is_none_or(|(_, name)| object["metadata"]["name"] == json!(name));
    labelled && named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_of_one_kind_in_one_namespace_or_in_all() {
        let meter = "/apis/emnify.io/v1alpha1/namespaces/plant/endpoints/meter";
        let lists = |path: &str| listed(path).map(|of| of(meter));
        assert_eq!(lists("/apis/emnify.io/v1alpha1/endpoints"), Some(true));
        assert_eq!(lists("/apis/emnify.io/v1alpha1/namespaces/plant/endpoints"), Some(true));
        assert_eq!(lists("/apis/emnify.io/v1alpha1/namespaces/plan/endpoints"), Some(false));
        assert_eq!(lists("/apis/emnify.io/v1alpha1/endpointsets"), Some(false));
        assert_eq!(lists(meter), None, "an object is no list");
        assert_eq!(lists("/api/v1/namespaces/plant/secrets"), None, "only ours are listed");
    }

    #[test]
    fn an_object_lies_under_the_plural_of_its_kind() {
        assert!(path_of("SimBatch", "may").ends_with("/namespaces/ns/simbatches/may"));
        assert!(path_of("EndpointSet", "meters").ends_with("/namespaces/ns/endpointsets/meters"));
    }
}
