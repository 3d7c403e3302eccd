//! The runbook, as it was released with this program.

const TEXT: &str = include_str!("../../../docs/runbook.md");

/// What the runbook says of a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) means: String,
    pub(super) action: String,
    pub(super) ends: String,
}

/// The entry of a reason.
pub(super) fn entry(reason: &str) -> Option<Entry> {
    let section = TEXT.split("\n### ").skip(1).find(|section| section.lines().next() == Some(reason))?;
    let section = section.split("\n## ").next()?;
    let part = |word: &str| {
        let text = section.split(&format!("**{word}.** ")).nth(1)?;
        let text = text.split("\n**").next()?;
        Some(plain(text))
    };
    Some(Entry { means: part("Means")?, action: part("Do")?, ends: part("Ends")? })
}

/// Without line breaks and links.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, link)) = rest.split_once('[') {
        plain.push_str(before);
        let Some((words, after)) = link.split_once("](") else {
            plain.push('[');
            rest = link;
            continue;
        };
        plain.push_str(words);
        rest = after.split_once(')').map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use emnify_engine::kind::reason;

    use super::*;

    #[test]
    fn every_reason_has_its_entry() {
        for (reason, _) in reason::ALL {
            let entry =
                entry(reason).unwrap_or_else(|| panic!("{reason} has an entry with Means, Do and Ends"));
            assert!(
                !entry.means.is_empty() && !entry.action.is_empty() && !entry.ends.is_empty(),
                "{reason}"
            );
            assert!(!entry.action.contains("](") && !entry.action.contains('\n'), "{}", entry.action);
        }
        assert_eq!(entry("Nonsense"), None);
    }
}
