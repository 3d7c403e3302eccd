//! UUIDs, where the API shows one instead of a number.

/// Whose UUIDs they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is named after what it is of")]
pub enum Family {
    SystemEvent = 0x5e,
    Action = 0xac,
    Template = 0x7e,
    CustomEvent = 0xce,
    Automation = 0xa0,
    LogEntry = 0x10,
    EuiccOperation = 0xe0,
    SimOperation = 0x51,
}

/// The UUID by which the API knows a number.
pub fn uuid(family: Family, id: u64) -> String {
    format!("{:08x}-0000-4000-8000-{id:012x}", family as u32)
}

/// The number that a UUID stands for, if it is one of the family.
pub fn number(family: Family, text: &str) -> Option<u64> {
    let id = u64::from_str_radix(text.rsplit('-').next()?, 16).ok()?;
    (uuid(family, id) == text).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_uuid_stands_for_one_number_of_its_family() {
        assert_eq!(number(Family::Action, &uuid(Family::Action, 2)), Some(2));
        assert_eq!(number(Family::Template, &uuid(Family::Action, 2)), None, "it is of another family");
        assert_eq!(number(Family::Action, "2"), None);
    }
}
