//! Text with values of the device in it: `{name}` stands for one, `{{` for a brace.

/// A piece of a template.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Plain(String),
    Value(String),
}

fn pieces(template: &str) -> Vec<Piece> {
    let (mut found, mut plain, mut rest) = (Vec::new(), String::new(), template);
    while let Some(at) = rest.find('{') {
        plain.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('{') {
            plain.push('{');
            rest = after;
        } else if let Some((name, after)) = rest.split_once('}') {
            found.push(Piece::Plain(std::mem::take(&mut plain)));
            found.push(Piece::Value(name.to_owned()));
            rest = after;
        } else {
            plain.push('{');
        }
    }
    plain.push_str(rest);
    found.push(Piece::Plain(plain));
    found
}

/// The text with values; what lacks one is told.
pub(super) fn filled(template: &str, value: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut text = String::new();
    for piece in pieces(template) {
        match piece {
            Piece::Plain(plain) => text.push_str(&plain),
            Piece::Value(name) => {
                text.push_str(
                    &value(&name).ok_or_else(|| format!("the device has no {name} to put into the text"))?,
                );
            }
        }
    }
    Ok(text)
}

/// The text may be the template with whatever values.
pub(super) fn fits(template: &str, text: &str) -> bool {
    let pieces = pieces(template);
    let plain: Vec<&str> = pieces
        .iter()
        .filter_map(|piece| if let Piece::Plain(plain) = piece { Some(plain.as_str()) } else { None })
        .collect();
    let [first, between @ .., last] = &plain[..] else {
        return plain.first().is_some_and(|plain| *plain == text);
    };
    let Some(mut rest) = text.strip_prefix(first).and_then(|rest| rest.strip_suffix(*last)) else {
        return false;
    };
    between.iter().all(|plain| match rest.find(*plain) {
        Some(at) => {
            rest = &rest[at + plain.len()..];
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_braces_stand_where_the_template_has_them() {
        let value = |name: &str| (name == "name").then(|| "meter".to_owned());
        assert_eq!(filled("APN {{x} {name}!", &value), Ok("APN {x} meter!".to_owned()));
        assert!(filled("{imsi}", &value).unwrap_err().contains("imsi"));
        assert_eq!(filled("{{{name}", &value), Ok("{meter".to_owned()));
    }

    #[test]
    fn a_message_is_known_by_its_text_whatever_the_device_was_called_then() {
        assert!(fits("hello", "hello") && !fits("hello", "hello!"));
        assert!(fits("I am {name}.", "I am meter-1.") && fits("I am {name}.", "I am another."));
        assert!(!fits("I am {name}.", "You are meter-1."));
        assert!(fits("{name} {{ {imsi}", "a { b") && !fits("{name} {{ {imsi}", "a b"));
    }
}
