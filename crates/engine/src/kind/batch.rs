//! One call to emnify: it makes objects, or it changes some that are there.

use emnify::{Api, Error};

use super::{Id, Managed, Reply, misuse};

/// What one call carries: all of it is new, or none of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Batch<C> {
    /// Makes objects.
    Make(Vec<C>),
    /// Changes objects.
    Apply(Vec<(Id, C)>),
}

impl<C: Clone> Batch<C> {
    /// The call for changes that share a batch key, or a single one; `None` if only some of them have an id.
    pub fn of<'a>(items: impl IntoIterator<Item = (Option<&'a Id>, &'a C)>) -> Option<Self>
    where
        C: 'a,
    {
        let mut items = items.into_iter().peekable();
        if items.peek()?.0.is_some() {
            let changes = items.map(|(id, change)| Some((id?.clone(), change.clone())));
            return changes.collect::<Option<_>>().map(Self::Apply);
        }
        let new = items.map(|(id, change)| id.is_none().then(|| change.clone()));
        new.collect::<Option<_>>().map(Self::Make)
    }

    /// Sends it; one reply each, in order.
    pub async fn send<K: Managed<Change = C>>(&self, api: &Api) -> Result<Vec<Reply<K>>, Error> {
        match (self, K::BULK) {
            (Self::Make(one), _) if one.len() == 1 => Ok(vec![K::make(api, &one[0]).await?]),
            (Self::Apply(one), _) if one.len() == 1 => Ok(vec![K::apply(api, &one[0].0, &one[0].1).await?]),
            (Self::Make(many), Some(bulk)) => (bulk.make)(api, many).await,
            (Self::Apply(many), Some(bulk)) => (bulk.apply)(api, many).await,
            (_, None) => Err(misuse("the API has no call for several of these")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_makes_all_of_its_objects_or_none() {
        let id = Id::Int(7);
        assert_eq!(Batch::of([(None, &"a"), (None, &"b")]), Some(Batch::Make(vec!["a", "b"])));
        assert_eq!(Batch::of([(Some(&id), &"a")]), Some(Batch::Apply(vec![(Id::Int(7), "a")])));
        assert_eq!(Batch::of([(Some(&id), &"a"), (None, &"b")]), None, "half of it has no object");
        assert_eq!(Batch::<&str>::of([]), None, "nothing is no call");
    }
}
