//! A toy of which the API has only a listing.

use emnify::{Api, Cursor, Error, Page};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    kind::{
        Context, Diff, Facts, Find, Have, Id, Inputs, Invalid, Key, Managed, Reply,
        spec::{CommonSpec, CommonStatus, Intent},
    },
    toy::{Toy, ToyChange, ToyPart, ToyParts, ToyRow, ToyWant},
};

#[derive(CustomResource, JsonSchema, Clone, Debug, Default, Serialize, Deserialize)]
#[kube(
    group = "emnify.io",
    version = "v1alpha1",
    kind = "Listed",
    plural = "listeds",
    namespaced,
    status = "ListedStatus"
)]
pub(crate) struct ListedSpec {
    #[serde(flatten)]
    common: CommonSpec,
}

#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ListedStatus {
    #[serde(flatten)]
    common: CommonStatus,
}

crate::kind!(Listed, ListedStatus);

impl Managed for Listed {
    type Row = ToyRow;
    type Part = ToyPart;
    type Parts = ToyParts;
    type Want = ToyWant;
    type Change = ToyChange;
    type News = bool;

    const FACTS: Facts = Facts { has_read: false, ..Toy::FACTS };

    fn id(row: &ToyRow) -> Id {
        Toy::id(row)
    }

    fn keys(row: &ToyRow, put: &mut dyn FnMut(Key)) {
        Toy::keys(row, put);
    }

    fn is_deleted(row: &ToyRow) -> bool {
        Toy::is_deleted(row)
    }

    fn want(&self, _: &Inputs) -> Result<ToyWant, Invalid> {
        Ok(ToyWant::default())
    }

    fn find(want: &ToyWant, intent: Option<&Intent>) -> Vec<Find> {
        Toy::find(want, intent)
    }

    fn create(_: &ToyWant, _: Option<&Intent>) -> Option<ToyChange> {
        None
    }

    fn diff(_: &ToyWant, _: &Have<Self>, _: &Context<'_, Self>) -> Diff<ToyChange> {
        Diff::default()
    }

    fn retire(_: &Have<Self>, _: &Context<'_, Self>) -> Vec<ToyChange> {
        Vec::new()
    }

    fn assume(change: &ToyChange, row: &mut ToyRow, parts: &mut ToyParts) {
        Toy::assume(change, row, parts);
    }

    fn report(&self, _: &Have<Self>, _: Option<&bool>, _: &mut ListedStatus) {}

    async fn list(api: &Api, at: Cursor) -> Result<Page<ToyRow>, Error> {
        Toy::list(api, at).await
    }

    async fn read(_: &Api, _: &Id) -> Result<Option<ToyRow>, Error> {
        Ok(None)
    }

    async fn read_part(_: &Api, _: &Id, _: ToyPart, _: &mut ToyParts) -> Result<(), Error> {
        Ok(())
    }

    async fn apply(_: &Api, _: &Id, _: &ToyChange) -> Result<Reply<Self>, Error> {
        Ok(Reply::default())
    }
}
