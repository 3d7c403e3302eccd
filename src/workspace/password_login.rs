//! Logins with a person's password, each written down before it is sent, and the change of a password.

use emnify::{BaseUrl, Client, Credentials, Error, Identity, Lane};
use emnify_engine::kind::reason::{self, annotation};
use jiff::SignedDuration;
use kube::ResourceExt;

use super::{
    context::WorkspaceState,
    credentials::CredentialSet,
    decide::{Pause, Step, judge, pair, pause},
    reconcile::Reconcile,
    served::Served,
    session_secret::{Login, SessionSecret},
    spec::Cause,
};

/// How long a new password may take to be known everywhere. [?]
const SPREADS: SignedDuration = SignedDuration::from_secs(5);

impl<W: Served> Reconcile<'_, W> {
    /// The step of a login; `None` where it is one that sends no password, which the caller takes.
    pub(super) async fn password_step(
        &self,
        step: Step,
        state: &mut WorkspaceState,
    ) -> Result<bool, kube::Error> {
        let (Ok(offer), Ok(url)) = (&self.offer, &self.url) else { return Ok(false) };
        match step {
            Step::LoginBefore => self.log_in_before(offer, url, state).await?,
            Step::ChangePassword => self.change_password(offer, url, state).await?,
            Step::Rest | Step::Refresh | Step::Login => return Ok(false),
        }
        Ok(true)
    }

    /// A login, or a renewal; a password goes only where no refusal of it is known.
    pub(super) async fn outcome(
        &self,
        step: Step,
        client: &Client,
        offer: &CredentialSet,
        state: &mut WorkspaceState,
    ) -> Result<Result<Identity, Error>, kube::Error> {
        let attempt = offer.digests.attempt(state.memory.credential.used_code.as_deref());
        if step == Step::Refresh {
            match client.renew().await {
                Err(Error::Unauthorized { .. } | Error::Rejected { .. }) if !offer.digests.probing => {}
                done => return Ok(done),
            }
            if !self.asked_anew(state) && !state.passwords.may_send(&attempt, true) {
                return Ok(Err(Error::Unavailable { message: "the login cannot be renewed".into() }));
            }
        }
        self.submit(client, &offer.credentials, &attempt, state).await
    }

    /// A person asks for another attempt.
    pub(super) fn asked_anew(&self, state: &WorkspaceState) -> bool {
        let refresh = self.object.annotations().get(annotation::REFRESH);
        refresh.is_some() && refresh != state.memory.refreshed.as_ref()
    }

    /// Logs in, and has written down before what is sent. `credential` is what a refusal is remembered by.
    pub(super) async fn submit(
        &self,
        client: &Client,
        credentials: &Credentials,
        credential: &str,
        state: &mut WorkspaceState,
    ) -> Result<Result<Identity, Error>, kube::Error> {
        let origin = client.base_url().origin();
        let Some(user) = self.controller.sessions.users.of(&origin, credentials) else {
            return Ok(client.login().await);
        };
        let mut user = user.lock().await;
        if self.asked_anew(state) {
            state.passwords.forget();
            user.forget();
        } else if user.refused(credentials) {
            // another workspace of this user was told so
            state.passwords.sends(credential);
            state.passwords.was_refused(credential);
            self.keep(state).await?;
            let message = "another workspace was refused with the same password".into();
            return Ok(Err(Error::Unauthorized { status: 401, message }));
        } else if !user.may_send(credentials) {
            let message =
                "two logins as this user were refused in a row; a third could lock the user out".into();
            return Ok(Err(Error::Unavailable { message }));
        }
        state.passwords.sends(credential);
        self.keep(state).await?;
        let outcome = client.login().await;
        match &outcome {
            Ok(_) | Err(Error::OtherOrganisation { .. }) => {
                state.passwords.worked(credential);
                user.took(credentials);
            }
            // the password was right, and the second factor was never sent
            Err(Error::Unauthorized { status: 0, .. }) => state.passwords.worked(credential),
            Err(error) if judge(error) == Some(Cause::Credential) => {
                state.passwords.was_refused(credential);
                user.was_refused(credentials);
            }
            // locked, or the answer is lost
            Err(Error::Unauthorized { .. } | Error::Ambiguous { .. } | Error::Unreadable { .. }) => {
                user.lost();
            }
            Err(_) => state.passwords.was_not_sent(),
        }
        self.keep(state).await?;
        Ok(outcome)
    }

    /// Writes down what may not be forgotten.
    pub(super) async fn keep(&self, state: &WorkspaceState) -> Result<(), kube::Error> {
        let kept = SessionSecret {
            login: state.login.clone(),
            passwords: state.passwords.clone(),
            second_factor: state.second_factor.clone(),
            ..self.kept.clone()
        };
        self.store.store(&kept).await
    }

    /// The password of before logs in, so that the new one can be put in its place.
    async fn log_in_before(
        &self,
        offer: &CredentialSet,
        url: &BaseUrl,
        state: &mut WorkspaceState,
    ) -> Result<(), kube::Error> {
        let (Some(previous), Some(credential)) = (&offer.previous, &offer.digests.previous) else {
            return Ok(());
        };
        let client = self.controller.sessions.client(url.clone(), previous.clone(), self.terms.pinned);
        match self.submit(&client, previous, credential, state).await? {
            Ok(_) => {
                if let Some(jwt) = client.token() {
                    let login =
                        Login { jwt, origin: client.base_url().origin(), credential: credential.clone() };
                    self.enter(client, login, previous, state).await?;
                }
            }
            // the next decision finds it among those that were refused
            Err(error) if judge(&error) == Some(Cause::Credential) => {}
            Err(error) => state.memory.pause = Some(pause(&state.memory, self.now, &error)),
        }
        Ok(())
    }

    /// A login of which emnify said whose it is: kept, and used from now on.
    pub(super) async fn enter(
        &self,
        client: Client,
        login: Login,
        credentials: &Credentials,
        state: &mut WorkspaceState,
    ) -> Result<(), kube::Error> {
        let same = state.login.as_ref().is_some_and(|before| before.place() == login.place());
        let before = state.login.replace(login.clone());
        if let Err(error) = self.keep(state).await {
            state.login = before;
            return Err(error);
        }
        if same && state.access.is_some() {
            self.join(state, client, login, credentials);
        } else {
            // it has to be claimed first
            (state.access, state.refused) = (None, false);
        }
        Ok(())
    }

    /// Changes the password with a login of the one before.
    async fn change_password(
        &self,
        offer: &CredentialSet,
        url: &BaseUrl,
        state: &mut WorkspaceState,
    ) -> Result<(), kube::Error> {
        let (Some(previous), Some(before)) = (&offer.previous, &offer.digests.previous) else {
            return Ok(());
        };
        let (Credentials::User { password: old, .. }, Credentials::User { password: new, .. }) =
            (previous, &offer.credentials)
        else {
            return Ok(());
        };
        let Some(client) = self.client_at_hand(url, previous, state) else { return Ok(()) };
        let Some(user) = self.controller.sessions.users.of(&url.origin(), previous) else { return Ok(()) };
        let mut user = user.lock().await;
        let credential = offer.digests.attempt(state.memory.credential.used_code.as_deref());
        let mut surely = false;
        // another workspace of this user has changed it meanwhile
        if !user.is_right(&offer.credentials) {
            let begun_before = state.passwords.changes_to(&credential);
            self.keep(state).await?;
            let done = client.api(Lane::Create).change_password(old, new).await;
            tracing::info!(workspace = %self.key, ok = done.is_ok(), "password changed");
            match done {
                Ok(()) => {
                    surely = true;
                    let message =
                        "password: changed to that of passwordSecretRef; previousPasswordSecretRef can go";
                    self.controller.engine.shared.events.say(self.object, false, reason::UPDATED, message);
                }
                // the old one is not right any more, perhaps since an answer that nobody heard
                Err(Error::Rejected { .. } | Error::Conflict { .. }) if begun_before => {}
                Err(Error::Rejected { .. } | Error::Conflict { .. }) => {
                    state.memory.credential.change_refused = Some(pair(&offer.digests.credential, before));
                    state.passwords.unchanged();
                    return self.keep(state).await;
                }
                Err(Error::Unauthorized { status: 401, .. }) => {
                    state.refused = true;
                    return Ok(());
                }
                Err(error) => {
                    state.memory.pause = Some(pause(&state.memory, self.now, &error));
                    return Ok(());
                }
            }
            user.changed_to(&offer.credentials);
            // every part of emnify has to hear of it
            let until = self.now.checked_add(SPREADS).unwrap_or(self.now);
            let message = "logging in with the new password".into();
            state.memory.pause = Some(Pause { until, failures: 0, reason: reason::PROGRESSING, message });
        }
        state.memory.credential.refused = None;
        state.passwords.changed(&credential, surely);
        self.keep(state).await
    }

    /// The client of the login at hand, also of one that was kept across a restart.
    fn client_at_hand(
        &self,
        url: &BaseUrl,
        credentials: &Credentials,
        state: &WorkspaceState,
    ) -> Option<Client> {
        if let Some(access) = &state.access {
            return Some(access.caller.client.clone());
        }
        let login = state.login.as_ref()?;
        let pinned = Some(login.jwt.identity.organisation_id);
        let client = self.controller.sessions.client(url.clone(), credentials.clone(), pinned);
        client.set_token(login.jwt.clone()).ok()?;
        Some(client)
    }
}
