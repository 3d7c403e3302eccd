//! The way to emnify: with the JWT of an `ApplicationToken`, or with a token of a file. Never with the operator's own login.

use ::emnify::{
    Api, BaseUrl, Client, Config, Credentials, Error, HostLimits, HttpTransport, HttpTransportConfig, Jwt,
    Lane,
    wire::{
        Listing, integer,
        reading::{Ask, ORGANISATION, Reading, SIM_LIST},
    },
};
use anyhow::{Context, Result, anyhow, bail};
use emnify_rehearsal::{OverApi, Reader};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::Api as KubeApi;
use secrecy::SecretString;
use serde_json::Value;
use std::{fs, path::Path, sync::Arc};

use super::{
    cli::{Place, ReadArgs},
    cluster::{Cluster, Found},
    printer::Printer,
};

/// So many pages of one reading are read; nobody reads on.
const MOST_PAGES: u32 = 200;

/// emnify, as a person may read it.
pub(super) struct Emnify {
    api: Api,
    /// Where names are looked up; a token of a file needs none until an object is named.
    place: Place,
    /// Kind and name of the workspace that the token is of; none of a token of a file.
    pub(super) workspace: Option<(&'static str, String)>,
}

/// What a person meant, as emnify knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) kind: SubjectKind,
    pub(super) id: String,
}

/// What it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SubjectKind {
    Endpoint,
    Sim,
    User,
    Other,
}

impl Subject {
    /// Its id, if it is a device.
    pub(super) fn device(&self) -> Result<&str> {
        if self.kind != SubjectKind::Endpoint {
            bail!(
                "this is for a device: name an Endpoint, id:NUMBER, or iccid:DIGITS of a SIM that is in one"
            );
        }
        Ok(&self.id)
    }
}

impl Emnify {
    /// Logs nobody in, unless a file holds an application token.
    pub(super) async fn connect(args: &ReadArgs, place: &Place) -> Result<Self> {
        let ((base_url, credentials, jwt), workspace) = match &args.token_file {
            Some(file) => (of_a_file(file, args.base_url.as_deref())?, None),
            None => of_the_cluster(&args.token, place).await?,
        };
        let transport = HttpTransport::new(HttpTransportConfig {
            caller: Some("kubectl-emnify".into()),
            ..HttpTransportConfig::default()
        })?;
        let limits = HostLimits::new(1.0);
        let client = Client::new(Config::new(base_url, credentials, Arc::new(transport), limits));
        if let Some(jwt) = jwt {
            client.set_token(jwt)?;
        }
        Ok(Self { api: client.api(Lane::Interactive), place: place.clone(), workspace })
    }

    /// For whoever reads as the operator does.
    pub(super) fn api(&self) -> &Api {
        &self.api
    }

    /// For a rehearsal, which reads whole families.
    pub(super) async fn reader(&self) -> Result<Reader> {
        let client = self.api.client();
        let identity = match client.identity() {
            Some(identity) => identity,
            None => client.login().await.map_err(mended)?,
        };
        let live = Arc::new(OverApi(self.api.clone()));
        Ok(Reader { identity, base_url: client.base_url().clone(), live })
    }

    /// One page.
    pub(super) async fn page(&self, reading: &Reading, ask: &Ask) -> Result<::emnify::Page<Value>> {
        self.try_page(reading, ask).await.map_err(mended)
    }

    /// The same for whoever tells errors apart.
    pub(super) async fn try_page(
        &self,
        reading: &Reading,
        ask: &Ask,
    ) -> Result<::emnify::Page<Value>, Error> {
        reading.rows(&self.api, ask).await
    }

    /// Every row, with a word now and then while that takes long.
    pub(super) async fn all(
        &self,
        reading: &Reading,
        ask: Ask,
        printer: &mut Printer<'_>,
    ) -> Result<Vec<Value>> {
        let (mut rows, mut ask) = (Vec::new(), ask);
        loop {
            let page = self.page(reading, &ask).await?;
            let next = page.next();
            if next.is_none() && page.cut {
                printer.note("emnify does not say whether there are more")?;
            }
            if let Some(pages) = (page.pages > 1 && page.page % 10 == 0).then_some(page.pages) {
                printer.note(&format!("page {} of {pages}", page.page))?;
            }
            rows.extend(page.items);
            match next {
                Some(next) if next.page <= MOST_PAGES => ask.at = next,
                Some(_) => {
                    printer.note(&format!("only the first {MOST_PAGES} pages are shown"))?;
                    return Ok(rows);
                }
                None => return Ok(rows),
            }
        }
    }

