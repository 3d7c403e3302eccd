//! A plan as text: for a terminal, and for a pull request.

use std::fmt::Write as _;

use super::page::{Action, Change, Entry, Plan};

impl Action {
    /// In front of a line.
    fn sign(self) -> char {
        match self {
            Self::Create => '+',
            Self::Adopt => '=',
            Self::Change => '~',
            Self::Replace => '±',
            Self::Delete => '-',
            Self::Leave => '<',
            Self::Run => '>',
            Self::None => '.',
        }
    }

    /// For people.
    fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Adopt => "adopt",
            Self::Change => "change",
            Self::Replace => "replace",
            Self::Delete => "delete",
            Self::Leave => "leave behind",
            Self::Run => "run",
            Self::None => "nothing",
        }
    }
}

impl Entry {
    fn title(&self) -> String {
        let id = self.id.as_ref().map(|id| format!(" (id {id})")).unwrap_or_default();
        format!("{} {}/{}{id}", self.kind, self.namespace, self.name)
    }

    /// What has to be known beside the changes.
    fn remark(&self) -> Option<String> {
        let (reason, message) = (self.reason.as_ref()?, self.message.as_ref()?);
        Some(format!("{}{reason}: {message}", if self.stalled { "stalled: " } else { "" }))
    }
}

impl Change {
    /// A line for each field, or one for all of it.
    fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = if self.fields.is_empty() {
            vec![self.what.clone()]
        } else {
            self.fields
                .iter()
                .map(|f| format!("{}: {} -> {}", f.path, shown(&f.old), shown(&f.new)))
                .collect()
        };
        let last = lines.last_mut().expect("there is one");
        if self.times > 1 {
            write!(last, " ({} times)", self.times).expect("a string takes any text");
        }
        if self.after_approval {
            last.push_str(" (after approval)");
        }
        if let Some(why) = &self.refused {
            write!(last, " (refused: {why})").expect("a string takes any text");
        }
        lines
    }
}

/// What is empty is seen, too.
fn shown(value: &str) -> &str {
    if value.is_empty() { "\"\"" } else { value }
}

/// `3 to create, 1 to delete`.
fn summary(plan: &Plan) -> String {
    let tally = plan.tally();
    let mut parts: Vec<String> =
        tally.iter().map(|(action, count)| format!("{count} to {}", action.word())).collect();
    let waits = plan.objects.iter().filter(|entry| entry.stalled).count();
    if waits > 0 {
        parts.push(format!("{waits} stalled"));
    }
    parts.push(format!("{} unchanged", plan.unchanged));
    let calls = if plan.calls == 1 { "1 call".to_owned() } else { format!("{} calls", plan.calls) };
    format!("{}; {calls} to emnify, {} devices disturbed", parts.join(", "), plan.devices_disturbed)
}

/// What follows the objects.
fn afterwards(plan: &Plan) -> Vec<String> {
    let mut lines = Vec::new();
    for guard in &plan.guards {
        lines.push(format!(
            "Guard of {} trips: {} devices were disturbed before, {} more wait in {} objects, and maxDevices is {}",
            guard.workspace, guard.done, guard.asked, guard.objects, guard.max_devices
        ));
    }
    let told =
        |what: &str, all: &[String]| all.iter().map(|one| format!("{what}: {one}")).collect::<Vec<_>>();
    lines.extend(told("Starts billing", &plan.starts_billing));
    lines.extend(told("Stops billing", &plan.stops_billing));
    lines.extend(told("Not in the plan", &plan.problems));
    lines.extend(told("Note", &plan.notes));
    lines
}

impl Plan {
    /// For a terminal.
    pub fn text(&self) -> String {
        lines(self).join("\n") + "\n"
    }

    /// For a comment on a pull request.
    pub fn markdown(&self) -> String {
        markdown(self)
    }
}

/// Lines for a terminal.
fn lines(plan: &Plan) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in &plan.objects {
        lines.push(format!("{} {} {}", entry.action.sign(), entry.action.word(), entry.title()));
        for line in entry.changes.iter().flat_map(Change::lines) {
            lines.push(format!("    {line}"));
        }
        lines.extend(entry.remark().map(|remark| format!("    {remark}")));
    }
    lines.push(format!("Organisation {}: {}.", plan.organisation, summary(plan)));
    lines.extend(afterwards(plan));
    lines
}

/// Characters that objects take of a comment, and what follows them: GitHub takes 65,536 in all.
const OBJECTS: usize = 40_000;
const REST: usize = 20_000;

/// Markdown of which nothing that emnify or a manifest says is markup, and as much of it as a comment may have.
fn markdown(plan: &Plan) -> String {
    let mut text = format!("### emnify plan: {}\n", escaped(&summary(plan)));
    if !plan.objects.is_empty() {
        // where not all fit, those come first that something is sent for
        let (told, silent): (Vec<_>, Vec<_>) =
            plan.objects.iter().partition(|entry| !entry.changes.is_empty() || entry.message.is_some());
        let blocks: Vec<_> = told.into_iter().chain(silent).map(block).collect();
        let (shown, left) = fitting(&blocks, OBJECTS);
        write!(text, "\n```diff\n{shown}```\n").expect("a string takes any text");
        if left > 0 {
            write!(text, "\n{left} more objects do not fit here: `kubectl emnify plan` shows them.\n")
                .expect("a string takes any text");
        }
    }
    let rest: Vec<_> = afterwards(plan).iter().map(|line| format!("- {}\n", escaped(line))).collect();
    if !rest.is_empty() {
        let (shown, left) = fitting(&rest, REST);
        write!(text, "\n{shown}").expect("a string takes any text");
        if left > 0 {
            writeln!(text, "- {left} more lines like these").expect("a string takes any text");
        }
    }
    text
}

