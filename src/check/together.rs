//! What objects that are applied together contradict each other in. The API server sees one object at a time.

use std::collections::{BTreeMap, HashMap};

use emnify_engine::session::lookups::fold;

use super::{
    document::{Located, group},
    report::{Finding, finding},
    schema::Problem,
};

/// An object and its file.
#[derive(Clone, Copy)]
pub(super) struct Placed<'a> {
    pub(super) file: &'a str,
    pub(super) kind: &'a str,
    pub(super) object: &'a Located,
}

/// Something that only one object may say.
struct Claim<'a> {
    by: Placed<'a>,
    at: &'a Located,
    path: String,
}

/// What is claimed, and of what sort it is: only claims of one sort contradict each other.
type Key = (Sort, String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Sort {
    /// Kind, namespace and name.
    Object,
    /// Kind and id in emnify.
    Id,
    /// The device of a SIM.
    Device,
    /// The `Sim` of a SIM.
    Sim,
}

/// The contradictions, each at the later of the two objects.
pub(super) fn contradictions(objects: &[Placed<'_>]) -> Vec<Finding> {
    let sims = Sims::of(objects);
    let mut found = Vec::new();
    let mut first: HashMap<Key, Claim<'_>> = HashMap::new();
    for object in objects {
        for (key, claim) in object.claims(&sims, objects) {
            match first.get(&key) {
                None => drop(first.insert(key, claim)),
                // A list that names a SIM twice has one member.
                Some(earlier) if earlier.is_by(claim.by) => {}
                Some(earlier) => found.push(claim.against(earlier, &key)),
            }
        }
    }
    ranges(objects, &first, &mut found);
    states(objects, &sims, &mut found);
    tags(objects, &mut found);
    found.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    found
}

impl<'a> Placed<'a> {
    fn text(&self, path: &str) -> Option<&'a str> {
        self.object.at(path).and_then(Located::text)
    }

    fn namespace(&self) -> &'a str {
        self.text("metadata.namespace").unwrap_or_default()
    }

    fn name(&self) -> &'a str {
        self.text("metadata.name").or_else(|| self.text("metadata.generateName")).unwrap_or_default()
    }

    /// Somebody who only looks claims nothing.
    fn observes(&self) -> bool {
        self.text("spec.managementPolicy") == Some("Observe")
    }

    fn is_ours(&self) -> bool {
        self.text("apiVersion").is_some_and(|version| group(version) == crate::api::GROUP)
    }

    /// For people: `Endpoint meter-1 (fleet.yaml:12)`.
    fn who(&self) -> String {
        let line = self.object.line_of("metadata");
        format!("{} {} ({}:{line})", self.kind, self.name(), self.file)
    }

    fn claim(self, path: &str) -> Option<Claim<'a>> {
        let at = self.object.at(path).filter(|value| !value.is_null())?;
        Some(Claim { by: self, at, path: path.to_owned() })
    }

    fn claims(self, sims: &Sims<'a>, all: &[Placed<'a>]) -> Vec<(Key, Claim<'a>)> {
        let mut claims = Vec::new();
        let mut claim = |sort, key: String, claim: Option<Claim<'a>>| {
            claims.extend(claim.map(|claim| ((sort, key), claim)));
        };
        if !self.is_ours() {
            return claims;
        }
        if self.text("metadata.name").is_some() {
            let key = format!("{} {}/{}", self.kind, self.namespace(), self.name());
            claim(Sort::Object, key, self.claim("metadata.name"));
        }
        if self.observes() {
            return claims;
        }
        if let Some(id) = self.text("spec.id") {
            let number = id.trim_start_matches('0');
            claim(Sort::Id, format!("{} {number}", self.kind), self.claim("spec.id"));
        }
        match self.kind {
            "Sim" => {
                if let Some((path, sim)) = number_of(self, "spec") {
                    claim(Sort::Sim, sim, self.claim(&path));
                }
            }
            "Endpoint" => {
                if let Some((path, sim)) = sims.of_device(self) {
                    claim(Sort::Device, sim, self.claim(&path));
                }
            }
            "EndpointSet" => {
                for (path, at, iccid) in listed(self, all) {
                    claim(Sort::Device, format!("ICCID {iccid}"), Some(Claim { by: self, at, path }));
                }
            }
            _ => {}
        }
        claims
    }
}

