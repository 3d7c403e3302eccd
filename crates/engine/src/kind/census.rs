//! Objects of emnify by what they are like.

use std::collections::BTreeMap;

/// A group has no more names than this, or the rest counts as `Other`: there are about 250 countries.
const NAMES: usize = 300;

/// Objects of emnify by group and name, such as `connectivity` and `Online`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census(BTreeMap<&'static str, BTreeMap<String, usize>>);

impl Census {
    /// Counts one object.
    pub fn add(&mut self, group: &'static str, name: &str) {
        let names = self.0.entry(group).or_default();
        if let Some(count) = names.get_mut(name) {
            *count += 1;
            return;
        }
        let name = if names.len() < NAMES { name } else { "Other" };
        *names.entry(name.to_owned()).or_default() += 1;
    }

    /// Names of a group with their numbers.
    pub fn of(&self, group: &str) -> impl Iterator<Item = (&str, usize)> {
        self.0.get(group).into_iter().flatten().map(|(name, count)| (name.as_str(), *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_of_a_census_stays_small_whatever_names_emnify_has() {
        let mut census = Census::default();
        for i in 0..NAMES * 2 {
            census.add("country", &format!("country {i}"));
            census.add("country", "country 0");
        }
        assert_eq!(census.of("country").count(), NAMES + 1);
        let of = |name: &str| census.of("country").find(|(n, _)| *n == name).map(|(_, count)| count);
        assert_eq!((of("country 0"), of("Other")), (Some(NAMES * 2 + 1), Some(NAMES)));
    }
}
