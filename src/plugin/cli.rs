//! What can be typed after `kubectl emnify`.

use std::{path::PathBuf, process::ExitCode, str::FromStr, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::SignedDuration;

/// Looks at a fleet that the emnify operator keeps, and lets people decide what waits for them.
///
/// Exit code 0: done. 1: it could not be done, and stderr says why. 2: what was typed cannot be understood, or `export` shows that the folder differs. Nothing is ever changed in emnify.
#[derive(Parser, Clone, Debug)]
#[command(name = "kubectl-emnify", bin_name = "kubectl emnify", version)]
pub struct Cli {
    /// Where, and how it is shown.
    #[command(flatten)]
    pub place: Place,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// Where, and how it is shown.
#[derive(Args, Clone, Debug, Default)]
pub struct Place {
    /// Namespace. Default: that of the context.
    #[arg(short, long, global = true, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Context of the kubeconfig. Default: the current one.
    #[arg(long, global = true, value_name = "CONTEXT")]
    pub context: Option<String>,
    /// How it is shown.
    #[arg(short, long, global = true, value_enum, default_value_t)]
    pub output: Format,
}

/// How rows are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns.
    #[default]
    Table,
    /// More columns.
    Wide,
    /// As emnify or Kubernetes say it, in an array.
    Json,
    /// The same as YAML.
    Yaml,
    /// What a manifest or the next command takes.
    Name,
}

/// What to do.
#[derive(Subcommand, Clone, Debug)]
pub enum Verb {
    /// One page: workspaces, logins, budget, fleets, and what is not ready.
    #[command(after_help = "Example:\n  kubectl emnify status --all-namespaces --watch")]
    Status(StatusArgs),
    /// The devices that used most this month, as the operator read it last; emnify is not asked.
    #[command(after_help = "Example:\n  kubectl emnify top --by cost --limit 10")]
    Top(TopArgs),
    /// Why an object is not ready, or what it waits for, and the command that mends it.
    #[command(after_help = "Example:\n  kubectl emnify explain endpoint/meter-1")]
    Explain(ExplainArgs),
    /// Lets changes go on that the guard of a workspace holds back, after showing them.
    #[command(after_help = "Example:\n  kubectl emnify approve workspace/default")]
    Approve(DecisionArgs),
    /// Does something once to devices, SIMs or others, as an Operation, and follows it to its end.
    #[command(after_help = "Example:\n  kubectl emnify run sendSms endpoint/meter-1 --set payload=APN=em")]
    Run(RunArgs),
    /// Has an object read anew, and earlier refusals forgotten.
    #[command(after_help = "Example:\n  kubectl emnify refresh endpoint/meter-1")]
    Refresh(ObjectArgs),
    /// Has the operator leave an object alone until it is resumed.
    #[command(after_help = "Example:\n  kubectl emnify suspend endpointset/meters")]
    Suspend(ObjectArgs),
    /// Has the operator go on with an object that was suspended.
    #[command(after_help = "Example:\n  kubectl emnify resume endpointset/meters")]
    Resume(ObjectArgs),
    /// Lets a deletion that is held end: what is in emnify stays there, and goes on costing.
    #[command(after_help = "Example:\n  kubectl emnify release endpoint/meter-1 --yes")]
    Release(DecisionArgs),
    /// Writes what the organisation has as manifests for Git; applying them takes it over, and sends nothing.
    #[command(after_help = "Example:\n  kubectl emnify export --to fleet")]
    Export(ExportArgs),
    /// What applying manifests would do in emnify, decided by the operator's own engine on a copy of the organisation.
    ///
    /// Exit code 0: nothing. 2: something changes. 1: something is wrong, cannot be carried out, or is not known.
    #[command(after_help = "Example:\n  kubectl emnify plan -f fleet --installation prod")]
    Plan(PlanArgs),
    /// Rows of a table of emnify, as manifests take them; without a name, the tables.
    #[command(after_help = "Example:\n  kubectl emnify get rat-types")]
    Get(GetArgs),
    /// Who the token speaks for: organisation, plan, roles and permissions.
    #[command(after_help = "Example:\n  kubectl emnify whoami")]
    Whoami(ReadArgs),
    /// What the organisation, or a device or SIM, has used.
    #[command(after_help = "Example:\n  kubectl emnify usage endpoint/meter-1 --daily")]
    Usage(UsageArgs),
    /// The newest events of the organisation, or of a device, a SIM or a user.
    #[command(after_help = "Example:\n  kubectl emnify events endpoint/meter-1 --follow")]
    Events(EventsArgs),
    /// Messages of a device, and what became of them.
    #[command(after_help = "Example:\n  kubectl emnify sms endpoint/meter-1")]
    Sms(SmsArgs),
    /// Where in the network a device is, or was last. The visited network is asked.
    #[command(after_help = "Example:\n  kubectl emnify locate iccid:8988303000000010140")]
    Locate(DeviceArgs),
    /// Countries and networks that devices of a tariff profile may use.
    #[command(after_help = "Example:\n  kubectl emnify coverage tariffprofile/europe")]
    Coverage(DeviceArgs),
    /// What an automation did.
    #[command(after_help = "Example:\n  kubectl emnify automation-log automation/alert")]
    AutomationLog(AutomationLogArgs),
    /// All of a device on one page, for support: connectivity, SIM, quota, limits, blocklist and its last events.
    #[command(after_help = "Example:\n  kubectl emnify describe endpoint/meter-1")]
    Describe(DeviceArgs),
}

/// What to show.
#[derive(Args, Clone, Debug)]
pub struct StatusArgs {
    /// Every namespace.
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// Keeps the page up to date until Ctrl-C.
    #[arg(short, long)]
    pub watch: bool,
    /// Ends once everything is ready, and prints the page then; with --watch all the while.
    #[arg(long)]
    pub wait: bool,
    /// How long --wait waits, such as 90s or 1h; exit code 1 after that.
    #[arg(long, default_value = "10m", value_parser = time, requires = "wait")]
    pub timeout: Duration,
}

fn time(typed: &str) -> Result<Duration, String> {
    let span = typed.parse::<SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
    span.ok_or_else(|| "write a time such as 90s or 1h".to_owned())
}

/// By what, and how many.
#[derive(Args, Clone, Debug, Default)]
pub struct TopArgs {
    /// What counts.
    #[arg(long, value_enum, default_value_t)]
    pub by: Measure,
    /// How many at most.
    #[arg(long, default_value_t = 20, value_name = "NUMBER")]
    pub limit: u32,
    /// Every namespace.
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// `EndpointSet`s instead of Endpoints, read now: a request for each of their devices.
    #[arg(long)]
    pub sets: bool,
    /// Reads however many devices they have.
    #[arg(long, requires = "sets")]
    pub yes: bool,
    /// Name of the operator's installation, where several have sets of the same names.
    #[arg(long, env = "EMNIFY_OPERATOR_INSTALLATION", value_name = "NAME")]
    pub installation: Option<String>,
    /// How emnify is read, with `--sets`.
    #[command(flatten)]
    pub read: ReadArgs,
}

/// What a device used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Measure {
    /// Data in both directions.
    #[default]
    Data,
    /// Messages in both directions.
    Sms,
    /// What both cost.
    Cost,
}