/// As many of these as have room, whole, and how many have not.
fn fitting(blocks: &[String], room: usize) -> (String, usize) {
    let mut shown = String::new();
    for (at, block) in blocks.iter().enumerate() {
        if shown.len() + block.len() > room {
            return (shown, blocks.len() - at);
        }
        shown.push_str(block);
    }
    (shown, 0)
}

/// Lines of a fence.
fn block(entry: &Entry) -> String {
    let sign = match entry.action {
        Action::Create => '+',
        Action::Delete => '-',
        Action::None | Action::Leave => ' ',
        _ => '!',
    };
    let mut text = format!("{sign} {} {}\n", entry.action.word(), fenced(&entry.title()));
    for line in entry.changes.iter().flat_map(Change::lines).chain(entry.remark()) {
        writeln!(text, "{sign}     {}", fenced(&line)).expect("a string takes any text");
    }
    text
}

/// One line of a fence that it cannot end.
fn fenced(line: &str) -> String {
    line.replace("```", "'''").replace(['\n', '\r'], " ")
}

/// Text whose characters mean themselves.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\n' | '\r' => out.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '~' | '@' | '!' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::plan::page::{Field, Tripped};

    fn change(what: &str, fields: &[(&str, &str, &str)]) -> Change {
        let field = |(path, old, new): &(&str, &str, &str)| Field {
            path: (*path).to_owned(),
            old: (*old).to_owned(),
            new: (*new).to_owned(),
        };
        Change {
            what: what.to_owned(),
            fields: fields.iter().map(field).collect(),
            times: 1,
            after_approval: false,
            refused: None,
        }
    }

    fn entry(name: &str, action: Action, changes: Vec<Change>) -> Entry {
        Entry {
            kind: "Endpoint".to_owned(),
            namespace: "ns".to_owned(),
            name: name.to_owned(),
            action,
            id: None,
            changes,
            reason: None,
            message: None,
            stalled: false,
        }
    }

    fn plan() -> Plan {
        let held = Change {
            after_approval: true,
            ..change("", &[("enabled", "true", "false"), ("name", "", "a`b")])
        };
        let many = Change { times: 40, ..change("tag meters", &[]) };
        let mut stalled = entry("c", Action::None, vec![]);
        (stalled.stalled, stalled.reason) = (true, Some("AlreadyExists".to_owned()));
        stalled.message = Some("add ```id: \"7\"```".to_owned());
        let objects = vec![
            entry("a", Action::Create, vec![change("create a", &[])]),
            Entry { id: Some("7".to_owned()), ..entry("b", Action::Change, vec![held, many]) },
            stalled,
        ];
        Plan {
            organisation: "Example (1001)".to_owned(),
            objects,
            unchanged: 5,
            calls: 3,
            devices_disturbed: 2,
            starts_billing: vec!["Endpoint ns/a: create a".to_owned()],
            guards: vec![Tripped {
                workspace: "Workspace ns/default".to_owned(),
                done: 1,
                asked: 1,
                objects: 1,
                max_devices: 1,
            }],
            ..Plan::default()
        }
    }

    #[test]
    fn a_page_says_field_by_field_what_is_sent_and_what_stands_in_the_way() {
        let lines = lines(&plan());
        let wanted = [
            "+ create Endpoint ns/a",
            "    create a",
            "~ change Endpoint ns/b (id 7)",
            "    enabled: true -> false",
            "    name: \"\" -> a`b (after approval)",
            "    tag meters (40 times)",
            ". nothing Endpoint ns/c",
            "    stalled: AlreadyExists: add ```id: \"7\"```",
            "Organisation Example (1001): 1 to create, 1 to change, 1 stalled, 5 unchanged; 3 calls to emnify, 2 devices disturbed.",
            "Guard of Workspace ns/default trips: 1 devices were disturbed before, 1 more wait in 1 objects, and maxDevices is 1",
            "Starts billing: Endpoint ns/a: create a",
        ];
        assert_eq!(lines, wanted);
    }

    #[test]
    fn nothing_that_a_manifest_says_ends_the_fence_or_is_markup() {
        let mut plan = plan();
        plan.problems = vec!["<img src=x> @everybody [a](b)".to_owned()];
        let text = markdown(&plan);
        assert_eq!(text.matches("```").count(), 2, "{text}");
        assert!(
            text.contains("\n+ create Endpoint ns/a\n") && text.contains("\n!     enabled: true -> false\n"),
            "{text}"
        );
        assert!(text.contains("\\<img src=x\\> \\@everybody \\[a\\](b)"), "{text}");
    }

    #[test]
    fn a_comment_is_never_too_long_and_begins_with_what_is_sent() {
        let adopted = |n: usize| entry(&format!("meter-{n}"), Action::Adopt, vec![]);
        let mut objects: Vec<_> = (0..10_000).map(adopted).collect();
        objects.push(entry("last", Action::Create, vec![change("create last", &[])]));
        let starts_billing = (0..5_000).map(|n| format!("Endpoint ns/meter-{n}: activate its SIM")).collect();
        let text = markdown(&Plan { objects, starts_billing, ..plan() });
        assert!(text.len() < 65_536, "{}", text.len());
        assert!(text.contains("```diff\n+ create Endpoint ns/last\n"), "{}", &text[..400]);
        assert!(text.contains(" more objects do not fit here") && text.contains(" more lines like these"));
        assert!(text.contains("- Guard of Workspace"), "what matters most is there");
        assert_eq!(text.matches("```").count(), 2);
    }
}
