use super::*;
use crate::kinds::crds;

fn check(text: &str) -> Report {
    let mut report = Report::default();
    Checker::new(&crds()).file("a.yaml", text, &mut report);
    report
}

fn printed(text: &str) -> Vec<String> {
    check(text).findings.iter().map(ToString::to_string).collect()
}

fn profile(spec: &str) -> String {
    format!("apiVersion: emnify.io/v1alpha1\nkind: ServiceProfile\nmetadata: {{name: a}}\nspec:\n{spec}")
}

#[test]
fn a_good_manifest_passes_and_other_groups_are_skipped_with_a_note() {
    let text = profile("  name: a\n  dataLimits: [{volume: 1Gi}]\n") + "---\napiVersion: v1\nkind: Secret\n";
    let report = check(&text);
    assert_eq!(report.findings, []);
    assert_eq!(report.objects, 1);
    assert_eq!(report.skipped, ["a.yaml:9: v1 Secret is not of group emnify.io: skipped"]);
}

#[test]
fn a_number_where_an_id_belongs_is_to_be_quoted() {
    let found = printed(&profile("  name: a\n  dns:\n    id: 123\n"));
    assert_eq!(found, ["a.yaml:7: spec.dns.id: must be text, YAML reads a number: quote it"]);
    let iccid = "apiVersion: emnify.io/v1alpha1\nkind: Sim\nmetadata: {name: a}\nspec:\n  iccid: 89883030000000101401\n";
    assert!(printed(iccid)[0].contains("quote it"), "{:?}", printed(iccid));
}

#[test]
fn a_misspelt_field_is_named_with_the_right_one() {
    let found = printed(&profile("  name: a\n  descripton: b\n"));
    assert_eq!(found, ["a.yaml:6: spec.descripton: is not a field here, did you mean description?"]);
    let found = printed(&profile("  name: a\n  colour: red\n"));
    assert_eq!(found, ["a.yaml:6: spec.colour: is not a field here: remove it"]);
}

#[test]
fn required_fields_patterns_enums_and_bounds_are_checked() {
    assert_eq!(printed(&profile("  description: b\n")), ["a.yaml:4: spec.name: is required"]);
    let found =
        printed(&profile("  name: ''\n  id: 'a b'\n  deletionPolicy: Keep\n  dataLimits:\n  - volume: -1\n"));
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(found[0].starts_with("a.yaml:5: spec.name: needs at least 1"), "{found:?}");
    assert!(
        found.iter().any(|f| f.contains("\"Keep\" is not a value of this field, use one of Delete, Orphan"))
    );
    assert!(
        found.iter().any(|f| f.starts_with("a.yaml:9: spec.dataLimits[0].volume: must be at least 0")),
        "{found:?}"
    );
}

#[test]
fn entries_of_a_set_may_not_repeat() {
    let found = printed(&profile("  name: a\n  ignoreFields: [name, name]\n"));
    assert_eq!(found, ["a.yaml:6: spec.ignoreFields[1]: is in the list twice: remove one"]);
}

#[test]
fn a_fleet_is_checked_like_any_object() {
    let set = |spec: &str| {
        printed(&format!(
            "apiVersion: emnify.io/v1alpha1\nkind: EndpointSet\nmetadata: {{name: a}}\nspec:\n  template: {{}}\n{spec}"
        ))
    };
    assert_eq!(set("  sims: {list: ['8988303000000010140']}\n"), Vec::<String>::new());
    assert_eq!(set(""), ["a.yaml:4: spec: set exactly one of sims, pool"]);
    let twice = set("  sims:\n    list:\n    - '8988303000000010140'\n    - '8988303000000010140'\n");
    assert_eq!(twice, ["a.yaml:9: spec.sims.list[1]: is in the list twice: remove one"]);
    let share = |max: &str| set(&format!("  sims: {{list: []}}\n  rollout: {{maxUnavailable: {max}}}\n"));
    assert_eq!((share("10%").len(), share("3").len()), (0, 0));
    assert_eq!((share("0%").len(), share("0").len(), share("half").len()), (1, 1, 1));
    let name = set("  sims: {list: []}\n  nameTemplate: '{iccid}-{index}'\n");
    assert!(name[0].starts_with("a.yaml:7: spec.nameTemplate: use {iccid}"), "{name:?}");
}

#[test]
fn the_examples_pass() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let files = std::fs::read_dir(folder).unwrap().flatten().map(|file| file.path());
    let files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    assert!(files.len() > 5, "{files:?}");
    for path in files {
        let found = check(&std::fs::read_to_string(&path).unwrap()).findings;
        assert_eq!(found, [], "{}", path.display());
    }
}

#[test]
fn rules_are_evaluated_with_their_messages() {
    let found = printed(&profile("  name: a\n  dns: {id: '1', none: true}\n"));
    assert_eq!(found, ["a.yaml:6: spec.dns: set exactly one of id, externalName, none"]);
}

#[test]
fn unknown_kinds_versions_and_things_that_are_no_objects_are_refused() {
    let kind = printed("apiVersion: emnify.io/v1alpha1\nkind: Endpiont\nmetadata: {name: a}\n");
    assert!(kind[0].starts_with("a.yaml:2: kind: Endpiont is not a kind of emnify.io"), "{kind:?}");
    let version = printed("apiVersion: emnify.io/v1\nkind: ServiceProfile\nmetadata: {name: a}\n");
    assert_eq!(version, ["a.yaml:1: apiVersion: emnify.io/v1 is not served: use emnify.io/v1alpha1"]);
    assert_eq!(printed("a: 1\n").len(), 1);
    let unnamed =
        printed("apiVersion: emnify.io/v1alpha1\nkind: ServiceProfile\nmetadata: {}\nspec: {name: a}\n");
    assert_eq!(unnamed, ["a.yaml:3: metadata: name is required"]);
}

#[test]
fn bad_yaml_is_one_finding_with_its_line() {
    let found = check("a: [1,\nb: 2\n").findings;
    assert_eq!(found.len(), 1);
}

#[test]
fn lists_are_looked_into() {
    let list = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: emnify.io/v1alpha1\n  kind: ServiceProfile\n  metadata: {name: a}\n  spec: {}\n";
    assert_eq!(printed(list), ["a.yaml:7: spec.name: is required"]);
}
