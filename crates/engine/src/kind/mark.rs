//! Our name on an emnify object: `[k8s <installation>/<namespace>/<name>]` at the end of a description.

/// Name of the key by which mirrors index our marks.
pub const KEY: &str = "mark";

/// The mark of one object.
pub fn of(installation: &str, object: &str) -> String {
    format!("[k8s {installation}/{object}]")
}

/// Appends a mark to what the user wrote.
pub fn append(description: Option<&str>, mark: &str) -> String {
    match description.filter(|d| !d.is_empty()) {
        Some(text) => format!("{text} {mark}"),
        None => mark.to_owned(),
    }
}

/// Splits a description into the user's text and the mark's content.
pub fn split(description: &str) -> (&str, Option<&str>) {
    let Some(start) = description.rfind("[k8s ") else { return (description, None) };
    match description[start..].strip_prefix("[k8s ").and_then(|rest| rest.strip_suffix(']')) {
        Some(mark) if !mark.contains(']') => (description[..start].trim_end(), Some(mark)),
        _ => (description, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_survives_the_round_trip_and_is_stripped_before_comparing() {
        let mark = of("prod", "ns/name");
        assert_eq!(split(&append(Some("fleet policy"), &mark)), ("fleet policy", Some("prod/ns/name")));
        assert_eq!(split(&append(None, &mark)), ("", Some("prod/ns/name")));
    }

    #[test]
    fn text_that_only_looks_like_a_mark_is_the_users() {
        assert_eq!(split("see [k8s docs] here"), ("see [k8s docs] here", None));
        assert_eq!(split("plain"), ("plain", None));
    }
}