/// Which object.
#[derive(Args, Clone, Debug)]
pub struct ObjectArgs {
    /// The object, as KIND/NAME; the kind may be short or in the plural.
    #[arg(value_name = "KIND/NAME")]
    pub object: String,
}

/// What to do once, and to whom.
#[derive(Args, Clone, Debug, Default)]
pub struct RunArgs {
    /// The action, as `spec.action` of an Operation has it, such as `resetConnectivity`.
    #[arg(value_name = "ACTION")]
    pub action: String,
    /// Devices and others: KIND/NAME, `id:NUMBER` of a device, `iccid:DIGITS`, `eid:DIGITS`, `tag:NAME`.
    #[arg(value_name = "TARGET")]
    pub targets: Vec<String>,
    /// A field of the action; may be repeated.
    #[arg(long, value_name = "FIELD=VALUE")]
    pub set: Vec<String>,
    /// Name of the Operation. Default: made from the action.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Confirms what cannot be taken back, without asking.
    #[arg(short, long)]
    pub yes: bool,
    /// Ends once the Operation is made.
    #[arg(long)]
    pub no_follow: bool,
    /// Shows the manifest, and makes nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// Which object, and for how long.
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// The object, as KIND/NAME; the kind may be short or in the plural.
    #[arg(value_name = "KIND/NAME")]
    pub object: String,
    /// Says it again whenever it changes, until the object is ready or gone.
    #[arg(short, long)]
    pub watch: bool,
    /// How emnify is read, for who changed something there.
    #[command(flatten)]
    pub read: ReadArgs,
}

