//! Every kind from `kubectl apply` over an edit to `kubectl delete`.

mod adopted;
mod attachments;
mod automations;
mod callbacks;
mod devices;
mod dns;
mod keys;
mod profiles;
mod spaces;
mod streams;
mod tags;
mod token;
mod users;
mod workspaces;
