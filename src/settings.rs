//! Flags of `run`, and what they mean, checked once before anything starts.

pub mod allowed_hosts;
pub mod lead;
pub mod log_filter;
pub mod shard;

use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf, time::Duration};

use axum::http::{HeaderName, Uri};
use clap::{Args, ValueEnum};
use emnify::BaseUrl;
use jiff::SignedDuration;

use self::{
    allowed_hosts::{HostRefused, Hosts},
    lead::{LeadArgs, LeadError, LeadSettings},
    log_filter::NoLevels,
};

/// What was typed after `run`; each flag has an environment variable.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// Namespaces to serve, separated by commas. Default: all. With this flag no rights on the whole cluster are
    /// needed, and `ClusterWorkspace` is not served.
    #[arg(long, env = "EMNIFY_OPERATOR_NAMESPACES", value_delimiter = ',', value_name = "NAMESPACE,..")]
    pub namespaces: Vec<String>,
    /// Name of this installation, written into emnify on everything it owns. It must differ between clusters that
    /// share an emnify workspace, and must not change later.
    #[arg(long, env = "EMNIFY_OPERATOR_INSTALLATION", value_name = "NAME")]
    pub installation: String,
    /// Base URL that workspaces may use; may be repeated. https, or http on a loopback address.
    #[arg(
        long = "allowed-base-url",
        env = "EMNIFY_OPERATOR_ALLOWED_BASE_URLS",
        value_delimiter = ',',
        default_value = BaseUrl::PRODUCTION,
        value_name = "URL"
    )]
    pub allowed_base_urls: Vec<String>,
    /// Part of emnify's request limit per source IP that this operator may use, above 0 and up to 1. Lower it when
    /// other programs call emnify from the same address.
    #[arg(long, env = "EMNIFY_OPERATOR_IP_SHARE", default_value_t = 1.0, value_name = "SHARE")]
    pub ip_share: f64,
    /// Time between two complete listings of each kind, such as `5m`. Default: chosen per kind.
    #[arg(long, env = "EMNIFY_OPERATOR_SWEEP_INTERVAL", value_name = "DURATION")]
    pub sweep_interval: Option<String>,
    /// Address of liveness, readiness and metrics.
    #[arg(
        long,
        env = "EMNIFY_OPERATOR_ADMIN_ADDR",
        default_value = "0.0.0.0:8080",
        value_name = "ADDR:PORT"
    )]
    pub admin_addr: String,
    /// Address that emnify data streams of type `RestAPI` send to, path `/push`. Put TLS in front of it. Default: none.
    #[arg(long, env = "EMNIFY_OPERATOR_PUSH_ADDR", value_name = "ADDR:PORT")]
    pub push_addr: Option<String>,
    /// File with the secret that data streams send in a static header; required with `--push-addr`.
    #[arg(long, env = "EMNIFY_OPERATOR_PUSH_SECRET_FILE", value_name = "FILE")]
    pub push_secret_file: Option<String>,
    /// File with the keys that sign callbacks about SMS, one a line: what the `ApiSecret` of the service profiles holds. In a line `@1001 KEY` it is a key of organisation 1001 alone. With it `/sms` of
    /// `--push-addr` takes messages of devices and receipts. Default: none.
    #[arg(long, env = "EMNIFY_OPERATOR_SMS_SECRET_FILE", value_name = "FILE")]
    pub sms_secret_file: Option<String>,
    /// Name of that header. Its whole value is compared, such as `Bearer abc`.
    #[arg(long, env = "EMNIFY_OPERATOR_PUSH_HEADER", default_value = "authorization", value_name = "HEADER")]
    pub push_header: String,
    /// How log lines look.
    #[arg(long, env = "EMNIFY_OPERATOR_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// What is logged: a level, or directives such as `info,emnify=debug`.
    #[arg(long, env = "EMNIFY_OPERATOR_LOG_LEVEL", default_value = "info", value_name = "LEVEL")]
    pub log_level: String,
    /// OpenTelemetry collector that traces are sent to by OTLP over HTTP, such as `http://collector:4318`. Default: the
    /// variable `OTEL_EXPORTER_OTLP_ENDPOINT`; without either there are no traces.
    #[arg(long, env = "EMNIFY_OPERATOR_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,
    /// Its usual name in the environment.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", hide = true, value_name = "URL")]
    pub otel_exporter_otlp_endpoint: Option<String>,
    /// Namespace the operator runs in: its lease, and the Secrets of cluster workspaces.
    #[arg(
        long,
        env = "EMNIFY_OPERATOR_NAMESPACE",
        default_value = "emnify-system",
        value_name = "NAMESPACE"
    )]
    pub operator_namespace: String,
    /// Replicas and shards.
    #[command(flatten)]
    pub lead: LeadArgs,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// What the flags mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where objects are served.
    pub namespaces: Namespaces,
    /// Name of this installation, for marks.
    pub installation: String,
    /// Hosts that may be given a token.
    pub hosts: Hosts,
    /// Part of the IP window that may be used, in (0, 1].
    pub ip_share: f64,
    /// Overrides the kinds' own sweep cadence.
    pub sweep_interval: Option<Duration>,
    /// Where the admin server listens.
    pub admin_addr: SocketAddr,
    /// The push receiver, if there is to be one.
    pub push: Option<PushSettings>,
    /// How log lines look.
    pub log_format: LogFormat,
    /// A valid filter for `tracing_subscriber`.
    pub log_filter: String,
    /// Collector of traces, without a slash at the end.
    pub otlp_endpoint: Option<String>,
    /// Namespace of the lease and of cluster workspaces' Secrets.
    pub operator_namespace: String,
    /// Replicas and shards.
    pub lead: LeadSettings,
}