/// Which object, and whether anybody is asked.
#[derive(Args, Clone, Debug)]
pub struct DecisionArgs {
    /// The object, as KIND/NAME; the kind may be short or in the plural.
    #[arg(value_name = "KIND/NAME")]
    pub object: String,
    /// Do it without asking.
    #[arg(short, long)]
    pub yes: bool,
}

/// How emnify is read.
#[derive(Args, Clone, Debug, Default)]
pub struct ReadArgs {
    /// `ApplicationToken` whose JWT is used.
    #[arg(long, env = "EMNIFY_APPLICATION_TOKEN", default_value = "kubectl", value_name = "NAME")]
    pub token: String,
    /// File with an application token or a JWT, instead of the cluster's.
    #[arg(long, env = "EMNIFY_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Address of the API, with `--token-file`.
    #[arg(long, env = "EMNIFY_BASE_URL", value_name = "URL", requires = "token_file")]
    pub base_url: Option<String>,
}

/// What is exported, and where to.
#[derive(Args, Clone, Debug)]
pub struct ExportArgs {
    /// Kinds, such as `endpoints`. Left out: all but `sims`.
    #[arg(value_name = "KIND")]
    pub kinds: Vec<String>,
    /// Folder; `-`: standard output. One that holds something is compared, and nothing is written.
    #[arg(long, value_name = "FOLDER")]
    pub to: String,
    /// Adds what is new to a folder that people keep, and changes nothing in it.
    #[arg(long)]
    pub merge: bool,
    /// Which devices that differ in SIM and name only become an `EndpointSet`, which puts a tag on each: `never`, `auto` for ten and more,
    /// `tag:NAME` for those with that tag.
    #[arg(long, default_value = "never", value_name = "WHICH")]
    pub sets: Sets,
    /// How emnify is read.
    #[command(flatten)]
    pub read: ReadArgs,
}

/// Which devices become sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Sets {
    /// None.
    #[default]
    Never,
    /// Those of which there are some that are alike.
    Auto,
    /// Those with this tag.
    Tag(String),
}

impl FromStr for Sets {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.strip_prefix("tag:")) {
            ("never", _) => Ok(Self::Never),
            ("auto", _) => Ok(Self::Auto),
            (_, Some(tag)) if !tag.is_empty() => Ok(Self::Tag(tag.to_owned())),
            _ => Err("use never, auto or tag:NAME".to_owned()),
        }
    }
}

/// How it ended, if it did not fail; it is also the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Done, and what was compared is the same.
    Done,
    /// What was compared differs, or would be changed.
    Differs,
    /// Something that was asked about cannot be carried out, or is not known.
    Problems,
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Done => Self::SUCCESS,
            Ending::Differs => Self::from(2),
            Ending::Problems => Self::FAILURE,
        }
    }
}

/// What is planned.
#[derive(Args, Clone, Debug)]
pub struct PlanArgs {
    /// File, folder or kustomization; `-`: standard input. May be repeated.
    #[arg(short, long, required = true, value_name = "FILE")]
    pub filename: Vec<String>,
    /// Name of the operator's installation, which stands in the marks of what it owns.
    #[arg(long, env = "EMNIFY_OPERATOR_INSTALLATION", value_name = "NAME")]
    pub installation: Option<String>,
    /// Compares with what runs in the cluster. Left out: as if nothing did.
    #[arg(long)]
    pub cluster: bool,
    /// Deletes what is of this installation and in no manifest.
    #[arg(long)]
    pub prune: bool,
    /// Markdown, for a comment on a pull request.
    #[arg(long)]
    pub markdown: bool,
    /// How emnify is read.
    #[command(flatten)]
    pub read: ReadArgs,
}

