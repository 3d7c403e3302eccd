//! ICCIDs as people write them down.

use emnify_engine::kind::Invalid;

use crate::api::Iccid;

/// An ICCID and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::kinds) struct Entry {
    /// 19 digits.
    pub(in crate::kinds) iccid: String,
    /// For messages, such as `line 12`.
    pub(in crate::kinds) place: String,
}

/// ICCIDs of a list in the spec. One that cannot be read refuses all: were it passed over, the device of the SIM that
/// was meant would leave the set.
pub(super) fn listed(list: &[Iccid]) -> Result<Vec<Entry>, Invalid> {
    let entry = |(index, iccid): (usize, &Iccid)| {
        let place = format!("sims.list[{index}]");
        Ok(Entry { iccid: iccid.normal(&place)?, place })
    };
    list.iter().enumerate().map(entry).collect()
}

/// The ICCIDs of a set's text. A text without any is refused, because it is more often a mistake than the wish to delete a fleet.
pub(super) fn written(text: &str) -> Result<Vec<Entry>, Invalid> {
    const PATH: &str = "sims.configMapRef";
    let entries = iccids(text, PATH)?;
    if entries.is_empty() {
        let message = "the text names no SIM; a set that should be empty has `sims: {list: []}`";
        return Err(Invalid::new(PATH, message));
    }
    Ok(entries)
}

/// ICCIDs of a text: separated by commas, semicolons or white space, `#` begins a comment.
pub(in crate::kinds) fn iccids(text: &str, path: &str) -> Result<Vec<Entry>, Invalid> {
    let mut entries = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        let words =
            line.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';')).filter(|w| !w.is_empty());
        for word in words {
            let place = format!("line {}", index + 1);
            let normal = Iccid::from(word).normal(path);
            let iccid =
                normal.map_err(|error| Invalid::new(path, format!("{place}: {word}: {}", error.message)))?;
            entries.push(Entry { iccid, place });
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "8988303000000010140";
    const B: &str = "8988303000000010157";

    #[test]
    fn a_text_may_be_commented_and_separated_in_many_ways() {
        let text = format!("# roof\n\n{A}, # north\n  {B};{A}\r\n");
        let found = written(&text).unwrap();
        let places: Vec<_> = found.iter().map(|e| (e.iccid.as_str(), e.place.as_str())).collect();
        assert_eq!(places, [(A, "line 3"), (B, "line 4"), (A, "line 4")]);
    }

    #[test]
    fn a_mistake_is_found_by_its_line_and_stops_everything() {
        let error = written(&format!("{A}\n\n898830300000001O157\n")).unwrap_err();
        assert_eq!(error.path, "sims.configMapRef");
        assert!(error.message.starts_with("line 3: 898830300000001O157: "), "{error}");
        let error = listed(&[A.into(), "89".into()]).unwrap_err();
        assert_eq!(error.path, "sims.list[1]");
    }

    #[test]
    fn an_empty_text_is_a_mistake_and_not_the_end_of_the_fleet() {
        assert!(written("").is_err() && written("# all gone\n").is_err());
        assert_eq!(listed(&[]), Ok(Vec::new()), "a list says it on purpose");
    }
}
