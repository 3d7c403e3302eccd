//! One look at one workspace: what the Secrets hold, what to do about the login, what its users are told.

use std::{collections::BTreeMap, time::Duration};

use emnify::{BaseUrl, Client, Credentials, Error, Lane, Pace};
use emnify_engine::{
    cluster::{follow::Trigger, workspaces::Entry},
    kind::{
        Invalid, Warning,
        reason::{self, annotation},
        spec::WorkspaceKey,
    },
    session::{Access, Session, caller::Caller, guard::humane},
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, ResourceExt,
    runtime::{controller::Action, reflector::ObjectRef},
};

use super::{
    books::Books,
    budget,
    context::{LOOK, WorkspaceController, WorkspaceState},
    credentials::{CredentialSet, Secrets, stand_in, with_factor},
    decide::{Decision, Facts, Problem, Step, Verdict, decide, learn},
    event_position,
    limits::{Terms, usage_every},
    notices,
    served::Served,
    session_secret::{Copied, Login, SessionSecret},
    session_store::{Opened, SessionStore},
    spec::{DeviceUsageStatus, WorkspaceStatus},
    status::{self, Shown},
    sweeps,
};

/// A password that is refused, the one before, the change, and the login with the new one.
const MOST_STEPS: usize = 4;

/// How soon a workspace looks again whose organisation another shard serves: it may be about to let go.
const CONFLICT: SignedDuration = SignedDuration::from_secs(5);

/// One look at one workspace, from its Secrets to its status.
pub(super) struct Reconcile<'a, W: Served> {
    pub(super) controller: &'a WorkspaceController,
    pub(super) object: &'a W,
    pub(super) key: WorkspaceKey,
    pub(super) store: SessionStore,
    pub(super) kept: SessionSecret,
    pub(super) url: Result<BaseUrl, String>,
    pub(super) terms: Terms,
    pub(super) offer: Result<CredentialSet, Problem>,
    pub(super) now: Timestamp,
    trigger: &'a Trigger<W>,
}

impl<'a, W: Served> Reconcile<'a, W> {
    /// Reads everything the look depends on. The session's Secret is made if it is missing.
    pub(super) async fn take(
        controller: &'a WorkspaceController,
        object: &'a W,
        state: &mut WorkspaceState,
        status: &WorkspaceStatus,
        trigger: &'a Trigger<W>,
    ) -> Result<Self, kube::Error> {
        let key = super::served::key_of(object);
        let client = &controller.engine.shared.client;
        let store = SessionStore::new(client, &controller.settings.operator_namespace, object);
        let Opened { mut kept, foreign, former } = store.open().await?;
        let first = !state.opened;
        if first {
            state.passwords.clone_from(&kept.passwords);
            state.second_factor.clone_from(&kept.second_factor);
            state.memory.credential = status.credential.clone().unwrap_or_default();
            state.memory.refreshed.clone_from(&status.last_handled_refresh_at);
        }
        if let (None, Some(organisation)) = (&state.memory.lives_at, &status.organisation) {
            state.memory.lives_at.clone_from(&organisation.base_url);
        }
        let mut values = read_all(controller, object, state, &kept).await?;
        if stand_in(state.second_factor.as_ref(), &mut values) {
            state.factor_checked = None;
        }
        if object.meta().deletion_timestamp.is_some() && foreign.is_none() {
            keep_copy(&store, &mut kept, &values).await?;
        }
        let spec = &object.access().credentials;
        let used_code = state.memory.credential.used_code.as_deref();
        let (terms, wrong) = terms(object, status);
        let offer = match (foreign, wrong) {
            (Some(foreign), _) => Err(foreign.into()),
            (None, Some(invalid)) => Err(Problem::stays(reason::INVALID_SPEC, invalid.to_string())),
            (None, None) => spec
                .offer(&values, &kept.trusted_device, used_code)
                .map(|offer| with_factor(offer, state.second_factor.as_ref()))
                .map_err(Problem::from),
        };
        let url =
            controller.settings.hosts.admit(object.access().base_url.as_deref()).map_err(|e| e.to_string());
        let mut look = Self {
            controller,
            object,
            key,
            store,
            kept,
            url,
            terms,
            offer,
            now: controller.engine.now(),
            trigger,
        };
        if former {
            look.take_over().await?;
        }
        if first {
            state.login.clone_from(&look.kept.login);
            state.opened = true;
        }
        Ok(look)
    }

