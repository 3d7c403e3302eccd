//! Gives the user that a workspace logs in as a second factor, and takes it away: what `second_factor` says, done.

use std::collections::BTreeMap;

use emnify::{Api as Emnify, Credentials, Error, Lane};
use emnify_engine::{cluster::status::patch_params, kind::reason, session::Access};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, ResourceExt,
    api::{ObjectMeta, Patch, PostParams},
};
use secrecy::{ExposeSecret, SecretString};

use super::{
    context::WorkspaceState,
    credentials::CredentialSet,
    decide::{Decision, Problem, Verdict},
    reconcile::Reconcile,
    second_factor::{Checked, KEY, Next, Output, SecondFactor, keys, next},
    served::Served,
};

/// Key of the Secret that holds the same for authenticators.
const OTPAUTH: &str = "otpauth";
/// Type of the Secret.
const TYPE: &str = "emnify.io/second-factor";
/// Id of the key in emnify.
const ID: &str = "emnify.io/second-factor-id";
/// Steps from nothing to an active key, and a few for keys that were left over.
const STEPS: usize = 16;
/// What failed is tried again after this time.
const PAUSE: SignedDuration = SignedDuration::from_mins(1);

/// Why it does not go on.
enum Stop {
    Emnify(Error),
    Cluster(kube::Error),
    Problem(Problem),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Emnify(error)
    }
}

impl From<kube::Error> for Stop {
    fn from(error: kube::Error) -> Self {
        Self::Cluster(error)
    }
}

