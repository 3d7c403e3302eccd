//! Names of members.

use emnify_engine::kind::Invalid;

/// Path of the template.
const PATH: &str = "nameTemplate";
/// Longest name of a device, as for a single one.
const LONGEST: usize = 255;
/// Digits of an ICCID as emnify keys it.
const ICCID_DIGITS: usize = 19;

/// A name with places for what a member is known by.
#[derive(Clone, Copy, Debug)]
pub(super) struct NameTemplate<'a> {
    text: &'a str,
    set: &'a str,
    namespace: &'a str,
}

/// A stretch of the template.
enum Piece<'a> {
    Text(&'a str),
    /// So many of the last digits.
    Iccid(usize),
    Set,
    Namespace,
}

impl<'a> NameTemplate<'a> {
    /// Reads a template; the schema refuses most of what this does, objects written under an older one may have it.
    pub(super) fn new(text: &'a str, set: &'a str, namespace: &'a str) -> Result<Self, Invalid> {
        let template = Self { text, set, namespace };
        let mut named = false;
        for piece in template.pieces() {
            named |= matches!(piece?, Piece::Iccid(_));
        }
        if !named {
            return Err(Invalid::new(
                PATH,
                "use {iccid} or {iccid:last6}, or all devices of the set have the same name",
            ));
        }
        let length = template.of(&"8".repeat(ICCID_DIGITS)).chars().count();
        if length > LONGEST {
            return Err(Invalid::new(
                PATH,
                format!("names become {length} characters long, emnify takes {LONGEST}: shorten it"),
            ));
        }
        Ok(template)
    }

    /// The name of the member with this ICCID.
    pub(super) fn of(self, iccid: &str) -> String {
        let mut name = String::with_capacity(self.text.len() + ICCID_DIGITS);
        for piece in self.pieces().flatten() {
            name.push_str(match piece {
                Piece::Text(text) => text,
                Piece::Iccid(last) => iccid.get(iccid.len().saturating_sub(last)..).unwrap_or(iccid),
                Piece::Set => self.set,
                Piece::Namespace => self.namespace,
            });
        }
        name
    }

    fn pieces(self) -> impl Iterator<Item = Result<Piece<'a>, Invalid>> {
        let mut rest = self.text;
        std::iter::from_fn(move || {
            let first = rest.chars().next()?;
            if first != '{' {
                let end = rest.find(['{', '}']).unwrap_or(rest.len()).max(first.len_utf8());
                let (text, after) = rest.split_at(end);
                rest = after;
                return Some(if first == '}' { Err(unknown(text)) } else { Ok(Piece::Text(text)) });
            }
            let end = rest.find('}').map_or(rest.len(), |end| end + 1);
            let (place, after) = rest.split_at(end);
            rest = after;
            Some(piece(place))
        })
    }
}

fn piece(place: &str) -> Result<Piece<'_>, Invalid> {
    let inner = place.strip_prefix('{').and_then(|place| place.strip_suffix('}')).unwrap_or(place);
    let last = inner.strip_prefix("iccid:last").filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    let last = last.and_then(|digits| digits.parse::<usize>().ok());
    match (inner, last) {
        ("iccid", _) => Ok(Piece::Iccid(ICCID_DIGITS)),
        (_, Some(last @ 1..ICCID_DIGITS)) => Ok(Piece::Iccid(last)),
        ("set", _) => Ok(Piece::Set),
        ("namespace", _) => Ok(Piece::Namespace),
        _ => Err(unknown(place)),
    }
}

fn unknown(place: &str) -> Invalid {
    let message = format!(
        "{place} means nothing here: use {{iccid}}, {{iccid:last6}} (1 to 18 digits), {{set}} and {{namespace}}"
    );
    Invalid::new(PATH, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ICCID: &str = "8988303000000010140";

    fn named(text: &str) -> Result<String, Invalid> {
        NameTemplate::new(text, "meters", "prod").map(|template| template.of(ICCID))
    }

    #[test]
    fn places_are_filled_in() {
        assert_eq!(named("Zähler {iccid:last6}").unwrap(), "Zähler 010140");
        assert_eq!(named("{namespace}/{set}-{iccid}").unwrap(), format!("prod/meters-{ICCID}"));
        assert_eq!(named("{iccid:last1}{iccid:last18}").unwrap(), format!("0{}", &ICCID[1..]));
    }

    #[test]
    fn what_cannot_be_filled_in_is_named() {
        for (text, place) in [
            ("{iccid}-{index}", "{index}"),
            ("{iccid:last0}", "{iccid:last0}"),
            ("{iccid:last19}", "{iccid:last19}"),
            ("{iccid:last+6}{iccid}", "{iccid:last+6}"),
            ("{iccid} {", "{"),
            ("{iccid} }", "}"),
        ] {
            let error = named(text).unwrap_err();
            assert!(error.path == "nameTemplate" && error.message.starts_with(place), "{text}: {error}");
        }
    }

    #[test]
    fn one_name_for_all_and_names_that_are_too_long_are_refused() {
        assert!(named("meter").unwrap_err().message.contains("same name"));
        assert!(named(&format!("{}{{iccid}}", "x".repeat(237))).unwrap_err().message.contains("256"));
    }
}