    /// What an earlier release kept lay where tenants write. Its login is taken over once emnify has said whose it is,
    /// which spares a login for each workspace; otherwise it is dropped.
    async fn take_over(&mut self) -> Result<(), kube::Error> {
        let login = match self.kept.login.take() {
            Some(login) => self.prove(login).await,
            None => None,
        };
        self.kept.login = login;
        self.store.store(&self.kept).await?;
        self.store.empty_former().await;
        Ok(())
    }

    /// The login, if emnify says that it is one to the organisation that it claims.
    async fn prove(&self, login: Login) -> Option<Login> {
        let (Ok(offer), Ok(url)) = (&self.offer, &self.url) else { return None };
        let organisation = login.jwt.identity.organisation_id;
        let claimed = login.origin == url.origin()
            && login.credential == offer.digests.credential
            && self.terms.pinned.is_none_or(|pinned| pinned == organisation);
        if !claimed {
            return None;
        }
        let client =
            self.controller.sessions.client(url.clone(), offer.credentials.clone(), Some(organisation));
        client.set_token(login.jwt.clone()).ok()?;
        let said = client.api(Lane::Create).my_organisation().await;
        match said {
            // a token that emnify refused was replaced by a login of the workspace's own meanwhile
            Ok(said) if said.id == organisation => Some(Login { jwt: client.token()?, ..login }),
            Ok(_) => None,
            Err(error) => {
                tracing::info!(workspace = %self.object.name_any(), %error, "login of an earlier release not taken over");
                None
            }
        }
    }

    /// Does what the decision says, tells everybody and writes the status.
    pub(super) async fn work(
        &self,
        state: &mut WorkspaceState,
        status: &mut WorkspaceStatus,
    ) -> Result<Action, kube::Error> {
        let mut decision = self.decide(state);
        for _ in 0..MOST_STEPS {
            if decision.step == Step::Rest {
                break;
            }
            self.log_in(decision.step, state).await?;
            decision = self.decide(state);
        }
        decision.step = Step::Rest;
        if let (Verdict::Ready, Ok(offer)) = (&decision.verdict, &self.offer) {
            state.memory.credential.previous_obsolete = offer.previous.is_some().then_some(true);
        }
        decision = self.claimed(state, decision).await?;
        self.publish(&decision, state);
        self.second_factor(state, &mut decision).await?;
        if self.object.meta().deletion_timestamp.is_some() {
            let Some(waiting) = self.leave() else {
                self.store.remove().await?;
                return self.controller.set_finalizer(self.object, false).await;
            };
            decision.verdict = waiting;
        }
        let generation = self.object.meta().generation;
        let current_login = state.current_login();
        let shown = Shown {
            decision: &decision,
            memory: &state.memory,
            current_login: current_login.as_ref(),
            generation,
            now: self.now,
        };
        let handled = status.last_handled_refresh_at.clone();
        status::show(&shown, status);
        let refreshed = status.last_handled_refresh_at != handled;
        if let Some(Access { session, caller }) = state.access.clone().filter(|_| decision.serve) {
            self.notices(&session, state, refreshed, status);
            self.survey(&session, &caller, state, status).await;
            self.count(&session, status);
            self.budget(&session, &caller, state, status);
            event_position::keep(self.object.status(), status, session.hints.position());
            self.listed(&session, status);
            if let Some(told) = status::restricted(status, &caller.lacks(), generation, self.now) {
                self.controller.engine.shared.events.say(self.object, true, reason::UNAUTHORIZED, &told);
            }
        }
        self.tell(&decision.verdict, status);
        self.write(state.access.as_ref().filter(|_| decision.serve), status).await?;
        let wake = decision.wake_at.and_then(|at| Duration::try_from(at.duration_since(self.now)).ok());
        let most =
            if self.object.meta().deletion_timestamp.is_some() { Duration::from_secs(1) } else { LOOK };
        Ok(Action::requeue(wake.unwrap_or(LOOK).clamp(Duration::from_secs(1), most)))
    }

