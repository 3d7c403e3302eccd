//! What was last seen of every object, and the lines that tell of a change.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::Value;

use super::watch::Sight;
use crate::stage::{condition, is_ready};

/// The latest state of all objects, by `kubectl`'s name: `endpoint.emnify.io/meter-1`.
#[derive(Debug)]
pub(super) struct Progress {
    /// A line for every device; otherwise only for those in trouble.
    every_device: bool,
    objects: BTreeMap<String, Shown>,
    /// The last summary that was shown.
    summary: String,
}

#[derive(Debug)]
struct Shown {
    ready: bool,
    text: String,
}

impl Progress {
    pub(super) fn new(every_device: bool) -> Self {
        Self { every_device, objects: BTreeMap::new(), summary: String::new() }
    }

    /// Takes note; a line if a reader could tell the difference.
    pub(super) fn see(&mut self, sight: Sight) -> Option<String> {
        let (name, object) = match sight {
            Sight::Is(name, object) => (name, object),
            Sight::Gone(name) => {
                return self.objects.remove(&name).map(|_| format!("{name:<44} deleted"));
            }
        };
        let now = Shown { ready: is_ready(&object), text: describe(&object) };
        let worth_a_line = self.every_device || !name.starts_with("endpoint.") || stalled(&object);
        let changed = self.objects.get(&name).is_none_or(|before| before.text != now.text);
        let line = (changed && worth_a_line).then(|| format!("{name:<44} {}", now.text));
        self.objects.insert(name, now);
        line
    }

    /// How many devices are Ready, where they are not shown one by one; once per change.
    pub(super) fn summary(&mut self) -> Option<String> {
        if self.every_device {
            return None;
        }
        let devices = || self.objects.iter().filter(|(name, _)| name.starts_with("endpoint."));
        let ready = devices().filter(|(_, shown)| shown.ready).count();
        let summary = format!("{ready} of {} devices are Ready", devices().count());
        let changed = summary != self.summary;
        self.summary.clone_from(&summary);
        changed.then_some(summary)
    }

    pub(super) fn all_ready(&self, names: &[String]) -> bool {
        names.iter().all(|name| self.objects.get(name).is_some_and(|shown| shown.ready))
    }

    /// Each of the named objects that is not Ready, with what is known of it.
    pub(super) fn unready<'a>(&'a self, names: &'a [String]) -> impl Iterator<Item = String> + 'a {
        names.iter().filter_map(|name| match self.objects.get(name) {
            Some(shown) if shown.ready => None,
            Some(shown) => Some(format!("{name:<44} {}", shown.text)),
            None => Some(format!("{name:<44} was never seen")),
        })
    }
}

fn stalled(object: &Value) -> bool {
    condition(object, "Stalled").is_some_and(|stalled| stalled["status"] == "True")
}

/// Ready or why not, and where a device is.
fn describe(object: &Value) -> String {
    let mut text = match condition(object, "Ready") {
        None => "seen".to_owned(),
        Some(ready) if ready["status"] == "True" => "Ready".to_owned(),
        Some(ready) => {
            let (reason, message) = (ready["reason"].as_str(), ready["message"].as_str());
            format!("{}: {}", reason.unwrap_or("not Ready"), message.unwrap_or_default())
        }
    };
    let connectivity = &object["status"]["connectivity"];
    if let Some(state) = connectivity["state"].as_str() {
        write!(text, ", {state}").expect("a String takes every write");
        let place = ["operator", "country", "ratType"].map(|key| connectivity[key].as_str());
        let place: Vec<_> = place.into_iter().flatten().collect();
        if !place.is_empty() {
            write!(text, " ({})", place.join(", ")).expect("a String takes every write");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn device(ready: &str, state: Option<&str>) -> Value {
        let connectivity =
            state.map(|state| json!({"state": state, "operator": "KPN", "country": "Netherlands"}));
        json!({
            "metadata": {"generation": 1},
            "status": {
                "conditions": [
                    {"type": "Ready", "status": ready, "reason": "Progressing", "message": "creating", "observedGeneration": 1},
                ],
                "connectivity": connectivity,
            },
        })
    }

    fn see(progress: &mut Progress, object: Value) -> Option<String> {
        progress.see(Sight::Is("endpoint.emnify.io/a".to_owned(), object))
    }

    #[test]
    fn a_line_per_change_and_none_for_an_echo() {
        let mut progress = Progress::new(true);
        assert!(see(&mut progress, device("False", None)).unwrap().ends_with("Progressing: creating"));
        assert!(see(&mut progress, device("True", None)).unwrap().ends_with(" Ready"));
        assert_eq!(see(&mut progress, device("True", None)), None, "the same again is no news");
        let online = see(&mut progress, device("True", Some("Online"))).unwrap();
        assert!(online.ends_with("Ready, Online (KPN, Netherlands)"), "{online}");
    }

    #[test]
    fn all_are_ready_only_when_each_was_seen_ready() {
        let mut progress = Progress::new(true);
        let names = ["endpoint.emnify.io/a".to_owned(), "endpoint.emnify.io/b".to_owned()];
        see(&mut progress, device("True", None));
        assert!(!progress.all_ready(&names), "an object that was never seen is not ready");
        assert!(progress.all_ready(&names[..1]));
        let unready: Vec<_> = progress.unready(&names).collect();
        assert_eq!(unready.len(), 1);
        assert!(unready[0].ends_with("was never seen"));
    }

    #[test]
    fn large_fleets_are_counted_and_only_stalled_devices_named() {
        let mut progress = Progress::new(false);
        assert_eq!(see(&mut progress, device("True", None)), None);
        assert_eq!(progress.summary().as_deref(), Some("1 of 1 devices are Ready"));
        assert_eq!(progress.summary(), None, "an unchanged summary is no news");
        let mut bad = device("False", None);
        let stalled = json!({"type": "Stalled", "status": "True"});
        bad["status"]["conditions"].as_array_mut().unwrap().push(stalled);
        assert!(see(&mut progress, bad).is_some());
    }
}
