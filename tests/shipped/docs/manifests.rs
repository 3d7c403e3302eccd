//! YAML in the docs is what the operator accepts.

use emnify_operator::{
    check::{Checker, Report},
    kinds,
};
use serde::Deserialize;

use super::pages;

#[test]
fn every_manifest_in_the_docs_passes_check() {
    let checker = Checker::new(&kinds::crds());
    let (mut report, mut unreadable) = (Report::default(), Vec::new());
    for page in pages() {
        for code in &page.code {
            let Some(fence) = code.fence.as_deref() else { continue };
            let place = format!("{}:{}", page.name, code.line);
            match fence.replace(' ', "").as_str() {
                "yaml" => checker.file(&place, &code.text, &mut report),
                "yaml,fragment" => {
                    unreadable.extend(read(&code.text).err().map(|why| format!("{place}: {why}")))
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

fn read(text: &str) -> Result<(), serde_yaml::Error> {
    serde_yaml::Deserializer::from_str(text)
        .try_for_each(|document| serde_yaml::Value::deserialize(document).map(|_| ()))
}
