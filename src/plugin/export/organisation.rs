//! Reads an organisation kind by kind, and writes what was read as manifests.

use std::collections::BTreeMap;

use emnify::Api;
use emnify_engine::kind::{Table, spec::WorkspaceRef, task::Task, trigger::Trigger};

pub use super::told::{Organisation, Written};
use super::{
    choice::Choice,
    fleets::{Fleet, Fleets, Way},
    folder::Folder,
    stock::{All, Stock},
    told::Batch,
};
use crate::{
    check::Checker,
    kinds::{
        Visitor,
        export::{Export, ExportSet, Exported, Known},
        for_each,
    },
    plugin::{cli::Sets, emnify::mended},
};

/// What is exported, and how.
#[derive(Debug, Default)]
pub struct Order<'a> {
    /// Which kinds.
    pub choice: Choice,
    /// Which devices become sets.
    pub sets: Sets,
    /// The workspace that all objects name; `None`: the default.
    pub workspace: Option<WorkspaceRef>,
    /// What is there already, to which is only added.
    pub folder: Option<&'a Folder>,
}

/// Reads what was chosen and writes it. Everything that is sent is a GET.
pub async fn read(api: &Api, order: Order<'_>) -> Organisation {
    struct Gather<'a>(&'a Choice, Vec<Box<dyn Stock>>, Vec<Box<dyn Fleet>>, Vec<&'static str>);
    impl Visitor for Gather<'_> {
        fn visit<K: Export>(&mut self) {
            match K::EXPORT {
                Exported::Always(manifest) if self.0.has(K::KIND, false) => {
                    self.1.push(Box::new(All::<K>::of(manifest)));
                }
                Exported::OnRequest(_, manifest) if self.0.has(K::KIND, true) => {
                    self.1.push(Box::new(All::<K>::of(manifest)));
                }
                _ => self.3.push(K::KIND),
            }
        }
        fn visit_set<F: ExportSet>(&mut self) {
            self.2.push(Box::new(Fleets::<F>::default()));
        }
        fn visit_task<T: Task>(&mut self) {}
        fn visit_trigger<T: Trigger>(&mut self) {}
    }
    let mut gather = Gather(&order.choice, Vec::new(), Vec::new(), Vec::new());
    for_each(&mut gather);
    let Gather(_, mut stocks, mut fleets, others) = gather;
    let mut told = Organisation { notes: order.choice.left_out(), ..Organisation::default() };
    for stock in &mut stocks {
        stock.read(api, &mut told).await;
    }
    told.id = api.client().identity().map(|identity| identity.organisation_id);
    let mut known = Known::of(order.workspace);
    learn(api, &stocks, &mut known, &mut told).await;
    for kind in others {
        order.folder.into_iter().for_each(|folder| folder.introduce(kind, &mut known));
    }
    for stock in &mut stocks {
        stock.name(&mut known, order.folder);
        told.differs.extend(order.folder.iter().flat_map(|folder| stock.vanished(folder)));
    }
    let way = Way { sets: &order.sets, folder: order.folder };
    for fleet in &mut fleets {
        fleet.gather(&mut stocks, &way, &mut known, &mut told);
    }
    write(&stocks, &fleets, &mut known, &mut told);
    told
}

/// Reads the tables that manifests take names from.
async fn learn(api: &Api, stocks: &[Box<dyn Stock>], known: &mut Known, told: &mut Organisation) {
    let tables = stocks.iter().flat_map(|stock| stock.tables());
    let tables: BTreeMap<&str, &'static Table> = tables.map(|table| (table.name, table)).collect();
    for table in tables.into_values() {
        match (table.load)(api.clone()).await {
            Ok(rows) => known.learn(table, rows),
            Err(error) => {
                let why = mended(error);
                told.notes.push(format!("no {} is called by its name: {why:#}", table.name));
            }
        }
    }
}

/// Writes everything; what cannot be written is named by its id in what refers to it, which is then written anew.
fn write(stocks: &[Box<dyn Stock>], fleets: &[Box<dyn Fleet>], known: &mut Known, told: &mut Organisation) {
    let checker = Checker::own();
    loop {
        let single = stocks.iter().map(|stock| stock.write(known, checker));
        let batches: Vec<Batch> =
            single.chain(fleets.iter().map(|fleet| fleet.write(known, checker))).collect();
        let mut whole = true;
        for batch in &batches {
            for (id, why) in &batch.failed {
                whole = false;
                known.forget(batch.written.kind, id);
                told.problems.push(format!("{} {id}: {why}", batch.written.kind));
            }
        }
        if whole {
            for batch in batches {
                told.problems.extend(batch.lacks);
                told.differs.extend(batch.differs);
                told.to_fill_in.extend(batch.to_fill_in);
                told.written.push(batch.written);
            }
            return;
        }
    }
}
