//! `kubectl emnify export`: a live organisation as a folder of manifests that is fit for Git. Applying them takes over what is there, and
//! sends nothing.

mod choice;
mod definitions;
pub mod files;
mod fleets;
mod folder;
mod names;
pub mod organisation;
mod proof;
mod stock;
mod told;
mod yaml;

use std::path::Path;

use anyhow::{Result, bail};
use emnify_engine::kind::spec::{WorkspaceKind, WorkspaceRef};

pub(super) use self::choice::words;
pub use self::{choice::Choice, folder::Folder};
use self::{
    organisation::{Order, Organisation},
    told::Written,
};
use super::{
    cli::{Ending, ExportArgs, Place},
    emnify::Emnify,
    printer::Printer,
};

/// Standard output instead of a folder.
const STREAM: &str = "-";

/// So many of what could not be exported are told one by one.
const TOLD: usize = 50;

/// Where manifests go.
enum To<'a> {
    Stream,
    /// A folder that nobody keeps.
    New(&'a Path),
    /// One that people keep is compared.
    Compared(&'a Path),
    /// To one that people keep is added.
    Merged(&'a Path, Folder),
}

impl<'a> To<'a> {
    fn of(args: &'a ExportArgs) -> Result<Self> {
        if args.to == STREAM {
            if args.merge {
                bail!("standard output has nothing to merge with: name a folder");
            }
            return Ok(Self::Stream);
        }
        let folder = Path::new(&args.to);
        Ok(match (folder::is_free(folder)?, args.merge) {
            (true, _) => Self::New(folder),
            (false, false) => Self::Compared(folder),
            (false, true) => Self::Merged(folder, Folder::read(folder)?),
        })
    }
}

/// The workspace that objects have to name, unless it is the one that they have without.
fn workspace(of: Option<(&'static str, String)>) -> Option<WorkspaceRef> {
    let (kind, name) = of?;
    let shared = kind == WorkspaceKind::ClusterWorkspace.as_str();
    let kind = shared.then_some(WorkspaceKind::ClusterWorkspace);
    (shared || name != "default").then_some(WorkspaceRef { kind, name })
}

pub(super) async fn run(args: &ExportArgs, place: &Place, printer: &mut Printer<'_>) -> Result<Ending> {
    let choice = Choice::of(&args.kinds)?;
    let to = To::of(args)?;
    let emnify = Emnify::connect(&args.read, place).await?;
    let workspace = workspace(emnify.workspace.clone());
    let folder = if let To::Merged(_, folder) = &to { Some(folder) } else { None };
    let order = Order { choice, sets: args.sets.clone(), workspace, folder };
    let organisation = organisation::read(emnify.api(), order).await;
    for note in definitions::unknown(place, &organisation.written).await {
        printer.note(&note)?;
    }
    let outcome = write(&organisation, &to, place.namespace.as_deref(), printer)?;
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
        return Ok(outcome);
    }
    bail!("the rest is exported, but not all: {} things are told above", problems.len())
}

fn write(
    organisation: &Organisation,
    to: &To<'_>,
    namespace: Option<&str>,
    printer: &mut Printer<'_>,
) -> Result<Ending> {
    let written = organisation.written.iter().filter(|written| written.objects > 0);
    let counts = written.map(|Written { kind, objects, .. }| format!("{objects} {kind}"));
    let counts = counts.collect::<Vec<_>>().join(", ");
    match to {
        To::Stream => {
            for line in files::stream(organisation).lines() {
                printer.line(line)?;
            }
            for one in &organisation.to_fill_in {
                printer
                    .note(&format!("to fill in: key {} of Secret {}: {}", one.key, one.secret, one.holds))?;
            }
        }
        To::New(folder) => {
            let files = files::of(organisation, namespace);
            files::save(folder, &files)?;
            printer.line(&format!("{} files in {}: {counts}", files.len(), folder.display()))?;
        }
        To::Compared(folder) => {
            let told = files::differences(folder, &files::of(organisation, namespace))?;
            for line in &told {
                printer.line(line)?;
            }
            if !told.is_empty() {
                printer.note("nothing was written; --merge adds what is new and leaves the rest as it is")?;
                return Ok(Ending::Differs);
            }
        }
        To::Merged(folder, kept) => {
            let merged = files::merged(organisation, kept, namespace);
            files::save(folder, &merged.files)?;
            if let Some(kustomization) = &merged.kustomization {
                files::replace(folder, kustomization)?;
            }
            let what = if counts.is_empty() { "nothing new".to_owned() } else { counts };
            printer.line(&format!("{} new files in {}: {what}", merged.files.len(), folder.display()))?;
            for difference in &organisation.differs {
                printer.line(difference)?;
            }
            for note in &merged.notes {
                printer.note(note)?;
            }
        }
    }
    Ok(Ending::Done)
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