    /// What somebody typed: KIND/NAME, `id:NUMBER`, or `iccid:DIGITS`.
    pub(super) async fn subject(&self, typed: &str) -> Result<Subject> {
        if let Some(id) = typed.strip_prefix("id:") {
            let id: i64 = id.parse().with_context(|| format!("{typed}: this is no number"))?;
            return Ok(Subject { kind: SubjectKind::Endpoint, id: id.to_string() });
        }
        if let Some(iccid) = typed.strip_prefix("iccid:") {
            return self.of_a_sim(iccid).await;
        }
        let found = Cluster::connect(&self.place).await?.find(typed).await?;
        subject(&found)
    }

    /// The device that a SIM is in, else the SIM.
    async fn of_a_sim(&self, iccid: &str) -> Result<Subject> {
        // emnify shows 19 digits, or 20 with the one that checks them
        let known = iccid.get(..19).unwrap_or(iccid);
        if known.len() < 19 || !iccid.bytes().all(|byte| byte.is_ascii_digit()) {
            bail!("iccid:{iccid}: an ICCID has 19 or 20 digits");
        }
        let ask = Ask { listing: Listing::all().filter("iccid", known), ..Ask::default() };
        let sims = self.page(&SIM_LIST, &ask).await?.items;
        let same = |sim: &&Value| sim["iccid"].as_str().is_some_and(|shown| shown.starts_with(known));
        let sim =
            sims.iter().find(same).ok_or_else(|| anyhow!("emnify shows no SIM with the ICCID {iccid}"))?;
        let of = |kind, value: &Value| integer(value).map(|id| Subject { kind, id: id.to_string() });
        let found =
            of(SubjectKind::Endpoint, &sim["endpoint"]["id"]).or_else(|| of(SubjectKind::Sim, &sim["id"]));
        found.ok_or_else(|| anyhow!("emnify shows the SIM {iccid} without an id"))
    }

    /// The organisation that the token speaks for.
    pub(super) async fn organisation(&self) -> Result<Value> {
        let page = self.page(&ORGANISATION, &Ask::default()).await?;
        page.items.into_iter().next().ok_or_else(|| anyhow!("emnify shows no organisation for this token"))
    }
}

/// What an object is in emnify.
fn subject(found: &Found) -> Result<Subject> {
    let kind = found.family.resource.kind.as_str();
    let id = found
        .text("/status/id")
        .ok_or_else(|| anyhow!("{found} is not in emnify yet: kubectl emnify explain {}", found.typed()))?;
    let kind = match kind {
        "Endpoint" => SubjectKind::Endpoint,
        "Sim" => SubjectKind::Sim,
        "User" => SubjectKind::User,
        _ => SubjectKind::Other,
    };
    Ok(Subject { kind, id: id.to_owned() })
}

/// Where emnify is, and who reads it.
type Way = (BaseUrl, Credentials, Option<Jwt>);

/// A token of a file: a JWT, or an application token, which is exchanged for one.
fn of_a_file(file: &Path, base_url: Option<&str>) -> Result<Way> {
    let text = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let text = text.trim();
    if text.is_empty() || text.contains(char::is_whitespace) {
        bail!("{} holds no token: one line is expected", file.display());
    }
    let base_url = BaseUrl::parse(base_url.unwrap_or(BaseUrl::PRODUCTION)).context("--base-url")?;
    sent_to(&base_url)?;
    match Jwt::parse(SecretString::from(text)) {
        Ok(jwt) => Ok((base_url, Credentials::Given, Some(jwt))),
        Err(_) => Ok((base_url, Credentials::ApplicationToken(text.to_owned().into()), None)),
    }
}

/// A token travels encrypted, or not at all.
fn sent_to(base_url: &BaseUrl) -> Result<()> {
    if base_url.is_https() || base_url.is_loopback() {
        return Ok(());
    }
    bail!("{} is not https: the token would travel in clear", base_url.origin())
}

