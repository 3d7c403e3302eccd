//! Replicas and shards: the operator as several real processes against one platform.

mod frozen;
mod hand_over;
mod processes;
mod shards;
