//! YAML in the docs is what the operator accepts.

use std::{fs, path::Path};

use emnify_operator::check::{Checker, Report};
use serde::Deserialize;
use serde_yaml::Value;

use super::{ROOT, pages};

#[test]
fn every_manifest_in_the_docs_passes_check() {
    let checker = Checker::own();
    let (mut report, mut unreadable) = (Report::default(), Vec::new());
    for page in pages() {
        for code in &page.code {
            let Some(fence) = code.fence.as_deref() else { continue };
            let place = format!("{}:{}", page.name, code.line);
            match fence.replace(' ', "").as_str() {
                "yaml" => checker.file(&place, &code.text, &mut report),
                "yaml,fragment" => {
                    unreadable.extend(read(&code.text).err().map(|why| format!("{place}: {why}")));
                }
                other => assert!(
                    !other.starts_with("yaml") && !other.starts_with("yml"),
                    "{place}: `{other}`: manifests are `yaml`, parts of them and other files `yaml,fragment`"
                ),
            }
        }
    }
    let findings: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "manifests in the docs pass `emnify-operator check`: {findings:#?}");
    assert!(unreadable.is_empty(), "fragments are YAML: {unreadable:#?}");
    assert!(report.objects > 20, "there are manifests in the docs: {}", report.objects);
}

#[test]
fn the_first_device_is_that_of_the_quickstart() {
    let folder = Path::new(ROOT).join("examples/quickstart");
    let files = fs::read_dir(folder).expect("the quickstart is in the repository").flatten();
    let texts: Vec<String> =
        files.map(|file| fs::read_to_string(file.path()).expect("examples are text")).collect();
    let quickstart: Vec<Value> =
        texts.iter().flat_map(|text| read(text).expect("examples are YAML")).collect();
    let pages = pages();
    let page =
        pages.iter().find(|page| page.name == "docs/first-device.md").expect("the book begins with a device");
    let blocks = page.code.iter().filter(|code| code.fence.as_deref() == Some("yaml"));
    let shown: Vec<Value> = blocks.flat_map(|code| read(&code.text).expect("manifests are YAML")).collect();
    assert!(shown.len() > 3, "the tutorial shows its manifests");
    for object in shown {
        assert!(
            quickstart.contains(&object),
            "the tutorial shows what examples/quickstart applies: {object:?}"
        );
    }
}

fn read(text: &str) -> Result<Vec<Value>, serde_yaml::Error> {
    serde_yaml::Deserializer::from_str(text).map(Value::deserialize).collect()
}