    /// Writes the status, and what the guard counts with it: an older count never overwrites a later one.
    async fn write(&self, access: Option<&Access>, status: &mut WorkspaceStatus) -> Result<(), kube::Error> {
        let Some(guard) = access.map(|access| &access.caller.guard) else {
            return self.controller.write(self.object, status).await;
        };
        let _pen = guard.pen.lock().await;
        let (state, version) = guard.state();
        status.guard = state;
        let (trip, generation) = (guard.tripped(), self.object.meta().generation);
        status::guard(status, trip.as_ref(), &self.approval(), generation, self.now);
        self.controller.write(self.object, status).await?;
        guard.kept(version);
        Ok(())
    }

    /// The command that approves, up to the hash. Tools that own the fields of kubectl leave those of this manager alone.
    fn approval(&self) -> String {
        let namespace = self.key.namespace.as_ref().map(|n| format!("--namespace {n} ")).unwrap_or_default();
        format!(
            "kubectl annotate --field-manager=emnify {namespace}{}.emnify.io {} --overwrite {}=",
            W::plural(&()),
            self.key.name,
            annotation::APPROVE
        )
    }

    /// Claims the organisation for this shard before anything is sent for it, and renews the claim. What another shard
    /// serves is not served here.
    async fn claimed(&self, state: &mut WorkspaceState, decision: Decision) -> Result<Decision, kube::Error> {
        let (Some(claims), Some(login)) = (&self.controller.lead.claims, &state.login) else {
            return Ok(decision);
        };
        if !decision.serve && state.access.is_none() {
            return Ok(decision);
        }
        match claims.hold(&login.place()).await? {
            Ok(gate) => {
                state.gate = Some(gate);
                Ok(decision)
            }
            Err(conflict) => {
                self.controller.sessions.leave(&self.key);
                (state.access, state.gate) = (None, None);
                let verdict = Verdict::Stalled { reason: reason::SHARD_CONFLICT, message: conflict.message };
                let wake_at = self.now.checked_add(CONFLICT).ok();
                Ok(Decision { serve: false, step: Step::Rest, verdict, wake_at })
            }
        }
    }

    /// A deleted workspace goes last: until then its objects need its login to be retired.
    fn leave(&self) -> Option<Verdict> {
        let dependents = self.controller.engine.shared.dependents(&self.key);
        let first = dependents.iter().min()?;
        let message = format!(
            "{} objects still live in emnify through this workspace, such as {first}",
            dependents.len()
        );
        Some(Verdict::Waiting { reason: reason::IN_USE, message })
    }

    fn decide(&self, state: &WorkspaceState) -> Decision {
        let origin = self.url.as_ref().map(BaseUrl::origin);
        let current_login = state.current_login();
        let digests = self.offer.as_ref().map(|o| &o.digests);
        decide(&Facts {
            offer: digests,
            current_login: current_login.as_ref(),
            ..self.facts(state, origin.as_deref().map_err(|e| e.as_str()))
        })
    }

