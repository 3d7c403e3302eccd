//! What the docs tell Helm to do, Helm does.

use serde_yaml::Value;

use super::pages;
use crate::charts::helm;

/// Flags that `helm upgrade` has and `helm template` has not.
const OF_UPGRADE: &[&str] =
    &["--install", "--create-namespace", "--reset-then-reuse-values", "--take-ownership"];

#[tokio::test]
async fn every_install_in_the_docs_renders() {
    let mut seen = 0;
    for page in pages() {
        for code in page.code.iter().filter(|code| code.fence.is_some()) {
            let text = code.text.replace("\\\n", " ");
            for line in text.lines().map(str::trim).filter(|line| line.starts_with("helm upgrade --install"))
            {
                let words = line.split('#').next().unwrap_or_default().split_whitespace().skip(2);
                let words: Vec<&str> = words
                    .map(|word| word.trim_matches('\''))
                    .filter(|word| !OF_UPGRADE.contains(word))
                    .collect();
                let arguments: Vec<&str> = ["template"].into_iter().chain(words).collect();
                let output = helm(&arguments, &[]).await;
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(output.status.success(), "{}:{}: {line}: {said}", page.name, code.line);
                seen += 1;
            }
        }
    }
    assert!(seen > 4, "the docs show how to install: {seen}");
}

#[tokio::test]
async fn values_in_the_docs_are_those_of_the_chart() {
    let mut seen = 0;
    for page in pages() {
        for code in page.code.iter().filter(|code| code.fence.as_deref() == Some("yaml,fragment")) {
            let values: Value = serde_yaml::from_str(&code.text).expect("fragments are YAML");
            if values.get("installation").is_none() {
                continue;
            }
            let output =
                helm(&["template", "emnify-operator", "charts/emnify-operator"], &[&code.text]).await;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{}:{}: {said}", page.name, code.line);
            seen += 1;
        }
    }
    assert!(seen > 0, "the docs show values of the chart");
}