/// The JWT that the operator keeps for an `ApplicationToken`, and the workspace of that.
async fn of_the_cluster(name: &str, place: &Place) -> Result<(Way, Option<(&'static str, String)>)> {
    let cluster = Cluster::connect(place).await?;
    let namespace = cluster.namespace.clone();
    let object = cluster.get(cluster.kind("ApplicationToken")?, name, &namespace).await?;
    let Some(object) = object else { bail!("{}", no_token(name, &namespace)) };
    let found = Found::of(cluster.kind("ApplicationToken")?, object);
    let typed = found.typed();
    let Some(secret) = found.text("/status/secretName") else {
        bail!("{found} has no Secret yet: kubectl emnify explain {typed} -n {namespace}");
    };
    let key = found.text("/spec/secretRef/jwtKey").unwrap_or("jwt");
    if found.object.data.pointer("/spec/jwt/enabled") != Some(&Value::Bool(true)) {
        bail!("{found} keeps no JWT: add spec.jwt.enabled: true");
    }
    let secrets: KubeApi<Secret> = KubeApi::namespaced(cluster.client.clone(), &namespace);
    let data = secrets.get(secret).await.with_context(|| format!("Secret {secret} cannot be read"))?.data;
    let token = data.and_then(|mut data| data.remove(key));
    let Some(token) = token.and_then(|token| String::from_utf8(token.0).ok()) else {
        bail!("Secret {secret} has no key {key}: kubectl emnify refresh {typed} -n {namespace}");
    };
    let jwt = Jwt::parse(token.trim().to_owned().into())
        .with_context(|| format!("key {key} of Secret {secret}"))?;
    if jwt.identity.expires_at <= Timestamp::now() {
        bail!(
            "the JWT in Secret {secret} ended at {}: does the operator run? kubectl emnify status",
            jwt.identity.expires_at
        );
    }
    let base_url = base_url(&cluster, &found).await?;
    sent_to(&base_url)?;
    Ok(((base_url, Credentials::Given, Some(jwt)), found.workspace()))
}

/// Where the organisation of the token is, as its workspace knows.
async fn base_url(cluster: &Cluster, token: &Found) -> Result<BaseUrl> {
    let (kind, name) = token.workspace().unwrap_or(("Workspace", "default".to_owned()));
    let family = cluster.kind(kind)?;
    let workspace = cluster.get(family, &name, &token.namespace()).await?;
    let workspace = workspace.map(|object| Found::of(family, object));
    let at = |pointer| workspace.as_ref().and_then(|workspace| workspace.text(pointer));
    let url =
        at("/status/organisation/baseUrl").or_else(|| at("/spec/baseUrl")).unwrap_or(BaseUrl::PRODUCTION);
    BaseUrl::parse(url).with_context(|| format!("address of {kind} {name}"))
}

/// What to apply where there is no token to read with.
fn no_token(name: &str, namespace: &str) -> String {
    format!(
        "there is no ApplicationToken {name} in namespace {namespace} to read emnify with; apply this, and wait for it, or name another \
         one with --token:\n\napiVersion: emnify.io/v1alpha1\nkind: ApplicationToken\nmetadata:\n  name: {name}\n  namespace: \
         {namespace}\nspec:\n  description: kubectl emnify\n  jwt:\n    enabled: true\n"
    )
}

/// An error of emnify, and what to do about it.
pub(super) fn mended(error: Error) -> anyhow::Error {
    let mend = match &error {
        Error::Unauthorized { status: 403, .. } | Error::Rejected { status: 403, .. } => {
            "the token may not read this; some readings need a person's login, which this program never uses"
        }
        Error::Unauthorized { .. } => {
            "the token is refused: kubectl emnify refresh applicationtoken/NAME has a new one made"
        }
        Error::Throttled { .. } => "emnify asks for a pause: try again in a minute",
        Error::NotFound { .. } => {
            "emnify does not know it: look whether it is of this organisation (kubectl emnify whoami)"
        }
        _ => return error.into(),
    };
    anyhow!("{error}; {mend}")
}