impl<W: Served> Reconcile<'_, W> {
    /// Gives the user a second factor, or takes it away, once the workspace has logged in; the decision says what is in the way.
    pub(super) async fn second_factor(
        &self,
        state: &mut WorkspaceState,
        decision: &mut Decision,
    ) -> Result<(), kube::Error> {
        let Ok(offer) = &self.offer else { return Ok(()) };
        let Some(Access { caller, .. }) = state.access.clone().filter(|_| decision.serve) else {
            return Ok(());
        };
        let Credentials::User { username, password, totp_key, .. } = &offer.credentials else {
            return Ok(());
        };
        let wanted = offer.digests.second_factor.as_deref();
        let checked: Checked = (self.object.meta().generation, totp_key.is_some());
        let done = wanted.is_some() && state.factor_checked == Some(checked);
        let leaving = self.object.meta().deletion_timestamp.is_some();
        if done
            || leaving
            || decision.verdict != Verdict::Ready
            || (wanted.is_none() && state.second_factor.is_none())
        {
            return Ok(());
        }
        if let Some((until, problem)) = state.factor_pause.clone().filter(|(until, _)| self.now < *until) {
            show(problem, until, decision);
            return Ok(());
        }
        let api = caller.client.api(Lane::Create);
        let outcome = match wanted {
            Some(name) => self.give(&api, name, (username, password), state).await,
            None => self.take_away(&api, username, offer, state).await,
        };
        let problem = match outcome {
            Ok(()) => {
                (state.factor_checked, state.factor_pause) = (wanted.map(|_| (checked.0, true)), None);
                return Ok(());
            }
            Err(Stop::Cluster(error)) => return Err(error),
            Err(Stop::Problem(problem)) => problem,
            Err(Stop::Emnify(error)) => Problem {
                reason: reason::PROGRESSING,
                message: format!("spec.credentials.user.mfa.managed: {error}"),
                passes: true,
            },
        };
        let until = self.now.checked_add(PAUSE).unwrap_or(Timestamp::MAX);
        state.factor_pause = Some((until, problem.clone()));
        show(problem, until, decision);
        Ok(())
    }

    async fn give(
        &self,
        api: &Emnify,
        name: &str,
        (username, password): (&str, &SecretString),
        state: &mut WorkspaceState,
    ) -> Result<(), Stop> {
        let user =
            api.user_named(username).await?.ok_or_else(|| Error::NotFound { message: "the user".into() })?;
        let (mut active, mut pending) = keys(&user.mfa);
        for _ in 0..STEPS {
            let output = self.output(name).await?;
            if let (None, Output::Ours(Some(key))) = (&state.second_factor, &output) {
                // a restore, or a workspace made anew: the Secret knows what was forgotten here
                state.second_factor = Some(key.clone());
            }
            match next(state.second_factor.as_ref(), &output, &active, &pending) {
                Next::Done => return Ok(self.keep(state).await?),
                Next::Foreign => {
                    let message = format!(
                        "spec.credentials.user.mfa.managed: Secret {name} exists and is not ours; name another one or delete it"
                    );
                    return Err(Stop::Problem(Problem::stays(reason::SECRET_NOT_OWNED, message)));
                }
                Next::Occupied => {
                    let message = "spec.credentials.user.mfa.managed: the user has a second factor already; give its key with \
                                   totpSecretRef, or remove it in the portal";
                    return Err(Stop::Problem(Problem::stays(reason::INVALID_SPEC, message.into())));
                }
                Next::Reserve => self.reserve(name).await?,
                Next::Drop(left) => {
                    forgiving(api.delete_second_factor(user.id, left).await)?;
                    pending.retain(|id| *id != left);
                }
                Next::Make => {
                    let made = api.make_second_factor(password).await?;
                    let missing = || Error::Unreadable { message: "the new second factor has no key".into() };
                    let key = made.secret_key.ok_or_else(missing)?;
                    let otpauth = made.otpauth.unwrap_or_else(|| String::new().into());
                    state.second_factor =
                        Some(SecondFactor { secret: name.to_owned(), id: made.id, key, otpauth });
                    self.keep(state).await?;
                    pending.push(made.id);
                }
                Next::Write => {
                    let Some(key) = &state.second_factor else { break };
                    self.write_key(name, key).await?;
                }
                Next::Activate(id) => {
                    let Some(key) = &state.second_factor else { break };
                    match api.activate_second_factor(id, &key.key).await {
                        // it is active, perhaps since an answer that nobody heard
                        Ok(()) | Err(Error::Conflict { .. }) => {}
                        Err(error) => return Err(error.into()),
                    }
                    pending.retain(|other| *other != id);
                    active.push(id);
                }
            }
        }
        Err(Error::Unavailable { message: "the second factor does not come to rest".into() }.into())
    }

    /// The second factor goes with its field. Whoever gives the same key to the operator in another way keeps it.
    async fn take_away(
        &self,
        api: &Emnify,
        username: &str,
        offer: &CredentialSet,
        state: &mut WorkspaceState,
    ) -> Result<(), Stop> {
        let mfa = self.object.access().credentials.user.as_ref().and_then(|user| user.mfa.as_ref());
        if let (Some(key), None) = (&state.second_factor, mfa) {
            let user = api.user_named(username).await?;
            if let Some(user) = user.filter(|user| user.mfa.iter().any(|shown| shown.id == key.id)) {
                forgiving(api.delete_second_factor(user.id, key.id).await)?;
            }
        }
        tracing::info!(workspace = %self.key, path = offer.digests.path, "second factor given up");
        state.second_factor = None;
        state.factor_checked = None;
        Ok(self.keep(state).await?)
    }

    fn secrets(&self) -> Api<Secret> {
        let operator = &self.controller.settings.operator_namespace;
        let namespace = self.object.meta().namespace.as_deref().unwrap_or(operator);
        Api::namespaced(self.controller.engine.shared.client.clone(), namespace)
    }

    async fn output(&self, name: &str) -> Result<Output, kube::Error> {
        let Some(secret) = self.secrets().get_opt(name).await? else { return Ok(Output::Missing) };
        if secret.type_.as_deref() != Some(TYPE) {
            return Ok(Output::Foreign);
        }
        let text = |key: &str| {
            let value = secret.data.as_ref()?.get(key)?.0.clone();
            String::from_utf8(value).ok().filter(|text| !text.is_empty()).map(SecretString::from)
        };
        let id = secret.annotations().get(ID).and_then(|id| id.parse().ok());
        let key = id.zip(text(KEY)).map(|(id, key)| SecondFactor {
            secret: name.to_owned(),
            id,
            key,
            otpauth: text(OTPAUTH).unwrap_or_else(|| String::new().into()),
        });
        Ok(Output::Ours(key))
    }

    /// No owner: it stays when the workspace goes, since nobody logs in without it.
    async fn reserve(&self, name: &str) -> Result<(), kube::Error> {
        let labels =
            BTreeMap::from([("app.kubernetes.io/managed-by".to_owned(), "emnify-operator".to_owned())]);
        let metadata =
            ObjectMeta { name: Some(name.to_owned()), labels: Some(labels), ..ObjectMeta::default() };
        let secret = Secret { metadata, type_: Some(TYPE.to_owned()), ..Secret::default() };
        self.secrets().create(&PostParams::default(), &secret).await.map(drop)
    }

    async fn write_key(&self, name: &str, key: &SecondFactor) -> Result<(), kube::Error> {
        let bytes = |text: &SecretString| ByteString(text.expose_secret().as_bytes().to_vec());
        let secret = Secret {
            metadata: ObjectMeta {
                annotations: Some(BTreeMap::from([(ID.to_owned(), key.id.to_string())])),
                ..ObjectMeta::default()
            },
            data: Some(BTreeMap::from([
                (KEY.to_owned(), bytes(&key.key)),
                (OTPAUTH.to_owned(), bytes(&key.otpauth)),
            ])),
            ..Secret::default()
        };
        self.secrets().patch(name, &patch_params(), &Patch::Merge(&secret)).await.map(drop)
    }
}

fn show(problem: Problem, until: Timestamp, decision: &mut Decision) {
    let Problem { reason, message, passes } = problem;
    decision.verdict =
        if passes { Verdict::Waiting { reason, message } } else { Verdict::Stalled { reason, message } };
    decision.wake_at = decision.wake_at.into_iter().chain([until]).min();
}

/// What is gone is as good as deleted.
fn forgiving(done: Result<(), Error>) -> Result<(), Error> {
    emnify::found(done).map(|_| ())
}
