//! A page of Markdown, taken apart.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    path::Path,
};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use super::ROOT;

/// What tests ask of a page.
pub(super) struct Page {
    /// Path from the root of the repository.
    pub(super) name: String,
    pub(super) text: String,
    pub(super) headings: Vec<Heading>,
    /// Anchors that links may name.
    pub(super) anchors: BTreeSet<String>,
    /// Targets of links, with their line.
    pub(super) links: Vec<(usize, String)>,
    /// Code: blocks and spans.
    pub(super) code: Vec<Code>,
}

pub(super) struct Heading {
    pub(super) level: usize,
    pub(super) title: String,
    /// Where the section's text begins and ends.
    pub(super) body: std::ops::Range<usize>,
}

pub(super) struct Code {
    pub(super) line: usize,
    /// What stands after the fence; empty for indented blocks, `None` for spans.
    pub(super) fence: Option<String>,
    pub(super) text: String,
}

impl Page {
    pub(super) fn read(path: &Path) -> Self {
        let name = path.strip_prefix(ROOT).expect("pages are in the repository").display().to_string();
        Self::parse(name, fs::read_to_string(path).expect("pages are text"))
    }

    pub(super) fn parse(name: String, text: String) -> Self {
        let mut page = Self {
            name,
            headings: Vec::new(),
            anchors: BTreeSet::new(),
            links: Vec::new(),
            code: Vec::new(),
            text: String::new(),
        };
        page.walk(&text);
        let ends: Vec<usize> = (0..page.headings.len())
            .map(|at| {
                let level = page.headings[at].level;
                let next = page.headings[at + 1..].iter().find(|next| next.level <= level);
                next.map_or(text.len(), |next| next.body.start)
            })
            .collect();
        for (heading, end) in page.headings.iter_mut().zip(ends) {
            heading.body.end = end;
        }
        page.text = text;
        page
    }

    fn walk(&mut self, text: &str) {
        let line = |at: usize| text[..at].matches('\n').count() + 1;
        let (mut heading, mut block): (Option<Heading>, Option<Code>) = (None, None);
        let mut seen: HashMap<String, usize> = HashMap::new();
        for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
            match event {
                Event::Start(Tag::Heading { level, .. }) => {
                    heading = Some(Heading { level: level as usize, title: String::new(), body: range });
                }
                Event::End(TagEnd::Heading(_)) => {
                    let heading = heading.take().expect("a heading ends after it began");
                    let anchor = anchor(&heading.title);
                    let again = seen.entry(anchor.clone()).and_modify(|n| *n += 1).or_default();
                    self.anchors.insert(if *again == 0 { anchor } else { format!("{anchor}-{again}") });
                    self.headings.push(heading);
                }
                Event::Start(Tag::CodeBlock(kind)) => {
                    let fence = match kind {
                        CodeBlockKind::Fenced(info) => info.to_string(),
                        CodeBlockKind::Indented => String::new(),
                    };
                    block = Some(Code { line: line(range.start), fence: Some(fence), text: String::new() });
                }
                Event::End(TagEnd::CodeBlock) => self.code.extend(block.take()),
                Event::Start(Tag::Link { dest_url, .. }) => {
                    self.links.push((line(range.start), dest_url.to_string()));
                }
                Event::Code(code) => {
                    if let Some(heading) = &mut heading {
                        heading.title += &code;
                    }
                    self.code.push(Code { line: line(range.start), fence: None, text: code.to_string() });
                }
                Event::Text(words) => match (&mut block, &mut heading) {
                    (Some(block), _) => block.text += &words,
                    (None, Some(heading)) => heading.title += &words,
                    (None, None) => {}
                },
                _ => {}
            }
        }
    }

    /// The text of a section, its heading included.
    pub(super) fn section(&self, heading: &Heading) -> &str {
        &self.text[heading.body.clone()]
    }
}

/// How mdBook and GitHub name a heading.
fn anchor(title: &str) -> String {
    let kept = title.trim().chars().filter_map(|c| match c {
        c if c.is_alphanumeric() || c == '_' || c == '-' => Some(c.to_ascii_lowercase()),
        c if c.is_whitespace() => Some('-'),
        _ => None,
    });
    kept.collect()
}
