//! `kubectl emnify export`: a live organisation as a folder of manifests that is fit for Git. Applying them takes over what is there, and
//! sends nothing.

mod choice;
pub mod files;
mod names;
pub mod organisation;
mod proof;
mod yaml;

use std::path::Path;

use anyhow::{Result, bail};
use emnify_engine::kind::spec::{WorkspaceKind, WorkspaceRef};

pub use self::choice::Choice;
pub(super) use self::choice::words;
use super::{
    cli::{ExportArgs, Place},
    emnify::Emnify,
    printer::Printer,
};

/// Standard output instead of a folder.
const STREAM: &str = "-";

/// So many of what could not be exported are told one by one.
const TOLD: usize = 50;

/// The workspace that objects have to name, unless it is the one that they have without.
fn workspace(of: Option<(&'static str, String)>) -> Option<WorkspaceRef> {
    let (kind, name) = of?;
    let shared = kind == WorkspaceKind::ClusterWorkspace.as_str();
    let kind = shared.then_some(WorkspaceKind::ClusterWorkspace);
    (shared || name != "default").then_some(WorkspaceRef { kind, name })
}

pub(super) async fn run(args: &ExportArgs, place: &Place, printer: &mut Printer<'_>) -> Result<()> {
    let choice = Choice::of(&args.kinds)?;
    let folder = Some(Path::new(&args.to)).filter(|_| args.to != STREAM);
    if let Some(folder) = folder {
        files::is_free(folder)?;
    }
    let emnify = Emnify::connect(&args.read, place).await?;
    let organisation = organisation::read(emnify.api(), &choice, workspace(emnify.workspace.clone())).await;
    let counts = organisation.written.iter().filter(|written| !written.documents.is_empty());
    let counts: Vec<_> =
        counts.map(|written| format!("{} {}", written.documents.len(), written.kind)).collect();
    if let Some(folder) = folder {
        let files = files::of(&organisation, place.namespace.as_deref());
        files::save(folder, &files)?;
        printer.line(&format!("{} files in {}: {}", files.len(), folder.display(), counts.join(", ")))?;
    } else {
        for line in files::stream(&organisation).lines() {
            printer.line(line)?;
        }
        let secrets = organisation.to_fill_in.iter();
        for one in secrets {
            printer.note(&format!("to fill in: key {} of Secret {}: {}", one.key, one.secret, one.holds))?;
        }
    }
    for note in &organisation.notes {
        printer.note(note)?;
    }
    let problems = &organisation.problems;
    for problem in problems.iter().take(TOLD) {
        printer.note(problem)?;
    }
    if problems.len() > TOLD {
        printer.note(&format!("and {} more", problems.len() - TOLD))?;
    }
    if problems.is_empty() {
        return Ok(());
    }
    bail!("the rest is written, but not all: {} things are told above", problems.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_name_their_workspace_unless_it_is_the_default() {
        let of = |kind, name: &str| workspace(Some((kind, name.to_owned())));
        assert_eq!(of("Workspace", "default"), None);
        assert_eq!(workspace(None), None);
        assert_eq!(of("Workspace", "roof"), Some(WorkspaceRef { kind: None, name: "roof".into() }));
        let shared = Some(WorkspaceKind::ClusterWorkspace);
        assert_eq!(
            of("ClusterWorkspace", "default"),
            Some(WorkspaceRef { kind: shared, name: "default".into() })
        );
    }
}