/// Which table.
#[derive(Args, Clone, Debug)]
pub struct GetArgs {
    /// The table; left out, all are named.
    #[arg(value_name = "TABLE")]
    pub table: Option<String>,
    /// What the table is of, where it needs that: an id, or an object.
    #[arg(value_name = "OF")]
    pub of: Option<String>,
    /// How emnify is read.
    #[command(flatten)]
    pub read: ReadArgs,
}

/// Whose usage.
#[derive(Args, Clone, Debug)]
pub struct UsageArgs {
    /// KIND/NAME, `id:NUMBER` of a device, or `iccid:DIGITS`. Left out: the organisation.
    #[arg(value_name = "DEVICE")]
    pub device: Option<String>,
    /// Day by day.
    #[arg(long)]
    pub daily: bool,
    /// Hour by hour; of the organisation only.
    #[arg(long, conflicts_with_all = ["daily", "device"])]
    pub hourly: bool,
    /// Day by day of every workspace of a user; an application token sees one only.
    #[arg(long, conflicts_with_all = ["daily", "hourly", "device"])]
    pub workspaces: bool,
    /// How emnify is read.
    #[command(flatten)]
    pub read: ReadArgs,
}

/// Whose events.
#[derive(Args, Clone, Debug)]
pub struct EventsArgs {
    /// KIND/NAME, `id:NUMBER` of a device, or `iccid:DIGITS`. Left out: the organisation.
    #[arg(value_name = "DEVICE")]
    pub device: Option<String>,
    /// Only of this type, by name or number.
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: Option<String>,
    /// Only the last so many, such as `30m`, `2h` or `7d`.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Goes on with what is new, every ten seconds.
    #[arg(short, long)]
    pub follow: bool,
    /// How many at most.
    #[arg(long, default_value_t = 50, value_name = "NUMBER")]
    pub limit: u32,
    /// How emnify is read.
    #[command(flatten)]
    pub read: ReadArgs,
}

/// Whose messages.
#[derive(Args, Clone, Debug)]
pub struct SmsArgs {
    /// KIND/NAME, `id:NUMBER` of a device, or `iccid:DIGITS`.
    #[arg(value_name = "DEVICE")]
    pub device: String,
    /// Only this message.
    #[arg(value_name = "ID")]
    pub message: Option<String>,
    /// How emnify is read.
    #[command(flatten)]
    pub read: ReadArgs,
}

/// Which run of which automation.
#[derive(Args, Clone, Debug)]
pub struct AutomationLogArgs {
    /// KIND/NAME.
    #[arg(value_name = "AUTOMATION")]
    pub automation: String,
    /// Number of the run, counted from 1.
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    pub run: u64,
    /// How emnify is read.
    #[command(flatten)]
    pub read: ReadArgs,
}

/// Which device or object.
#[derive(Args, Clone, Debug)]
pub struct DeviceArgs {
    /// KIND/NAME, `id:NUMBER`, or `iccid:DIGITS` of a device.
    #[arg(value_name = "OBJECT")]
    pub device: String,
    /// How emnify is read.
    #[command(flatten)]
    pub read: ReadArgs,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn devices_become_sets_as_it_is_typed() {
        assert_eq!("auto".parse(), Ok(Sets::Auto));
        assert_eq!("tag:a:b".parse(), Ok(Sets::Tag("a:b".into())));
        assert_eq!("never".parse(), Ok(Sets::default()));
        for wrong in ["", "tag:", "Auto", "roof"] {
            assert!(wrong.parse::<Sets>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_command_line_is_sound_and_each_verb_has_an_example() {
        let mut command = Cli::command();
        command.build();
        command.clone().debug_assert();
        for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
            let example = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(example.contains(&format!("kubectl emnify {}", verb.get_name())), "{}", verb.get_name());
        }
    }
}
