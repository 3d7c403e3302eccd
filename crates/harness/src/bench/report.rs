//! What a scenario found.

use std::fmt::Display;

use super::{
    figure::{Bar, Figure, Value, Verdict},
    scenario::Scenario,
};

/// The result of one scenario, printed as it grows.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) scenario: Scenario,
    pub(super) figures: Vec<Figure>,
    /// What a reader must know: what was simulated, how something was counted.
    pub(super) notes: Vec<String>,
    /// Why it could not be measured to the end.
    pub(super) failure: Option<String>,
}

impl Report {
    pub(super) fn new(scenario: Scenario) -> Self {
        Self { scenario, figures: Vec::new(), notes: Vec::new(), failure: None }
    }

    /// A figure without a bar.
    pub(super) fn shows(&mut self, what: impl Display, value: Value) {
        self.add(Figure { what: what.to_string(), value, bar: None });
    }

    /// A figure that may be this or less.
    pub(super) fn at_most(&mut self, what: impl Display, value: Value, most: Value) {
        self.add(Figure { what: what.to_string(), value, bar: Some(Bar::AtMost(most)) });
    }

    /// A figure that has to be this.
    pub(super) fn is(&mut self, what: impl Display, value: Value, wanted: Value) {
        self.add(Figure { what: what.to_string(), value, bar: Some(Bar::Is(wanted)) });
    }

    fn add(&mut self, figure: Figure) {
        println!("  {figure}");
        self.figures.push(figure);
    }

    /// Tells a reader of the result.
    pub(super) fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        println!("  ({note})");
        self.notes.push(note);
    }

    /// Notes why it ended early.
    pub(super) fn fail(&mut self, why: String) {
        println!("  NOT MEASURED TO THE END: {why}");
        self.failure = Some(why);
    }

    /// How many figures are short, and one more if it ended early.
    pub(super) fn short(&self) -> usize {
        let short = self.figures.iter().filter(|figure| figure.verdict() == Verdict::Short).count();
        short + usize::from(self.failure.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_that_ended_early_is_short() {
        let mut report = Report::new(Scenario::Create1000);
        report.at_most("calls", Value::Count(1), Value::Count(20));
        assert_eq!(report.short(), 0);
        report.fail("not Ready in time".to_owned());
        assert_eq!(report.short(), 1, "what was not measured is not met");
        report.at_most("calls", Value::Count(21), Value::Count(20));
        assert_eq!(report.short(), 2);
    }
}
