//! Manifests as text. kubectl reads YAML 1.1, in which `on`, `1_000` and `0o7` are no texts, and the library that is used elsewhere
//! writes 1.2: so whatever is not plainly a word stands in quotes, as JSON has them.

use std::{fmt::Write as _, iter};

use serde_json::Value;

/// Words that YAML 1.1 takes for something else, in whatever case.
const WORDS: [&str; 11] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"];

/// One document.
pub(super) fn document(value: &Value) -> String {
    let mut text = String::new();
    for line in lines(value) {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

fn lines(value: &Value) -> Vec<String> {
    match value {
        Value::Object(map) if !map.is_empty() => {
            let mut all = Vec::new();
            for (key, value) in map {
                let key = scalar_text(key);
                let below = lines(value);
                match below.as_slice() {
                    [line] if is_short(value) => all.push(format!("{key}: {line}")),
                    [mark, lines @ ..] if value.is_string() => {
                        all.push(format!("{key}: {mark}"));
                        all.extend_from_slice(lines);
                    }
                    _ => {
                        all.push(format!("{key}:"));
                        all.extend(below.iter().map(|line| format!("  {line}")));
                    }
                }
            }
            all
        }
        Value::Array(items) if !items.is_empty() => {
            let mut all = Vec::new();
            for item in items {
                let below = lines(item);
                let marked = below.iter().enumerate();
                all.extend(marked.map(|(at, line)| format!("{} {line}", if at == 0 { "-" } else { " " })));
            }
            all
        }
        Value::Object(_) => vec!["{}".to_owned()],
        Value::Array(_) => vec!["[]".to_owned()],
        Value::String(text) if is_text(text) => {
            iter::once("|".to_owned()).chain(text.lines().map(|line| format!("  {line}"))).collect()
        }
        Value::String(text) => vec![scalar_text(text)],
        Value::Null | Value::Bool(_) | Value::Number(_) => vec![value.to_string()],
    }
}

/// It stands on the line of its key.
fn is_short(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => true,
    }
}

fn scalar_text(text: &str) -> String {
    if is_word(text) { text.to_owned() } else { quoted(text) }
}

/// Lines of words, which stand below each other as they are.
fn is_text(text: &str) -> bool {
    let joins = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte);
    text.len() > 1
        && text.ends_with('\n')
        && text.split_terminator('\n').all(|line| !line.is_empty() && line.bytes().all(joins))
}

/// Letters, and what joins them; no reader takes it for anything else.
fn is_word(text: &str) -> bool {
    let joins = |byte: u8| byte.is_ascii_alphanumeric() || b" _-./()@+".contains(&byte);
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && ends(bytes.last())
        && bytes.iter().all(|byte| joins(*byte))
        && !WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// As JSON writes it, without what YAML takes for the end of a line or refuses.
fn quoted(text: &str) -> String {
    let mut out = String::new();
    for c in Value::from(text).to_string().chars() {
        match c {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                write!(out, "\\u{:04x}", u32::from(c)).expect("a string takes any text");
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_looks_as_people_write_it() {
        let value = json!({"kind": "Endpoint", "metadata": {"name": "meter-1"}, "spec": {
            "empty": [], "id": "9", "none": {}, "sim": {"iccid": "8988303000000010001"},
            "tags": ["roof", "on"], "zones": [{"id": "7", "more": {"a": true}}, {"id": "8"}],
        }});
        let text = "kind: Endpoint\nmetadata:\n  name: meter-1\nspec:\n  empty: []\n  id: \"9\"\n  none: {}\n  sim:\n    iccid: \
                    \"8988303000000010001\"\n  tags:\n    - roof\n    - \"on\"\n  zones:\n    - id: \"7\"\n      more:\n        a: \
                    true\n    - id: \"8\"\n";
        assert_eq!(document(&value), text);
    }

    #[test]
    fn lines_of_a_list_stand_below_each_other() {
        let text = "8988303000000010001\n8988303000000010002\n";
        let written = document(&json!({"data": {"iccids": text}, "kind": "ConfigMap"}));
        assert_eq!(
            written,
            "data:\n  iccids: |\n    8988303000000010001\n    8988303000000010002\nkind: ConfigMap\n"
        );
        for odd in ["a\n\n", "\n", " a\n", "a\n b\n", "a\nb", "a\r\n", "#a\n", "a\n...\n", "a\n---\n"] {
            for value in [json!({"data": {"x": odd}, "z": 1}), json!([odd, "b"])] {
                let back: Value = serde_yaml::from_str(&document(&value)).unwrap();
                assert_eq!(back, value, "{odd:?}");
            }
        }
        let list = json!([text]);
        assert_eq!(serde_yaml::from_str::<Value>(&document(&list)).unwrap(), list);
    }

    #[test]
    fn what_readers_could_take_for_something_else_is_quoted_and_read_back_as_it_was() {
        let odd = [
            "",
            " ",
            "on",
            "No",
            "y",
            "~",
            "null",
            "1_000",
            "0o7",
            "0x1f",
            "1e3",
            ".inf",
            "2026-05-01",
            "12:30:45",
            "a: b",
            "a #b",
            "- a",
            "'",
            "\"",
            "\\",
            "a\nb",
            "a\tb",
            "<<",
            "=",
            "!a",
            "&a",
            "*a",
            "[a]",
            "{a}",
            "%a",
            "@a",
            "`a",
            "a\u{85}b",
            "a\u{2028}b",
            "\u{feff}a",
            "a\u{7f}",
            "\u{1b}[2J",
            "Zähler",
            "日本",
            "🛰",
            "---",
            "a b ",
            "a:",
        ];
        for text in odd {
            assert!(scalar_text(text).starts_with('"'), "{text:?} is quoted");
            let document = document(&json!({"name": text}));
            assert_eq!(document.lines().count(), 1, "{document:?}");
            let back: Value = serde_yaml::from_str(&document).unwrap();
            assert_eq!(back["name"], *text, "{document:?}");
        }
        for text in ["roof", "Meter 1", "eu-west-1", "Germany / Telekom", "jo@example.com", "A (b) c", "Data"]
        {
            assert_eq!(scalar_text(text), text, "words are left as they are");
        }
    }
}