impl Claim<'_> {
    fn is_by(&self, object: Placed<'_>) -> bool {
        std::ptr::eq(self.by.object, object.object)
    }

    fn against(&self, earlier: &Claim<'_>, (sort, key): &Key) -> Finding {
        let who = earlier.by.who();
        let message = match sort {
            Sort::Object => {
                format!("{who} has this name too: the later one would replace the earlier, rename one")
            }
            Sort::Id => format!(
                "{who} has this id too, and an object of emnify belongs to one object here: remove one, or let one only look (managementPolicy: Observe)"
            ),
            Sort::Sim => format!("{who} is this SIM too ({key}): remove one"),
            Sort::Device => format!(
                "{who} has this SIM too ({key}), and a SIM is in one device: correct the number, or remove it from one of them"
            ),
        };
        self.by.finding(self.at, &self.path, message)
    }
}

impl Placed<'_> {
    fn finding(&self, at: &Located, path: &str, message: String) -> Finding {
        finding(self.file, Problem { line: at.line, path: path.to_owned(), message })
    }
}

/// The number by which an object knows a SIM, and its path: an ICCID without check digit, an EID or an IMSI.
fn number_of(object: Placed<'_>, at: &str) -> Option<(String, String)> {
    ["iccid", "eid", "imsi"].iter().find_map(|field| {
        let path = format!("{at}.{field}");
        let number = object.text(&path)?;
        let number = if *field == "iccid" { digits(number)? } else { number };
        Some((path, format!("{} {number}", field.to_uppercase())))
    })
}

/// The 19 digits that say which SIM it is.
fn digits(iccid: &str) -> Option<&str> {
    let whole = (19..=20).contains(&iccid.len()) && iccid.bytes().all(|byte| byte.is_ascii_digit());
    whole.then(|| &iccid[..19])
}

/// `Sim` objects by namespace and name: devices may name them.
struct Sims<'a>(BTreeMap<(&'a str, &'a str), Placed<'a>>);

impl<'a> Sims<'a> {
    fn of(objects: &[Placed<'a>]) -> Self {
        let sims = objects.iter().filter(|object| object.is_ours() && object.kind == "Sim");
        Self(sims.map(|sim| ((sim.namespace(), sim.name()), *sim)).collect())
    }

    /// The SIM of a device and where it is named.
    fn of_device(&self, device: Placed<'a>) -> Option<(String, String)> {
        let Some(name) = device.text("spec.sim.name") else { return number_of(device, "spec.sim") };
        let number = self.0.get(&(device.namespace(), name)).and_then(|sim| number_of(*sim, "spec"));
        let number =
            number.map_or_else(|| format!("Sim {}/{name}", device.namespace()), |(_, number)| number);
        Some(("spec.sim.name".to_owned(), number))
    }
}

/// The ICCIDs that a set names, in its list or in a `ConfigMap` beside it, with path and place.
fn listed<'a>(set: Placed<'a>, all: &[Placed<'a>]) -> Vec<(String, &'a Located, &'a str)> {
    let mut found = Vec::new();
    let list = set.object.at("spec.sims.list").map(Located::items).unwrap_or_default();
    for (index, item) in list.iter().enumerate() {
        let iccid = item.text().and_then(digits);
        found.extend(iccid.map(|iccid| (format!("spec.sims.list[{index}]"), item, iccid)));
    }
    let reference = |key: &str| set.text(&format!("spec.sims.configMapRef.{key}"));
    let (Some(name), Some(key)) = (reference("name"), reference("key")) else { return found };
    let named = |map: &&Placed<'_>| {
        map.kind == "ConfigMap" && map.name() == name && map.namespace() == set.namespace()
    };
    let map = all.iter().find(named).and_then(|map| map.object.get("data")?.get(key));
    let at = set.object.at("spec.sims.configMapRef");
    let (Some(text), Some(at)) = (map.and_then(Located::text), at) else { return found };
    for line in text.lines().map(|line| line.split('#').next().unwrap_or_default()) {
        let words = line.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';'));
        // What one text says twice is one member.
        for iccid in words.filter_map(digits) {
            if !found.iter().any(|(_, _, known)| *known == iccid) {
                found.push(("spec.sims.configMapRef".to_owned(), at, iccid));
            }
        }
    }
    found
}

