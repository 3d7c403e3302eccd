//! Every condition reason, event reason, condition type and annotation, once. The runbook has an entry for each.

/// Constants, and a list of all with their meaning: their doc lines.
macro_rules! words {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal;)*) => {
        $($(#[doc = $doc])+ pub const $name: &str = $text;)*
        /// Every one with its meaning.
        pub const ALL: &[(&str, &str)] = &[$(($text, concat!($($doc),+))),*];
    };
}

words! {
    /// The object is in step with emnify.
    UP_TO_DATE = "UpToDate";
    /// The operator has seen the object and is working out what to do.
    PENDING = "Pending";
    /// A change is queued or being sent.
    PROGRESSING = "Progressing";
    /// The object is being deleted in emnify.
    DELETING = "Deleting";
    /// The listing that would prove what exists is not complete yet.
    OBSERVING = "Observing";
    /// Suspended by `managementPolicy: Suspend` or by the annotation `emnify.io/suspend`.
    SUSPENDED = "Suspended";
    /// The workspace is missing, or its credentials do not work: see its conditions.
    WORKSPACE_NOT_READY = "WorkspaceNotReady";
    /// The workspace now names another organisation than the one this object lives in.
    WORKSPACE_CHANGED = "WorkspaceChanged";
    /// Several emnify objects could be the one that an interrupted create made; set `spec.id` to choose.
    AMBIGUOUS_CREATE = "AmbiguousCreate";
    /// Other objects still refer to this one.
    IN_USE = "InUse";
    /// More devices would be disturbed than the workspace's guard allows; approve on the workspace.
    GUARD_TRIPPED = "GuardTripped";
    /// A referenced object is missing, being deleted, or not created yet.
    REFERENCE_NOT_READY = "ReferenceNotReady";
    /// The spec cannot be turned into a request; the message names the field.
    INVALID_SPEC = "InvalidSpec";
    /// Another object here, or another installation, already claims the same emnify object.
    OWNERSHIP_CONFLICT = "OwnershipConflict";
    /// The emnify object exists already; the message names the line that allows taking it over.
    ALREADY_EXISTS = "AlreadyExists";
    /// It was registered before, here or by somebody else; nothing was sent.
    ALREADY_REGISTERED = "AlreadyRegistered";
    /// Nothing exists in emnify and the policy is to observe only.
    WOULD_CREATE = "WouldCreate";
    /// The named emnify object does not exist, and this kind cannot create it.
    NOT_FOUND = "NotFound";
    /// The emnify object was there and is gone; request a refresh to create it anew.
    VANISHED = "Vanished";
    /// The Secret to write to exists and belongs to somebody else.
    SECRET_NOT_OWNED = "SecretNotOwned";
    /// emnify refused the request; the message is emnify's.
    REJECTED = "Rejected";
    /// The organisation would be left without an active Administrator; make another user one first.
    LAST_ADMINISTRATOR = "LastAdministrator";
    /// emnify takes this from a person only, and the workspace logs in with an application token.
    USER_CREDENTIALS_NEEDED = "UserCredentialsNeeded";
    /// emnify accepted the same correction three times in a row and it did not stay; the message names the field.
    NOT_TAKEN = "NotTaken";
    /// emnify is still setting the object up; it is read until that is done.
    PROVISIONING = "Provisioning";
    /// emnify accepted a change and did not carry it out within ten minutes; the message names it.
    UNSETTLED = "Unsettled";
    /// emnify cannot deliver the records of a data stream and gave up; it is restarted from time to time.
    STREAM_BROKEN = "StreamBroken";
    /// A transit gateway waits for its customer: the share has to be accepted in AWS.
    WAITING_FOR_CUSTOMER = "WaitingForCustomer";
    /// The share of a transit gateway was not accepted in time; have it offered again.
    ACCEPT_EXPIRED = "AcceptExpired";
    /// emnify could not set up what was ordered, and takes it back.
    ROLLING_BACK = "RollingBack";
    /// A managed field was changed in emnify.
    DRIFTED = "Drifted";
    /// The field cannot be changed on an existing emnify object.
    IMMUTABLE_FIELD = "ImmutableField";
    /// No address is left in the IP address space.
    NO_ADDRESS_AVAILABLE = "NoAddressAvailable";
    /// emnify reported a conflict with another change; it is tried again.
    CONFLICT = "Conflict";
    /// The credentials may not do this, or are no longer accepted.
    UNAUTHORIZED = "Unauthorized";
    /// emnify asks to slow down.
    THROTTLED = "Throttled";
    /// A request was sent and its outcome is not known; emnify is read before anything else.
    OUTCOME_UNKNOWN = "OutcomeUnknown";
    /// emnify cannot be reached.
    UNAVAILABLE = "Unavailable";
    /// emnify answered something this version cannot read.
    UNREADABLE = "Unreadable";
    /// Another shard of the operator serves the organisation; give all workspaces of an organisation labels of one shard.
    SHARD_CONFLICT = "ShardConflict";
    /// The object could not be decoded; the CRD and the operator are of different versions.
    UNDECODABLE = "Undecodable";
    /// The operator lacks a right in the cluster; the message names it.
    NOT_ALLOWED = "NotAllowed";
    /// The API server refuses what the operator has to write, for a quota or an admission policy; the message has its words.
    CLUSTER_REFUSED = "ClusterRefused";
    /// A namespace that is to be watched is gone or forbidden; the message says why. The others are served.
    NAMESPACE_NOT_SERVED = "NamespaceNotServed";
    /// The cluster's definitions are of another version than the operator; the message says which to upgrade.
    DEFINITIONS_DIFFER = "DefinitionsDiffer";
    /// An emnify object was created.
    CREATED = "Created";
    /// An existing emnify object was taken over.
    ADOPTED = "Adopted";
    /// The emnify object was changed.
    UPDATED = "Updated";
    /// The emnify object was deleted.
    DELETED = "Deleted";
    /// The device has a data session.
    ONLINE = "Online";
    /// The device is registered in a network.
    ATTACHED = "Attached";
    /// The device is not registered in any network.
    OFFLINE = "Offline";
    /// The network refuses the device: a limit is exceeded or a policy blocks it.
    BLOCKED = "Blocked";
    /// Nothing is known of the device's connectivity yet.
    UNKNOWN = "Unknown";
    /// Requests come faster than the month's quota lasts; what can wait is read less often.
    BUDGET_SLOWED = "BudgetSlowed";
    /// The month's quota of requests is used up; raise the workspace's `spec.budgetPercent` or wait for the next month.
    BUDGET_SPENT = "BudgetSpent";
    /// emnify alert: the device used up a traffic limit of its service profile and is blocked; extend the limit or wait.
    TRAFFIC_LIMIT_REACHED = "TrafficLimitReached";
    /// emnify alert: the device used much of a traffic limit of its service profile.
    TRAFFIC_LIMIT_NEAR = "TrafficLimitNear";
    /// emnify alert: little is left of the device's quota.
    QUOTA_LOW = "QuotaLow";
    /// emnify alert: the device's quota is used up; add volume to it.
    QUOTA_USED_UP = "QuotaUsedUp";
    /// emnify alert: the device's quota is over.
    QUOTA_EXPIRED = "QuotaExpired";
    /// emnify alert: the device asked for a data session and was refused; the message says why.
    SESSION_REFUSED = "SessionRefused";
    /// emnify alert: the device's data session was ended to apply a limit or quota.
    SESSION_CUT = "SessionCut";
    /// emnify alert: the SIM was deleted.
    SIM_DELETED = "SimDeleted";
    /// emnify alert: the SIM moved to another workspace.
    SIM_MIGRATED = "SimMigrated";
    /// emnify's event log: the organisation is blocked, and no device has service.
    ORGANISATION_BLOCKED = "OrganisationBlocked";
    /// emnify's event log: somebody's login to the organisation failed, a user's or an application's.
    LOGIN_REFUSED = "LoginRefused";
    /// emnify's event log: the billing of the organisation was changed.
    BILLING_CHANGED = "BillingChanged";
    /// emnify alert of another kind; the message is emnify's.
    EMNIFY_ALERT = "EmnifyAlert";
    /// It cannot be taken back, and the number of targets is not confirmed; the message names the line that does.
    CONFIRMATION_NEEDED = "ConfirmationNeeded";
    /// A manifest manages what the task would change; the message names object and field.
    MANAGED_ELSEWHERE = "ManagedElsewhere";
    /// The SIM is in Factory Test, which this would end; set `acknowledgeFactoryTestEnd` where that is meant.
    FACTORY_TEST = "FactoryTest";
    /// The eUICC has a profile already, and takes no other this way.
    LINKED = "Linked";
    /// emnify does not tell which network the device is in.
    OPERATOR_UNKNOWN = "OperatorUnknown";
    /// Some targets were not carried out, or nobody knows; `status.results` names them.
    TARGETS_FAILED = "TargetsFailed";
    /// The time of the task was over before it was.
    DEADLINE_EXCEEDED = "DeadlineExceeded";
    /// The task is done.
    COMPLETE = "Complete";
    /// A part of the event log could not be read: what happened in it leads to nothing; the message names the time.
    EVENTS_SKIPPED = "EventsSkipped";
    /// A time of a schedule was missed for too long, and nothing is made for it.
    TIME_MISSED = "TimeMissed";
    /// A trigger had as many devices as an hour may have; what is told of others is dropped and counted.
    TARGETS_DROPPED = "TargetsDropped";
    /// Calls go to an address without TLS: what devices send travels in clear.
    INSECURE_CALLBACK = "InsecureCallback";
    /// The emnify object was left behind as the policy says.
    ORPHANED = "Orphaned";
}

/// Action of the Event that tells of a change that set back what somebody had changed in emnify.
pub const CORRECT: &str = "Correct";

/// Ends every message about a deletion that is held: Kubernetes cannot take one back.
pub(crate) const WAY_OUT: &str =
    "to let it go and leave it in emnify, annotate it with emnify.io/force-orphan=true";

/// Annotations that steer the operator without touching the spec.
pub mod annotation {
    words! {
        /// `"true"` suspends the object.
        SUSPEND = "emnify.io/suspend";
        /// Any new value: read the object anew and forget earlier refusals.
        REFRESH = "emnify.io/refresh";
        /// On a workspace: releases the change set with this hash.
        APPROVE = "emnify.io/approve";
        /// `"true"`: on deletion leave the emnify object as it is, without asking emnify.
        FORCE_ORPHAN = "emnify.io/force-orphan";
    }
}

/// Condition types.
pub mod condition {
    words! {
        /// The summary.
        READY = "Ready";
        /// Present and true while work is under way.
        RECONCILING = "Reconciling";
        /// Present and true exactly when a person must act.
        STALLED = "Stalled";
        /// Outcome of the last attempt.
        SYNCED = "Synced";
        /// A difference is reported and not corrected.
        DRIFTED = "Drifted";
        /// On workspaces: the month's quota of requests holds some or all of them up.
        BUDGET_LOW = "BudgetLow";
        /// On workspaces: changes that disturb many devices wait for approval; the message says how to give it.
        GUARD_TRIPPED = "GuardTripped";
        /// On workspaces: emnify does not allow the login some of what its objects need; the message says what.
        RESTRICTED = "Restricted";
        /// On workspaces: emnify says that it blocks the organisation; no device has service.
        ORGANISATION_BLOCKED = "OrganisationBlocked";
        /// On devices: a network carries it. Never part of `Ready`.
        CONNECTED = "Connected";
        /// On tasks: done, for `kubectl wait`.
        COMPLETE = "Complete";
        /// On tasks: over, and not all of it was carried out.
        FAILED = "Failed";
        /// On triggers: this hour has had its devices, and what is told of others is dropped.
        THROTTLED = "Throttled";
    }
}