    /// What is known without the offer and the token at hand.
    fn facts<'b>(&'b self, state: &'b WorkspaceState, origin: Result<&'b str, &'b str>) -> Facts<'b> {
        let annotations = self.object.annotations();
        let suspended = annotations.get(annotation::SUSPEND).is_some_and(|v| v == "true");
        Facts {
            now: self.now,
            suspended: suspended || self.object.access().suspend == Some(true),
            origin,
            pinned: self.terms.pinned,
            offer: self.offer.as_ref().map(|o| &o.digests),
            current_login: None,
            memory: &state.memory,
            passwords: &state.passwords,
            came: self.object.status().is_some_and(|s| status::came(s, self.object.meta().generation)),
            refresh: annotations.get(annotation::REFRESH).map(String::as_str),
        }
    }

    /// Logs in or refreshes, learns from the outcome, and swaps the token only if it may be used.
    async fn log_in(&self, step: Step, state: &mut WorkspaceState) -> Result<(), kube::Error> {
        let (Ok(offer), Ok(url)) = (&self.offer, &self.url) else { return Ok(()) };
        if self.password_step(step, state).await? {
            return Ok(());
        }
        let client = match (&state.access, step) {
            (Some(access), Step::Refresh) => access.caller.client.clone(),
            _ => self.controller.sessions.client(url.clone(), offer.credentials.clone(), self.terms.pinned),
        };
        let outcome = self.outcome(step, &client, offer, state).await?;
        let origin = url.origin();
        let (memory, usable) = learn(&self.facts(state, Ok(&origin)), &offer.digests, outcome.as_ref());
        state.memory = memory;
        tracing::info!(workspace = %self.object.name_any(), ok = usable, "login");
        let Some(jwt) = client.token().filter(|_| usable) else { return Ok(()) };
        let login = Login { jwt, origin, credential: offer.digests.credential.clone() };
        self.enter(client, login, &offer.credentials, state).await
    }

    pub(super) fn join(
        &self,
        state: &mut WorkspaceState,
        client: Client,
        login: Login,
        credentials: &Credentials,
    ) {
        let position = event_position::kept(self.object.status());
        match self.controller.sessions.join(&self.key, client, (&login.jwt, credentials), position) {
            Ok(access) => {
                if let Some(gate) = &state.gate {
                    access.caller.client.set_gate(gate.clone());
                }
                access.caller.set_salt(self.kept.trusted_device.salt.clone());
                state.access = Some(access);
            }
            Err(error) => tracing::warn!(%error, "token not taken over"),
        }
        state.login = Some(login);
        state.refused = false;
    }

    /// Tells everybody who uses the workspace.
    fn publish(&self, decision: &Decision, state: &mut WorkspaceState) {
        if decision.serve && state.access.is_none() {
            self.resume(state);
        }
        self.watch_refusals(state);
        let state = match (&state.access, decision.serve) {
            (Some(access), true) => {
                // before anybody uses it: no send without the guard, no listing with another interval
                self.configure(access);
                let caller = &access.caller;
                if state.books.as_ref().is_none_or(|books| !books.are_of(caller)) {
                    let shared = &self.controller.engine.shared;
                    state.books = Some(Books::keep(shared, self.object, caller, self.trigger));
                }
                Ok(access.clone())
            }
            _ => Err(why(&decision.verdict)),
        };
        if let Ok(url) = &self.url {
            self.controller.engine.shared.workspaces.lives_on(&self.key, url.origin());
        }
        let allows = self.object.allows(&self.controller.namespaces);
        let generation = self.object.meta().generation;
        self.controller.engine.shared.publish(&self.key, Entry { state, allows, generation });
    }

    /// A token kept across a restart is used without a login.
    fn resume(&self, state: &mut WorkspaceState) {
        let (Some(login), Ok(url)) = (state.login.clone(), &self.url) else { return };
        let nothing = Credentials::ApplicationToken(String::new().into());
        let credentials = self.offer.as_ref().map_or(nothing, |o| o.credentials.clone());
        let organisation = login.jwt.identity.organisation_id;
        let client = self.controller.sessions.client(url.clone(), credentials.clone(), Some(organisation));
        if client.set_token(login.jwt.clone()).is_ok() {
            self.join(state, client, login, &credentials);
        }
    }