/// Where data streams are received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushSettings {
    /// Where the receiver listens.
    pub addr: SocketAddr,
    /// Holds the secret.
    pub secret_file: PathBuf,
    /// Holds the secret in requests.
    pub header: HeaderName,
    /// Holds the keys of callbacks about SMS, if they are received.
    pub sms_secret_file: Option<PathBuf>,
}

/// Namespaces that are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespaces {
    /// Every one.
    All,
    /// These; never empty.
    Only(BTreeSet<String>),
}

impl Namespaces {
    /// Whether objects in `namespace` are ours to look at.
    pub fn serves(&self, namespace: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(namespace),
        }
    }
}

/// A flag that makes no sense; the message names it and says what to write.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SettingsError {
    /// Not a name that Kubernetes accepts.
    #[error(
        "{flag}: `{value}` is not a name; write up to 63 lower-case letters, digits and dashes, with a letter or digit \
         at both ends"
    )]
    Name {
        /// The flag.
        flag: &'static str,
        /// What was typed.
        value: String,
    },
    /// Not a host that may be given a token.
    #[error("--allowed-base-url: {0}")]
    BaseUrl(#[from] HostRefused),
    /// Outside (0, 1].
    #[error("--ip-share: {0} is out of range; write a number above 0 and up to 1, such as 0.5")]
    IpShare(f64),
    /// Not a duration, or one that would do nothing but list.
    #[error("--sweep-interval: `{0}` is not a duration of 10 seconds or more; write one like 5m or 1h30m")]
    SweepInterval(String),
    /// Not an address and port.
    #[error("--admin-addr: `{0}` is not an address with a port; write one like 0.0.0.0:8080")]
    AdminAddr(String),
    /// Not an address and port.
    #[error("--push-addr: `{0}` is not an address with a port; write one like 0.0.0.0:8081")]
    PushAddr(String),
    /// Anybody could push.
    #[error("--push-addr needs --push-secret-file: the file with the secret that data streams send")]
    PushWithoutSecret,
    /// A secret that nobody asks for.
    #[error("--push-secret-file does nothing without --push-addr; set both or neither")]
    PushWithoutAddr,
    /// Keys that nobody asks for.
    #[error(
        "--sms-secret-file does nothing without --push-addr and --push-secret-file; set them too, or leave it out"
    )]
    SmsWithoutAddr,
    /// Not a header.
    #[error("--push-header: `{0}` is not the name of a header; write one like x-push-secret")]
    PushHeader(String),
    /// Replicas and shards.
    #[error(transparent)]
    Lead(#[from] LeadError),
    /// Not a log filter.
    #[error("--log-level: {0}")]
    LogLevel(#[from] NoLevels),
    /// Not a URL.
    #[error("--otlp-endpoint: `{0}` is not the address of a collector; write one like http://collector:4318")]
    OtlpEndpoint(String),
}

impl Settings {
    /// Shorter intervals would spend the request budget on listings.
    const SHORTEST_SWEEP: Duration = Duration::from_secs(10);

    /// Checks every flag.
    pub fn new(args: &RunArgs) -> Result<Self, SettingsError> {
        Ok(Self {
            namespaces: namespaces(&args.namespaces)?,
            installation: name("--installation", &args.installation)?,
            hosts: Hosts::new(given(&args.allowed_base_urls))?,
            ip_share: Some(args.ip_share)
                .filter(|share| *share > 0.0 && *share <= 1.0)
                .ok_or(SettingsError::IpShare(args.ip_share))?,
            sweep_interval: args
                .sweep_interval
                .as_deref()
                .filter(|text| !text.is_empty())
                .map(sweep)
                .transpose()?,
            admin_addr: args
                .admin_addr
                .parse()
                .map_err(|_| SettingsError::AdminAddr(args.admin_addr.clone()))?,
            push: push(args)?,
            log_format: args.log_format,
            log_filter: log_filter::filter(&args.log_level).map(|_| args.log_level.clone())?,
            otlp_endpoint: otlp(args)?,
            operator_namespace: name("--operator-namespace", &args.operator_namespace)?,
            lead: LeadSettings::new(&args.lead, &name("--lease-name", &args.lead.lease_name)?)?,
        })
    }
}

/// The flag wins over the usual variable; an empty one gives none.
fn otlp(args: &RunArgs) -> Result<Option<String>, SettingsError> {
    let typed = [&args.otlp_endpoint, &args.otel_exporter_otlp_endpoint];
    let Some(url) = typed.into_iter().flatten().find(|url| !url.is_empty()) else { return Ok(None) };
    let uri = url.parse::<Uri>().ok().filter(|uri| uri.host().is_some_and(|host| !host.is_empty()));
    match uri.as_ref().and_then(Uri::scheme_str) {
        Some("http" | "https") => Ok(Some(url.trim_end_matches('/').to_owned())),
        _ => Err(SettingsError::OtlpEndpoint(url.clone())),
    }
}

/// The receiver is off unless both its address and its secret are there; an empty environment variable gives none.
fn push(args: &RunArgs) -> Result<Option<PushSettings>, SettingsError> {
    let given = |flag: &Option<String>| flag.clone().filter(|text| !text.is_empty());
    let sms_secret_file = given(&args.sms_secret_file).map(PathBuf::from);
    let (addr, secret_file) = match (given(&args.push_addr), given(&args.push_secret_file)) {
        (None, None) if sms_secret_file.is_some() => return Err(SettingsError::SmsWithoutAddr),
        (None, None) => return Ok(None),
        (Some(addr), Some(secret_file)) => (addr, secret_file),
        (Some(_), None) => return Err(SettingsError::PushWithoutSecret),
        (None, Some(_)) => return Err(SettingsError::PushWithoutAddr),
    };
    let header = &args.push_header;
    Ok(Some(PushSettings {
        addr: addr.parse().map_err(|_| SettingsError::PushAddr(addr))?,
        secret_file: secret_file.into(),
        header: header.parse().map_err(|_| SettingsError::PushHeader(header.clone()))?,
        sms_secret_file,
    }))
}

/// Values of a flag; an empty environment variable gives none.
fn given(typed: &[String]) -> impl Iterator<Item = &str> {
    typed.iter().map(|text| text.trim()).filter(|text| !text.is_empty())
}

fn namespaces(typed: &[String]) -> Result<Namespaces, SettingsError> {
    let names = given(typed).map(|text| name("--namespaces", text)).collect::<Result<BTreeSet<_>, _>>()?;
    Ok(if names.is_empty() { Namespaces::All } else { Namespaces::Only(names) })
}

fn sweep(text: &str) -> Result<Duration, SettingsError> {
    text.parse::<SignedDuration>()
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok())
        .filter(|duration| *duration >= Settings::SHORTEST_SWEEP)
        .ok_or_else(|| SettingsError::SweepInterval(text.to_owned()))
}

