//! Descriptions that end with our mark.

use super::{
    FieldDiff, Inputs, mark,
    spec::{CommonStatus, Provenance},
};

/// The path of the field in every spec that has one.
pub(crate) const PATH: &str = "description";

/// What a spec wants the description to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The user's text; unset leaves what is there.
    pub text: Option<String>,
    /// Our mark, in brackets.
    pub mark: String,
}

impl Description {
    /// The description of the object that `from` belongs to.
    pub fn new(text: Option<String>, from: &Inputs) -> Self {
        Self { text, mark: from.mark() }
    }

    /// The mark's content, as it stands in the index of the mirror.
    pub fn owner(&self) -> &str {
        mark::split(&self.mark).1.unwrap_or(&self.mark)
    }

    /// What a new object gets.
    pub fn created(&self) -> String {
        mark::append(self.text.as_deref(), &self.mark)
    }

    /// What differs from `have`. An adopted object without a mark stays unmarked: the mark says that we created it.
    pub fn diff(&self, have: &str, status: Option<&CommonStatus>) -> Option<FieldDiff> {
        let (text, found) = mark::split(have);
        let created = status.is_some_and(|s| s.provenance == Some(Provenance::Created));
        let wanted = self.text.as_deref().unwrap_or(text);
        let marked = created || found.is_some();
        if wanted == text && (!marked || found == Some(self.owner())) {
            return None;
        }
        let new = if marked { mark::append(Some(wanted), &self.mark) } else { wanted.to_owned() };
        Some(FieldDiff::new(PATH, have, new))
    }

    /// What differs from `have` where emnify changes nothing: a mark, whosever it is, stays as it was made.
    pub fn differs(&self, have: &str) -> Option<FieldDiff> {
        let (text, _) = mark::split(have);
        let wanted = self.text.as_deref()?;
        (wanted != text).then(|| FieldDiff::new(PATH, text, wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(text: Option<&str>) -> Description {
        Description { text: text.map(str::to_owned), mark: mark::of("prod", "fleet/a") }
    }

    fn ours(provenance: Provenance) -> CommonStatus {
        CommonStatus { provenance: Some(provenance), ..CommonStatus::default() }
    }

    #[test]
    fn the_mark_is_not_part_of_what_the_user_wrote() {
        let created = ours(Provenance::Created);
        assert_eq!(wants(Some("meters")).diff("meters [k8s prod/fleet/a]", Some(&created)), None);
        assert_eq!(
            wants(None).diff("anything [k8s prod/fleet/a]", Some(&created)),
            None,
            "unset is unmanaged"
        );
        assert_eq!(wants(Some("meters")).created(), "meters [k8s prod/fleet/a]");
    }

    #[test]
    fn an_edited_text_keeps_the_mark() {
        let diff = wants(Some("meters")).diff("pumps [k8s prod/fleet/a]", None).unwrap();
        assert_eq!(diff.new, "meters [k8s prod/fleet/a]");
    }

    #[test]
    fn a_lost_mark_returns_on_what_we_created_and_never_appears_on_what_we_adopted() {
        let diff = wants(None).diff("meters", Some(&ours(Provenance::Created))).unwrap();
        assert_eq!(diff.new, "meters [k8s prod/fleet/a]");
        assert_eq!(wants(None).diff("meters", Some(&ours(Provenance::Adopted))), None);
        let edited = wants(Some("pumps")).diff("meters", Some(&ours(Provenance::Adopted))).unwrap();
        assert_eq!(edited.new, "pumps", "a mark would make an adopted object look created");
    }

    #[test]
    fn where_nothing_can_be_changed_only_the_text_is_compared() {
        for mark in ["[k8s prod/fleet/a]", "[k8s old/fleet/a]", ""] {
            let have = format!("meters {mark}");
            assert_eq!(wants(None).differs(have.trim()), None, "unset is unmanaged, also {have}");
            assert_eq!(wants(Some("meters")).differs(have.trim()), None, "no mark can be set: {have}");
            let diff = wants(Some("pumps")).differs(have.trim()).unwrap();
            assert_eq!(
                (diff.old.as_str(), diff.new.as_str()),
                ("meters", "pumps"),
                "people are told of the text"
            );
        }
    }

    #[test]
    fn a_foreign_mark_that_was_taken_over_becomes_ours() {
        let diff = wants(None).diff("meters [k8s old/fleet/a]", Some(&ours(Provenance::Adopted))).unwrap();
        assert_eq!(diff.new, "meters [k8s prod/fleet/a]");
    }
}
