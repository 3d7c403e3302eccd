//! Every kind from `kubectl apply` over an edit to `kubectl delete`.

mod adopted;
mod devices;
mod profiles;
mod token;
mod workspaces;