    /// A refused call makes the token at hand useless; the next look decides what to do. It also shows what was counted.
    fn watch_refusals(&self, state: &mut WorkspaceState) {
        let Some(Access { session, caller }) = &state.access else { return };
        let mut refusals = caller.refusals();
        let refused = refusals.borrow_and_update().clone();
        if let Some(Error::Unauthorized { status: 401, .. } | Error::OtherOrganisation { .. }) = &refused {
            state.refused = true;
            caller.clear_refusal();
        }
        let (trigger, object) = (self.trigger.clone(), ObjectRef::from_obj(self.object));
        let mut counted = session.counted();
        self.controller.engine.shared.tasks.errand_of(session, "refusals and counts", async move {
            let news = tokio::select! {
                // the next look takes over after LOOK at the latest
                () = tokio::time::sleep(LOOK) => None,
                changed = refusals.changed() => changed.is_ok().then_some("its login was refused"),
                changed = counted.changed() => changed.is_ok().then_some("what it has was counted"),
            };
            if let Some(why) = news {
                trigger.send(object, why);
            }
        });
    }

    /// What the spec sets on the session.
    fn configure(&self, Access { session, caller }: &Access) {
        caller.guard.set_limit(self.terms.guard, &self.key.to_string());
        let kept = self.object.status().and_then(|status| status.guard.as_ref());
        caller.guard.restore(kept, self.now);
        let (percent, sweep) =
            self.controller.sessions.share(&self.key, self.terms.budget_percent, self.terms.sweep);
        caller.client.set_month_share(percent);
        session.set_sweep_every(sweep.or(self.controller.settings.sweep_interval));
        let devices = session.scrub.snapshot().asked_for;
        let usage = self.terms.usage.map(|asked| usage_every(asked, devices, percent));
        if caller.set_usage_every(usage) {
            self.controller.engine.shared.kinds().for_each(|kind| kind.trigger_all(&self.key));
        }
        if let Some(approval) = self.object.annotations().get(annotation::APPROVE)
            && caller.guard.approve(approval)
        {
            self.controller.engine.shared.kinds().for_each(|kind| kind.trigger_all(&self.key));
        }
    }

    /// What is worth knowing of the organisation.
    async fn survey(
        &self,
        session: &Session,
        caller: &Caller,
        state: &mut WorkspaceState,
        status: &mut WorkspaceStatus,
    ) {
        if let Some(organisation) = state.login.as_ref().map(|l| l.jwt.identity.organisation_id) {
            state.survey.work((session, caller), organisation, self.now, status).await;
        }
    }

    /// What emnify said of the organisation since the last look.
    fn notices(
        &self,
        session: &Session,
        state: &mut WorkspaceState,
        refreshed: bool,
        status: &mut WorkspaceStatus,
    ) {
        let (last, events) = session.hints.notes(state.noted);
        state.noted = last;
        if refreshed || events.iter().any(|(event, _)| notices::changes_organisation(event)) {
            state.survey.doubt();
        }
        for (event, at) in &events {
            if let Some(notices::Notice { reason, note, key, at }) = notices::about(event, *at) {
                self.controller.engine.shared.events.say_once(
                    self.object,
                    &Warning { reason, note: &note, key: &key },
                    at,
                );
            }
        }
        let generation = self.object.meta().generation;
        session.set_blocked(notices::show(&events, refreshed, status, generation, self.now));
    }

    fn count(&self, session: &Session, status: &mut WorkspaceStatus) {
        let kinds = self.controller.engine.shared.kinds();
        status::counts(status, kinds.map(|kind| (kind.name(), kind.count(session))));
    }

    /// When each kind was listed last.
    fn listed(&self, session: &Session, status: &mut WorkspaceStatus) {
        let listed = |name: &str| self.controller.engine.shared.kind(name)?.listed_at(session);
        sweeps::keep(self.object.status(), status, listed, self.now);
    }