/// A DNS label; an installation follows the same rule because it stands between slashes in marks.
fn name(flag: &'static str, value: &str) -> Result<String, SettingsError> {
    let edge = |c: Option<u8>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let bytes = value.as_bytes();
    let inner = bytes.iter().all(|c| edge(Some(*c)) || *c == b'-');
    if bytes.len() <= 63 && inner && edge(bytes.first().copied()) && edge(bytes.last().copied()) {
        Ok(value.to_owned())
    } else {
        Err(SettingsError::Name { flag, value: value.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        run: RunArgs,
    }

    fn settings(flags: &[&str]) -> Result<Settings, SettingsError> {
        let named = flags.contains(&"--installation");
        let name: &[&str] = if named { &[] } else { &["--installation", "test"] };
        let typed = ["run"].iter().chain(name).chain(flags);
        Settings::new(&Typed::try_parse_from(typed).expect("flags that clap accepts").run)
    }

    fn refused(flags: &[&str]) -> String {
        settings(flags).expect_err("a flag that makes no sense").to_string()
    }

    #[test]
    fn without_flags_everything_is_served_and_only_emnify_may_be_called() {
        let settings = settings(&[]).expect("defaults are valid");
        assert!(settings.namespaces.serves("anything"), "no --namespaces means all");
        assert!(settings.hosts.admit(None).is_ok(), "emnify itself is allowed");
        assert!(settings.hosts.admit(Some("https://elsewhere.example")).is_err(), "and nothing else");
        assert!(settings.sweep_interval.is_none(), "kinds choose their own cadence");
    }

    #[test]
    fn an_installation_must_be_named() {
        assert!(Typed::try_parse_from(["run"]).is_err(), "two clusters with one name would fight over marks");
        assert!(refused(&["--installation", "Prod/EU"]).starts_with("--installation: `Prod/EU`"));
    }

    #[test]
    fn named_namespaces_are_the_only_ones() {
        let settings = settings(&["--namespaces", "a, b,"]).expect("spaces and a trailing comma do no harm");
        assert!(settings.namespaces.serves("b") && !settings.namespaces.serves("c"));
        let empty = self::settings(&["--namespaces", ""]).expect("an empty variable means unset");
        assert_eq!(empty.namespaces, Namespaces::All);
    }

    #[test]
    fn base_urls_can_be_repeated_and_are_checked() {
        let flags = ["--allowed-base-url", "https://a.example", "--allowed-base-url", "http://127.0.0.1:1"];
        let hosts = settings(&flags).expect("two URLs").hosts;
        assert!(
            hosts.admit(Some("https://a.example")).is_ok() && hosts.admit(Some("http://127.0.0.1:1")).is_ok()
        );
        assert!(hosts.admit(None).is_err(), "the default is replaced, not extended");
        assert!(refused(&["--allowed-base-url", "http://a.example"]).contains("must start with https://"));
        assert!(refused(&["--allowed-base-url", ""]).contains("at least one URL"));
    }

    #[test]
    fn a_share_is_above_zero_and_up_to_one() {
        assert!(settings(&["--ip-share", "0.25"]).is_ok());
        for share in ["0", "1.01", "-0.5", "NaN", "inf"] {
            assert!(
                refused(&[&format!("--ip-share={share}")]).starts_with("--ip-share"),
                "{share} is out of range"
            );
        }
    }

    #[test]
    fn a_sweep_interval_is_a_duration_that_leaves_time_for_work() {
        let sweep = settings(&["--sweep-interval", "1h30m"]).expect("a duration").sweep_interval;
        assert_eq!(sweep, Some(Duration::from_secs(5400)));
        for text in ["5", "fast", "9s", "-5m"] {
            assert!(
                refused(&[&format!("--sweep-interval={text}")]).starts_with("--sweep-interval"),
                "{text}"
            );
        }
    }

    #[test]
    fn the_push_receiver_is_off_unless_address_and_secret_are_there() {
        assert_eq!(settings(&[]).expect("defaults are valid").push, None);
        let both = ["--push-addr", "0.0.0.0:8081", "--push-secret-file", "/etc/push/secret"];
        let push = settings(&both).expect("both").push.expect("it is on");
        assert_eq!((push.header.as_str(), push.addr.port()), ("authorization", 8081));
        assert!(refused(&both[..2]).contains("needs --push-secret-file"), "nobody may push without a secret");
        assert!(refused(&both[2..]).contains("without --push-addr"));
        let sms = ["--sms-secret-file", "/etc/sms/key"];
        let push = settings(&[&both[..], &sms[..]].concat()).expect("all").push.expect("it is on");
        assert_eq!(push.sms_secret_file, Some("/etc/sms/key".into()));
        assert!(refused(&sms).contains("does nothing without --push-addr"));
        let with = |flags: &[&'static str]| refused(&[&both[..], flags].concat());
        assert!(with(&["--push-header", "a b"]).starts_with("--push-header: `a b`"));
        let nowhere = ["--push-addr", "8081", "--push-secret-file", "/etc/push/secret"];
        assert!(refused(&nowhere).starts_with("--push-addr: `8081`"));
    }

    #[test]
    fn traces_go_to_a_collector_that_is_named() {
        let endpoint = |flags: &[&str]| settings(flags).expect("a URL").otlp_endpoint;
        assert_eq!(endpoint(&["--otlp-endpoint", ""]), None, "an empty variable means unset");
        let usual = ["--otel-exporter-otlp-endpoint", "http://a:4318/"];
        assert_eq!(endpoint(&usual).as_deref(), Some("http://a:4318"));
        let both = [&usual[..], &["--otlp-endpoint", "https://b/otlp"]].concat();
        assert_eq!(endpoint(&both).as_deref(), Some("https://b/otlp"), "ours is the more specific one");
        for url in ["collector:4318", "grpc://collector:4317", "http://"] {
            assert!(refused(&["--otlp-endpoint", url]).starts_with("--otlp-endpoint: `"), "{url}");
        }
    }

    #[test]
    fn every_other_message_names_its_flag() {
        assert!(refused(&["--admin-addr", "8080"]).starts_with("--admin-addr: `8080`"));
        assert!(refused(&["--log-level", "info,emnify=loud"]).starts_with("--log-level"));
        assert!(refused(&["--operator-namespace", "a_b"]).starts_with("--operator-namespace"));
        assert!(refused(&["--namespaces", "a,-b"]).starts_with("--namespaces: `-b`"));
    }
}
