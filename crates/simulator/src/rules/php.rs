//! How the PHP back end writes JSON: slashes and non-ASCII escaped, flags and numbers often as strings. [R][L]

use std::fmt::Write;

use serde_json::{Value, json};

/// A document as PHP's `json_encode` writes it: `/` as `\/`, non-ASCII as `\u` escapes. [R]
pub fn escape(document: &str) -> String {
    let mut out = String::with_capacity(document.len());
    // Slashes and non-ASCII characters occur only inside strings, so the finished text can be escaped as a whole.
    for character in document.chars() {
        match character {
            '/' => out.push_str("\\/"),
            character if character.is_ascii() => out.push(character),
            character => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}").expect("writing to a string");
                }
            }
        }
    }
    out
}

/// A flag in a list: `"1"` or `"0"`. [L]
pub fn flag_in_list(flag: bool) -> Value {
    json!(if flag { "1" } else { "0" })
}

/// A flag in a single object: 1 or 0. [L]
pub fn flag_in_detail(flag: bool) -> Value {
    json!(u8::from(flag))
}

/// A number or id written as a string, as in `used_count` and `organisation_id`. [L]
pub fn text(number: &impl ToString) -> Value {
    json!(number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_and_non_ascii_are_escaped_and_still_mean_the_same() {
        let value = json!({"name": "Albania / Plus", "symbol": "€", "emoji": "📡", "quote": "a\"b"});
        let text = escape(&value.to_string());
        assert!(text.contains(r"Albania \/ Plus"));
        assert!(text.contains(r"\u20ac"));
        assert!(text.is_ascii());
        assert_eq!(serde_json::from_str::<Value>(&text).expect("still JSON"), value);
    }

    #[test]
    fn flags_are_strings_in_lists_and_numbers_in_details() {
        assert_eq!(flag_in_list(true), json!("1"));
        assert_eq!(flag_in_list(false), json!("0"));
        assert_eq!(flag_in_detail(true), json!(1));
        assert_eq!(text(&7), json!("7"));
    }
}