    /// The month's requests survive a restart, to the thousand.
    fn budget(
        &self,
        session: &Session,
        caller: &Caller,
        state: &mut WorkspaceState,
        status: &mut WorkspaceStatus,
    ) {
        if let Some(before) = &status.budget {
            caller.client.restore_ledger(&budget::kept(before));
        }
        let usage = caller.usage_every().map(humane);
        status.device_usage = usage.map(|every| DeviceUsageStatus { interval: every.into() });
        if state.figures.now() {
            status.budget = budget::told(&caller.client.ledger());
        }
        if state.rotation.get_or_insert_with(budget::Rarely::later).now() {
            status.scrub = budget::rotation(&session.scrub.snapshot());
        }
        let pace = caller.client.pace();
        budget::pace(status, pace, self.object.meta().generation, self.now);
        if pace == Pace::Spent {
            let message = "the month's share of requests is used up";
            self.controller.engine.shared.events.say(self.object, true, reason::BUDGET_SPENT, message);
        }
    }

    fn tell(&self, verdict: &Verdict, status: &WorkspaceStatus) {
        let worth = match verdict {
            // what is applied or deleted in one go is there, or gone, within moments
            Verdict::Waiting { reason: told @ (reason::REFERENCE_NOT_READY | reason::IN_USE), message }
                if status::waits_long(status, self.now) =>
            {
                Some((*told, message))
            }
            Verdict::Stalled { reason, message } => Some((*reason, message)),
            Verdict::Waiting { .. } | Verdict::Ready | Verdict::Suspended => None,
        };
        if let Some((reason, message)) = worth {
            self.controller.engine.shared.events.say(self.object, true, reason, message);
        }
    }
}

fn terms<W: Served>(object: &W, status: &WorkspaceStatus) -> (Terms, Option<Invalid>) {
    match object.access().terms(Some(status)) {
        Ok(terms) => (terms, None),
        Err(invalid) => {
            let budget_percent = object.access().share().unwrap_or(100);
            (Terms { budget_percent, ..Terms::default() }, Some(invalid))
        }
    }
}

fn why(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Ready => "its login is not ready yet".into(),
        Verdict::Suspended => "suspended on request".into(),
        Verdict::Waiting { message, .. } | Verdict::Stalled { message, .. } => message.clone(),
    }
}

/// The Secrets that the credentials come from. While the workspace is being deleted they may go before it, together with
/// the right to read them: then what was read last, or copied by an earlier process, stands in for them.
async fn read_all<W: Served>(
    controller: &WorkspaceController,
    object: &W,
    state: &mut WorkspaceState,
    kept: &SessionSecret,
) -> Result<Secrets, kube::Error> {
    let namespace = object.meta().namespace.as_deref().unwrap_or(&controller.settings.operator_namespace);
    let api: Api<Secret> = Api::namespaced(controller.engine.shared.client.clone(), namespace);
    let deleting = object.meta().deletion_timestamp.is_some();
    let mut all = BTreeMap::new();
    for name in object.access().credentials.secrets() {
        let secret = match api.get_opt(name).await {
            Err(kube::Error::Api(e)) if e.code == 403 && deleting => None,
            read => read?,
        };
        let data = secret.map(|s| s.data.unwrap_or_default().into_iter().map(|(k, v)| (k, v.0)).collect());
        all.insert(name.to_owned(), data);
    }
    if deleting {
        state.read.stand_in(&mut all);
        kept.copied.stand_in(&mut all);
    } else {
        state.read.update(&all);
    }
    Ok(all)
}

/// Copies the credentials of a workspace that is being deleted, for a process that is started after they are gone.
async fn keep_copy(
    store: &SessionStore,
    kept: &mut SessionSecret,
    secrets: &Secrets,
) -> Result<(), kube::Error> {
    let copied = Copied::of(secrets);
    if copied.is_empty() || copied == kept.copied {
        return Ok(());
    }
    kept.copied = copied;
    store.store(kept).await
}
