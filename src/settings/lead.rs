//! The flags of replicas and shards, and what they mean.

use std::time::Duration;

use clap::{ArgAction, Args};
use jiff::SignedDuration;

use super::shard::{InvalidSelector, Shard};

/// Replicas and shards.
#[derive(Args, Clone, Debug)]
pub struct LeadArgs {
    /// Whether this process waits for its turn to lead, so that several replicas may run. `false` is for a single process
    /// that nobody stands by for.
    #[arg(
        long,
        env = "EMNIFY_OPERATOR_LEADER_ELECT",
        default_value_t = true,
        action = ArgAction::Set,
        num_args = 0..=1,
        default_missing_value = "true",
        value_name = "BOOL"
    )]
    pub leader_elect: bool,
    /// Name of the Lease that replicas compete for, in `--operator-namespace`. With `--shard-selector` a hash of the
    /// selector is added.
    #[arg(long, env = "EMNIFY_OPERATOR_LEASE_NAME", default_value = "emnify-operator", value_name = "NAME")]
    pub lease_name: String,
    /// A replica that was not heard of for so long is replaced. Whole seconds.
    #[arg(long, env = "EMNIFY_OPERATOR_LEASE_DURATION", default_value = "15s", value_name = "DURATION")]
    pub lease_duration: String,
    /// A leader that could not renew its lease for so long stops; shorter than the lease.
    #[arg(long, env = "EMNIFY_OPERATOR_RENEW_DEADLINE", default_value = "10s", value_name = "DURATION")]
    pub renew_deadline: String,
    /// Time between two tries to take or renew the lease; shorter than the deadline.
    #[arg(long, env = "EMNIFY_OPERATOR_RETRY_PERIOD", default_value = "2s", value_name = "DURATION")]
    pub retry_period: String,
    /// Label selector: only workspaces (of both kinds) that it matches are served, with everything that belongs to them,
    /// such as `region=eu` or `tier in (gold,silver),!legacy`. Default: all.
    #[arg(long, env = "EMNIFY_OPERATOR_SHARD_SELECTOR", value_name = "SELECTOR")]
    pub shard_selector: Option<String>,
    /// Name of the shard in metrics. Default: its selector.
    #[arg(long, env = "EMNIFY_OPERATOR_SHARD_NAME", value_name = "NAME")]
    pub shard_name: Option<String>,
}

/// What they mean.
#[derive(Clone, Debug, PartialEq)]
pub struct LeadSettings {
    /// There may be other replicas.
    pub elect: bool,
    /// How long a lease holds.
    pub terms: Terms,
    /// What is served, and the name that goes with it.
    pub shard: Shard,
    /// What metrics call the shard; empty where everything is served.
    pub shard_name: String,
}

/// Times of a lease: `retry` < `renew` < `duration`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Until others may take it.
    pub duration: Duration,
    /// Until its holder stops.
    pub renew: Duration,
    /// Between two tries.
    pub retry: Duration,
}

/// A flag that makes no sense; the message names it and says what to write.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LeadError {
    /// Not a duration.
    #[error("{flag}: `{value}` is not a time above zero; write one like 15s or 500ms")]
    Duration {
        /// The flag.
        flag: &'static str,
        /// What was typed.
        value: String,
    },
    /// A Lease counts seconds.
    #[error("--lease-duration: `{0}` is not a whole number of seconds; write one like 15s")]
    Seconds(String),
    /// The leader would still send when another may lead.
    #[error(
        "--renew-deadline: `{renew}` is not shorter than --lease-duration `{duration}`; write two thirds of it"
    )]
    Renew {
        /// What was typed.
        renew: String,
        /// The lease.
        duration: String,
    },
    /// There would be no second try.
    #[error("--retry-period: `{retry}` is not shorter than --renew-deadline `{renew}`; write a fifth of it")]
    Retry {
        /// What was typed.
        retry: String,
        /// The deadline.
        renew: String,
    },
    /// Nothing would keep two shards apart.
    #[error("--shard-selector needs --leader-elect: shards are kept apart by Leases")]
    ShardWithoutElection,
    /// Not a label selector.
    #[error("--shard-selector: {0}")]
    Selector(#[from] InvalidSelector),
}

