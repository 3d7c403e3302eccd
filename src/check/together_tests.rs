use super::*;

const SIM: &str = "8988303000000010140";

fn findings(objects: &[String]) -> Vec<String> {
    let mut report = Report::default();
    Checker::own().file("a.yaml", &objects.join("---\n"), &mut report);
    report.findings.iter().map(ToString::to_string).collect()
}

fn object(kind: &str, name: &str, spec: &str) -> String {
    format!("apiVersion: emnify.io/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {spec}\n")
}

/// Exactly one finding, with all these words.
fn one(objects: &[String], words: &[&str]) {
    let found = findings(objects);
    assert_eq!(found.len(), 1, "{found:#?}");
    for word in words {
        assert!(found[0].contains(word), "{word}: {found:#?}");
    }
}

fn device(name: &str, sim: &str) -> String {
    object("Endpoint", name, &format!("{{sim: {{{sim}}}}}"))
}

fn set(name: &str, sims: &str) -> String {
    object("EndpointSet", name, &format!("{{template: {{}}, sims: {{{sims}}}}}"))
}

#[test]
fn a_sim_in_two_devices_is_found_in_19_and_20_digits() {
    let two = [device("one", &format!("iccid: '{SIM}'")), device("two", &format!("iccid: '{SIM}0'"))];
    one(&two, &["a.yaml:9: spec.sim.iccid: Endpoint one (a.yaml:3) has this SIM too", SIM, "one device"]);
    let sets = [set("west", &format!("list: ['{SIM}']")), device("two", &format!("iccid: '{SIM}'"))];
    one(&sets, &["spec.sim.iccid: EndpointSet west"]);
    let itself = [set("west", &format!("list: ['{SIM}', '{SIM}0']"))];
    assert_eq!(findings(&itself), Vec::<String>::new(), "a list that names a SIM twice has one member");
}

#[test]
fn a_sim_is_recognised_through_its_object_and_in_a_list_of_a_config_map() {
    let by_name = [
        object("Sim", "roof", &format!("{{iccid: '{SIM}'}}")),
        device("one", "name: roof"),
        device("two", &format!("iccid: '{SIM}'")),
    ];
    one(&by_name, &["spec.sim.iccid: Endpoint one"]);
    let list = [
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: sims}}\ndata: {{list: '{SIM}0 # roof'}}\n"
        ),
        set("west", "configMapRef: {name: sims, key: list}"),
        device("one", &format!("iccid: '{SIM}'")),
    ];
    one(&list, &["spec.sim.iccid: EndpointSet west"]);
    let range = [
        set("west", "selector: {iccidRanges: [{from: '8988303000000010100', to: '8988303000000010199'}]}"),
        device("one", &format!("iccid: '{SIM}'")),
    ];
    one(&range, &["iccidRanges[0]: the range holds ICCID", "Endpoint one"]);
}

#[test]
fn a_sim_and_its_device_may_both_be_objects_but_one_of_them_sets_the_state() {
    let sim = |state: &str| object("Sim", "roof", &format!("{{iccid: '{SIM}'{state}}}"));
    let good = [sim(", state: Activated"), device("one", &format!("iccid: '{SIM}'"))];
    assert_eq!(
        findings(&good),
        Vec::<String>::new(),
        "an Endpoint and the Sim of its SIM are no contradiction"
    );
    let both = [sim(", state: Activated"), device("one", &format!("iccid: '{SIM}', state: Suspended"))];
    one(&both, &["spec.sim.state: Sim roof", "remove state from one"]);
    let twice = [sim(""), object("Sim", "cellar", &format!("{{iccid: '{SIM}0'}}"))];
    one(&twice, &["spec.iccid: Sim roof", "is this SIM too"]);
}

#[test]
fn two_spellings_of_a_tag_two_names_and_two_ids_are_found() {
    let tags = [
        object("Endpoint", "one", "{tags: [Meters]}"),
        object("EndpointSet", "west", "{template: {tags: ['meters ']}, sims: {list: []}}"),
        object("Endpoint", "three", "{tags: [Meters]}"),
    ];
    one(&tags, &["spec.template.tags[0]: \"meters \" and \"Meters\" of Endpoint one", "case or blanks"]);
    let profile = |name: &str, spec: &str| object("ServiceProfile", name, &format!("{{name: a{spec}}}"));
    one(&[profile("a", ""), profile("a", "")], &["metadata.name: ServiceProfile a (a.yaml:3) has this name"]);
    let elsewhere = profile("a", "").replacen("{name: a}", "{name: a, namespace: b}", 1);
    assert_eq!(
        findings(&[profile("a", ""), elsewhere]),
        Vec::<String>::new(),
        "another namespace is another object"
    );
    one(
        &[profile("a", ", id: '7'"), profile("b", ", id: '7'")],
        &["spec.id: ServiceProfile a", "has this id too"],
    );
    let observer = profile("b", ", id: '7', managementPolicy: Observe");
    assert_eq!(
        findings(&[profile("a", ", id: '7'"), observer]),
        Vec::<String>::new(),
        "who looks claims nothing"
    );
}
