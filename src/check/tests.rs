use super::*;
use crate::definitions::crds;

fn check(text: &str) -> Report {
    let mut report = Report::default();
    Checker::own().file("a.yaml", text, &mut report);
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
    assert_eq!(report.skipped, ["a.yaml:9: v1 Secret is not of group emnify.io: passed over"]);
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
    assert_eq!(found, ["a.yaml:6: spec.dns: set exactly one of name, id, externalName, none"]);
}

#[test]
fn unknown_kinds_versions_and_things_that_are_no_objects_are_refused() {
    let kind = printed("apiVersion: emnify.io/v1alpha1\nkind: Endpiont\nmetadata: {name: a}\n");
    assert!(kind[0].starts_with("a.yaml:2: kind: Endpiont is not a kind of emnify.io"), "{kind:?}");
    let version = printed("apiVersion: emnify.io/v1\nkind: ServiceProfile\nmetadata: {name: a}\n");
    assert_eq!(version, ["a.yaml:1: apiVersion: emnify.io/v1 is not served: use emnify.io/v1alpha1"]);
    for other in ["a: 1\n", "- 1\n", "resources: [a.yaml]\n", "kind: Component\n"] {
        let report = check(other);
        assert_eq!(
            (report.findings.len(), report.skipped.len()),
            (0, 1),
            "{other} is passed over with a note"
        );
    }
    for headless in ["kind: Sim\n", "apiVersion: emnify.io/v1alpha1\n", "metadata: {name: a}\nspec: {}\n"] {
        assert!(printed(headless)[0].contains("required"), "{headless} lacks its head");
    }
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

#[test]
fn an_empty_field_is_one_that_is_left_out() {
    for empty in
        ["  description:\n", "  deletionPolicy: null\n", "  dns: ~\n  services:\n", "  ignoreFields: null\n"]
    {
        assert_eq!(printed(&profile(&format!("  name: a\n{empty}"))), Vec::<String>::new(), "{empty}");
    }
    let sim = "apiVersion: emnify.io/v1alpha1\nkind: Endpoint\nmetadata: {name: a, labels: , annotations: null}\nspec:\n  tags: null\n  sim: {iccid: '8988303000000010140', eid: null}\n";
    assert_eq!(printed(sim), Vec::<String>::new(), "eid is not set beside iccid");
    let required = printed(&profile("  name:\n"));
    assert_eq!(required, ["a.yaml:5: spec.name: is required, and empty here: give it a value"]);
    let workspace = "apiVersion: emnify.io/v1alpha1\nkind: ClusterWorkspace\nmetadata: {name: a}\nspec:\n  credentials: {applicationTokenSecretRef: {name: a, key: token}}\n  allowedNamespaces:\n    matchLabels: {A b: }\n";
    let found = printed(workspace);
    assert!(
        found.iter().any(|line| line.contains("a label's key is")),
        "a key is there without a value: {found:?}"
    );
    let item = printed(&profile("  name: a\n  ignoreFields: [~]\n"));
    assert!(item[0].contains("spec.ignoreFields[0]: must be text, YAML reads nothing"), "{item:?}");
}

#[test]
fn the_number_of_a_scale_is_not_empty() {
    let set = |pool: &str| {
        printed(&format!(
            "apiVersion: emnify.io/v1alpha1\nkind: EndpointSet\nmetadata: {{name: a}}\nspec:\n  pool: {{{pool}selector: {{unassigned: true}}}}\n  template: {{serviceProfile: {{name: a}}, tariffProfile: {{name: a}}}}\n"
        ))
    };
    assert_eq!(set(""), Vec::<String>::new());
    assert_eq!(set("replicas: 3, "), Vec::<String>::new());
    assert_eq!(
        set("replicas: ~, "),
        ["a.yaml:5: spec.pool.replicas: is empty here: give it a number, or leave it out"]
    );
}

#[test]
fn whole_numbers_may_be_written_in_every_way() {
    let quota = |allowance: &str| {
        printed(&format!(
            "apiVersion: emnify.io/v1alpha1\nkind: Endpoint\nmetadata: {{name: a}}\nspec: {{quota: {{sms: {{allowance: {allowance}, period: 1h}}}}}}\n"
        ))
    };
    for whole in ["80", "80.0", "1e2", "8.0e+1", "0x10", "0o17"] {
        assert_eq!(quota(whole), Vec::<String>::new(), "{whole}");
    }
    for other in ["80.5", "1e30", "99999999999999999999", "'80'"] {
        assert!(quota(other)[0].contains("must be a whole number"), "{other}: {:?}", quota(other));
    }
}

#[test]
fn metadata_is_checked_as_the_api_server_does() {
    let with = |metadata: &str| {
        printed(&format!(
            "apiVersion: emnify.io/v1alpha1\nkind: ServiceProfile\nmetadata: {metadata}\nspec: {{name: a}}\n"
        ))
    };
    for good in [
        "{name: a.b-c}",
        "{generateName: a-}",
        "{name: a, creationTimestamp: null, uid: x}",
        "{name: a, labels: {example.org/a: '', b: C_d}, annotations: {Example.org/a: any text}}",
    ] {
        assert_eq!(with(good), Vec::<String>::new(), "{good}");
    }
    for bad in [
        "{name: a..b}",
        "{name: A}",
        "{name: ''}",
        "{name: 1}",
        "{name: a, namespace: a.b}",
        "{name: a, labels: {a: 1}}",
        "{name: a, labels: {a: b c}}",
        "{name: a, labels: {'a/b/c': d}}",
        "{name: a, annotations: {'': d}}",
        "{name: a, lables: {a: b}}",
        "[]",
    ] {
        assert_eq!(with(bad).len(), 1, "{bad}: {:?}", with(bad));
    }
}

/// Keywords of schemas that `schema.rs` applies, or that say nothing about what is accepted.
#[test]
fn every_keyword_of_the_definitions_is_known() {
    const KNOWN: [&str; 21] = [
        "additionalProperties",
        "anyOf",
        "description",
        "enum",
        "format",
        "items",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minItems",
        "minLength",
        "minProperties",
        "minimum",
        "pattern",
        "properties",
        "required",
        "title",
        "type",
        "x-kubernetes-int-or-string",
        "x-kubernetes-list-type",
    ];
    const RULES: [&str; 4] = [
        "nullable",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-validations",
    ];
    fn look(schema: &Value) {
        for (keyword, below) in schema.as_object().into_iter().flatten() {
            let known = KNOWN.contains(&keyword.as_str()) || RULES.contains(&keyword.as_str());
            assert!(known, "the API server would apply {keyword}, and check would not");
            match keyword.as_str() {
                "properties" => below.as_object().into_iter().flatten().for_each(|(_, schema)| look(schema)),
                "items" | "additionalProperties" => look(below),
                _ => {}
            }
        }
    }
    for crd in crds() {
        let schema = crd.spec.versions[0].schema.as_ref().unwrap().open_api_v3_schema.as_ref().unwrap();
        look(&serde_json::to_value(schema).unwrap());
    }
}