impl LeadSettings {
    /// Checks the flags; `lease_name` is known to be a name.
    pub(super) fn new(args: &LeadArgs, lease_name: &str) -> Result<Self, LeadError> {
        let terms = Terms {
            duration: time("--lease-duration", &args.lease_duration)?,
            renew: time("--renew-deadline", &args.renew_deadline)?,
            retry: time("--retry-period", &args.retry_period)?,
        };
        if terms.duration.subsec_nanos() != 0 {
            return Err(LeadError::Seconds(args.lease_duration.clone()));
        }
        if terms.renew >= terms.duration {
            let duration = args.lease_duration.clone();
            return Err(LeadError::Renew { renew: args.renew_deadline.clone(), duration });
        }
        if terms.retry >= terms.renew {
            let renew = args.renew_deadline.clone();
            return Err(LeadError::Retry { retry: args.retry_period.clone(), renew });
        }
        let selector = args.shard_selector.as_deref().unwrap_or_default();
        let shard = Shard::new(lease_name, selector)?;
        if !args.leader_elect && !shard.selects_all() {
            return Err(LeadError::ShardWithoutElection);
        }
        let named = args.shard_name.clone().filter(|name| !name.is_empty() && !shard.selects_all());
        let shard_name = named.unwrap_or_else(|| shard.selector().to_owned());
        Ok(Self { elect: args.leader_elect, terms, shard, shard_name })
    }
}

fn time(flag: &'static str, value: &str) -> Result<Duration, LeadError> {
    let parsed = value.parse::<SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
    parsed.filter(|time| !time.is_zero()).ok_or_else(|| LeadError::Duration { flag, value: value.to_owned() })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        lead: LeadArgs,
    }

    fn settings(flags: &[&str]) -> Result<LeadSettings, LeadError> {
        let typed = Typed::try_parse_from(["run"].iter().chain(flags)).expect("flags that clap accepts");
        LeadSettings::new(&typed.lead, &typed.lead.lease_name)
    }

    fn refused(flags: &[&str]) -> String {
        settings(flags).expect_err("a flag that makes no sense").to_string()
    }

    #[test]
    fn replicas_are_expected_unless_told_otherwise() {
        let default = settings(&[]).expect("defaults are valid");
        assert!(default.elect && default.shard.selects_all());
        assert_eq!(default.shard.lease(), "emnify-operator");
        assert!(!settings(&["--leader-elect=false"]).expect("a single process").elect);
        assert!(settings(&["--leader-elect"]).expect("the flag alone means yes").elect);
    }

    #[test]
    fn times_must_leave_room_for_each_other() {
        assert!(settings(&["--lease-duration=3s", "--renew-deadline=2s", "--retry-period=500ms"]).is_ok());
        assert!(refused(&["--lease-duration=10s"]).starts_with("--renew-deadline: `10s` is not shorter"));
        assert!(refused(&["--retry-period=10s"]).starts_with("--retry-period: `10s` is not shorter"));
        assert!(refused(&["--lease-duration=15500ms"]).contains("whole number of seconds"));
        for flag in ["--lease-duration", "--renew-deadline", "--retry-period"] {
            for value in ["soon", "0s", "-1s"] {
                assert!(refused(&[&format!("{flag}={value}")]).starts_with(flag), "{flag}={value}");
            }
        }
    }

    #[test]
    fn metrics_call_a_shard_by_its_name_or_else_by_its_selector() {
        let name = |flags: &[&str]| settings(flags).expect("valid").shard_name;
        assert_eq!(name(&[]), "");
        assert_eq!(name(&["--shard-selector=region=eu"]), "region=eu");
        assert_eq!(name(&["--shard-selector=region=eu", "--shard-name=eu"]), "eu");
    }

    #[test]
    fn a_selector_that_cannot_be_read_is_told() {
        assert!(settings(&["--shard-selector="]).expect("an empty variable means unset").shard.selects_all());
        assert!(refused(&["--shard-selector=a=b", "--leader-elect=false"]).contains("needs --leader-elect"));
        assert!(refused(&["--shard-selector", "a in b"]).starts_with("--shard-selector: "));
    }
}