/// Sets that take every SIM of a range, against devices whose SIM is in it.
fn ranges(objects: &[Placed<'_>], claimed: &HashMap<Key, Claim<'_>>, found: &mut Vec<Finding>) {
    let sets = objects
        .iter()
        .filter(|object| object.is_ours() && object.kind == "EndpointSet" && !object.observes());
    for set in sets {
        let Some(selector) = set.object.at("spec.sims.selector") else { continue };
        // With anything else in it the selector may well leave the SIM out.
        if ["tag", "model", "unassigned"]
            .iter()
            .any(|key| selector.get(key).is_some_and(|value| !value.is_null()))
        {
            continue;
        }
        let ranges = selector.get("iccidRanges").map(Located::items).unwrap_or_default();
        for (index, range) in ranges.iter().enumerate() {
            let end = |key: &str| range.get(key).and_then(Located::text).and_then(digits);
            let (Some(from), Some(to)) = (end("from"), end("to")) else { continue };
            let inside = claimed.iter().filter_map(|((sort, key), claim)| {
                let iccid = key.strip_prefix("ICCID ").filter(|_| *sort == Sort::Device)?;
                (from <= iccid && iccid <= to).then_some((iccid, claim))
            });
            let other = inside.filter(|(_, claim)| !claim.is_by(*set));
            let Some((iccid, claim)) = other.min_by_key(|(iccid, _)| *iccid) else { continue };
            let message = format!(
                "the range holds ICCID {iccid} of {}, and a SIM is in one device: cut the range, add unassigned: true, or remove the other",
                claim.by.who()
            );
            found.push(set.finding(range, &format!("spec.sims.selector.iccidRanges[{index}]"), message));
        }
    }
}

/// The state of a SIM is set by its `Sim` or by its device.
fn states(objects: &[Placed<'_>], sims: &Sims<'_>, found: &mut Vec<Finding>) {
    let acting = || objects.iter().filter(|object| object.is_ours() && !object.observes());
    let mut set_by = HashMap::new();
    for sim in acting().filter(|object| object.kind == "Sim" && object.text("spec.state").is_some()) {
        set_by.extend(number_of(*sim, "spec").map(|(_, number)| (number, sim)));
    }
    for object in acting() {
        let (path, numbers) = match object.kind {
            "Endpoint" => {
                ("spec.sim.state", sims.of_device(*object).map(|(_, number)| number).into_iter().collect())
            }
            "EndpointSet" => {
                let listed =
                    listed(*object, objects).into_iter().map(|(_, _, iccid)| format!("ICCID {iccid}"));
                ("spec.template.sim.state", listed.collect::<Vec<_>>())
            }
            _ => continue,
        };
        let Some(at) = object.object.at(path).filter(|state| !state.is_null()) else { continue };
        let both = numbers.iter().find_map(|number| Some((number, set_by.get(number)?)));
        if let Some((number, sim)) = both {
            let message = format!(
                "{} sets the state of this SIM too ({number}): remove state from one of them",
                sim.who()
            );
            found.push(object.finding(at, path, message));
        }
    }
}

/// Tags that differ in case, or in blanks around them: one of them is a typing error.
fn tags(objects: &[Placed<'_>], found: &mut Vec<Finding>) {
    let mut known: HashMap<String, (&str, String)> = HashMap::new();
    for object in objects.iter().filter(|object| object.is_ours()) {
        let at = if object.kind == "EndpointSet" { "spec.template.tags" } else { "spec.tags" };
        for (index, tag) in object.object.at(at).map(Located::items).unwrap_or_default().iter().enumerate() {
            let Some(name) = tag.text() else { continue };
            match known.get(&fold(name)) {
                None => drop(known.insert(fold(name), (name, object.who()))),
                Some((other, _)) if *other == name => {}
                Some((other, who)) => {
                    let message = format!(
                        "{name:?} and {other:?} of {who} differ only in case or blanks, and mean one tag: write it the same everywhere"
                    );
                    found.push(object.finding(tag, &format!("{at}[{index}]"), message));
                }
            }
        }
    }
}
