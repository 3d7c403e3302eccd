//! People: accounts, their roles, and the workspaces that they belong to.
//!
//! Where the tariff plan has workspaces a person is invited to one, has roles and a status in it, and leaves it (v2); elsewhere
//! all of that is the account's (v1). [S]

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::collection::{Collection, Entry, Paging};
use super::common::{Named, Ref};
use super::lenient::{self, Unlike};
use super::record::record;
use crate::api::Api;
use crate::auth::password_digest;
use crate::call::{Call, Created};
use crate::error::Error;

/// States of a person, of the account and in a workspace [S].
pub mod status {
    /// Invited, and has not accepted yet.
    pub const ACTIVATION_PENDING: i64 = 0;
    /// May log in.
    pub const ACTIVE: i64 = 1;
    /// May not.
    pub const SUSPENDED: i64 = 2;
}

/// Roles that an organisation can give; emnify has others for its own people [S].
pub mod role {
    /// May do everything.
    pub const ADMINISTRATOR: i64 = 1;
    /// May change everything but the account.
    pub const USER: i64 = 2;
    /// May look.
    pub const OBSERVER: i64 = 3;
}

record!(
    /// A person. The listing shows neither roles nor second factors.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct User {
        /// Their id.
        pub id: i64,
        /// E-mail address, unique everywhere [S].
        pub username: String,
        /// Display name.
        pub name: String,
        /// When they were invited.
        pub created: Option<Timestamp>,
        /// One of [`status`], of the account.
        #[read(lenient::reference)]
        pub status: Option<i64>,
        /// Roles in the organisation of the login.
        pub roles: Option<Vec<Named>>,
        /// Keys of second factors.
        pub mfa: Vec<SecondFactor>,
    }
);

record!(
    /// A second factor, without its secret.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct SecondFactor {
        /// Id of the key.
        pub id: i64,
        /// 0 pending, 1 active.
        #[read(lenient::reference)]
        pub status: Option<i64>,
    }
);

impl SecondFactor {
    /// emnify asks for it.
    pub fn is_active(&self) -> bool {
        self.status == Some(1)
    }
}

record!(
    /// A workspace that a person belongs to.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Membership {
        /// Id of the organisation.
        pub id: i64,
        /// One of [`status`], in this workspace.
        #[read(nested_status)]
        pub status: Option<i64>,
        /// A login lands here.
        pub default_workspace: bool,
    }
);

/// `{"status": {"id": 1}}` [S], or without the inner object.
#[allow(clippy::needless_pass_by_value, reason = "the type of what reads a field")]
fn nested_status(value: serde_json::Value) -> Result<Option<i64>, Unlike> {
    lenient::reference(value.get("status").unwrap_or(&value).clone())
}

record!(
    /// A new second factor, with the secret that is shown once.
    #[derive(Debug, Clone)]
    pub struct NewSecondFactor {
        /// Id of the key.
        pub id: i64,
        /// Base32 key.
        pub secret_key: Option<SecretString>,
        /// The same as authenticators read it.
        pub otpauth: Option<SecretString>,
    }
);

/// A new account, or an invitation to the workspace of the login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UserCreate {
    /// E-mail address.
    pub username: String,
    /// Display name.
    pub name: String,
    /// The organisation of the login.
    pub organisation: Ref,
    /// Roles; emnify's default is Administrator [S], so they are never left out.
    pub roles: Vec<Ref>,
}

/// Changes of an account.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct UserWrite {
    /// Display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// One of [`status`]: 1 and 2 in either direction, and from 0 to 2 [S].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Ref>,
}

/// Accounts of the organisation. How many are a full page is not documented. A create mails the person; a deletion by v2 is
/// [`Api::delete_user`]. [S]
pub const USERS: Collection<User> = Collection::at("/api/v1/user", "/api/v1/user/{user_id}")
    .paged(Paging::Pages { usual: usize::MAX, most: usize::MAX });

impl Entry for User {
    type Id = i64;

    fn id(&self) -> i64 {
        self.id
    }
}

#[derive(Serialize)]
struct StatusPatch {
    status: Ref,
}

#[derive(Serialize)]
struct Passwords<'a> {
    old_password: &'a str,
    new_password: &'a str,
}

#[derive(Serialize)]
struct Enrol<'a> {
    #[serde(rename = "type")]
    kind: Ref,
    password: &'a str,
}

#[derive(Serialize)]
struct Activate<'a> {
    status: Ref,
    code: &'a str,
}

impl Api {
    /// Invites a person to the workspace of the login; [`Error::Conflict`] if they belong to it, or to an organisation
    /// without workspaces [S].
    pub async fn invite_user(&self, new: &UserCreate) -> Result<Created, Error> {
        self.call(Call::post("/api/v2/user/invitation").body(new)).await?.created()
    }

    /// The workspaces that a person belongs to.
    pub async fn user_workspaces(&self, user: i64) -> Result<Vec<Membership>, Error> {
        self.call(Call::get("/api/v2/user/{user_id}/workspace").arg(user)).await?.list()
    }

    /// Wants a person in a [`status`] in a workspace.
    pub async fn set_user_status(&self, user: i64, workspace: i64, status: i64) -> Result<(), Error> {
        let call = Call::patch("/api/v2/user/{user_id}/workspace/{workspace_id}").arg(user).arg(workspace);
        self.call(call.body(&StatusPatch { status: status.into() })).await.map(drop)
    }

    /// Takes a person out of a workspace.
    pub async fn remove_from_workspace(&self, user: i64, workspace: i64) -> Result<(), Error> {
        self.call(Call::delete("/api/v2/user/{user_id}/workspace/{workspace_id}").arg(user).arg(workspace))
            .await
            .map(drop)
    }

    /// Gives a person a role, in a workspace or of the account; of the account a conflict if they have it [S].
    pub async fn add_user_role(&self, user: i64, workspace: Option<i64>, role: i64) -> Result<(), Error> {
        let call = match workspace {
            Some(workspace) => Call::put("/api/v2/user/{user_id}/workspace/{workspace_id}/role/{role_id}")
                .arg(user)
                .arg(workspace)
                .arg(role),
            None => Call::put("/api/v1/user/{user_id}/role/{role_id}").arg(user).arg(role),
        };
        self.call(call).await.map(drop)
    }

    /// Takes a role away, in a workspace or of the account. The last one stays [S].
    pub async fn remove_user_role(&self, user: i64, workspace: Option<i64>, role: i64) -> Result<(), Error> {
        let call = match workspace {
            Some(workspace) => Call::delete("/api/v2/user/{user_id}/workspace/{workspace_id}/role/{role_id}")
                .arg(user)
                .arg(workspace)
                .arg(role),
            None => Call::delete("/api/v1/user/{user_id}/role/{role_id}").arg(user).arg(role),
        };
        self.call(call).await.map(drop)
    }

    /// Where a person's login lands. Only for a login that is an Administrator's of both workspaces [S].
    pub async fn set_default_workspace(&self, user: i64, workspace: i64) -> Result<(), Error> {
        let call = Call::put("/api/v2/user/{user_id}/default_organisation/{workspace_id}");
        self.call(call.arg(user).arg(workspace)).await.map(drop)
    }

    /// Deletes an account by v2, the successor of v1's [S].
    pub async fn delete_user(&self, user: i64) -> Result<(), Error> {
        self.call(Call::delete("/api/v2/user/{user_id}").arg(user)).await.map(drop)
    }

    /// Changes the password of the user that is logged in. Both in clear, or as the SHA-1 that the API takes.
    pub async fn change_password(&self, old: &SecretString, new: &SecretString) -> Result<(), Error> {
        let (old, new) = (password_digest(old), password_digest(new));
        let body = Passwords { old_password: old.expose_secret(), new_password: new.expose_secret() };
        self.call(Call::patch("/api/v1/user/password").body(&body).sensitive()).await.map(drop)
    }

    /// The user of that e-mail address, with their second factors.
    pub async fn user_named(&self, username: &str) -> Result<Option<User>, Error> {
        let reply = crate::found(self.call(Call::get("/api/v1/user/{user_id}").arg(username)).await)?;
        reply.map(|reply| reply.json()).transpose()
    }

    /// Makes a TOTP key for the user that is logged in; a conflict if one is active [S]. The secret is shown once.
    pub async fn make_second_factor(&self, password: &SecretString) -> Result<NewSecondFactor, Error> {
        let password = password_digest(password);
        let body = Enrol { kind: 0.into(), password: password.expose_secret() };
        self.call(Call::post("/api/v1/user/mfa").body(&body).sensitive()).await?.json()
    }

    /// Activates a key with a code of it, made for emnify's time; a conflict if it is active already [S].
    pub async fn activate_second_factor(&self, id: i64, key: &SecretString) -> Result<(), Error> {
        let code = crate::auth::code(key, self.client().server_time()).ok_or_else(|| Error::Rejected {
            status: 0,
            code: None,
            message: "the TOTP key is not base32".into(),
        })?;
        let body = Activate { status: 1.into(), code: code.expose_secret() };
        self.call(Call::patch("/api/v1/user/mfa/{key_id}").arg(id).body(&body).sensitive()).await.map(drop)
    }

    /// Ids of the devices that may leave out the second factor of a user.
    pub async fn trusted_devices(&self, user: i64) -> Result<Vec<i64>, Error> {
        let call = Call::get("/api/v1/user/{user_id}/mfa/trusted_device").arg(user);
        let all: Vec<Named> = self.call(call).await?.list()?;
        Ok(all.into_iter().map(|device| device.id).collect())
    }

    /// Trusts a device no longer.
    pub async fn distrust_device(&self, user: i64, device: i64) -> Result<(), Error> {
        let call =
            Call::delete("/api/v1/user/{user_id}/mfa/trusted_device/{device_id}").arg(user).arg(device);
        self.call(call).await.map(drop)
    }

    /// Removes a key of a user.
    pub async fn delete_second_factor(&self, user: i64, id: i64) -> Result<(), Error> {
        self.call(Call::delete("/api/v1/user/{user_id}/mfa/{key_id}").arg(user).arg(id)).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json, to_value};

    use super::*;

    #[test]
    fn a_person_is_read_from_the_listing_and_in_detail() {
        let listed = json!({"id": 7, "username": "jo@example.com", "name": "Jo", "created": "2026-03-27T23:20:49.000+0000",
            "status": {"id": 1, "description": "ACTIVE"}, "organisation": {"id": 42}});
        let row: User = from_value(listed.clone()).unwrap();
        assert_eq!((row.id(), row.status, row.roles), (7, Some(status::ACTIVE), None), "roles are not shown");
        assert!(row.created.is_some() && row.mfa.is_empty());
        let mut detail = listed;
        detail["roles"] = json!([{"id": 4.0, "name": "SuperAdmin"}]);
        detail["mfa"] = json!([{"id": 9, "status": {"id": 1}, "type": {"id": 0}}]);
        let user: User = from_value(detail).unwrap();
        assert_eq!(user.roles.unwrap()[0].id, 4);
        assert!(user.mfa[0].is_active());
    }

    #[test]
    fn the_status_in_a_workspace_is_nested() {
        for shown in [json!({"status": {"id": 2}}), json!({"id": 2})] {
            let at: Membership =
                from_value(json!({"id": 5, "name": "x", "status": shown, "roles": [], "owner": false}))
                    .unwrap();
            assert_eq!((at.status, at.default_workspace), (Some(status::SUSPENDED), false));
        }
    }

    #[test]
    fn an_invitation_names_its_roles() {
        let new = UserCreate {
            username: "jo@example.com".into(),
            name: "Jo".into(),
            organisation: 42.into(),
            roles: vec![role::OBSERVER.into()],
        };
        let body = json!({"username": "jo@example.com", "name": "Jo", "organisation": {"id": 42}, "roles": [{"id": 3}]});
        assert_eq!(to_value(new).unwrap(), body);
        let write = UserWrite { status: Some(2.into()), ..UserWrite::default() };
        assert_eq!(to_value(write).unwrap(), json!({"status": {"id": 2}}), "what is not set is not sent");
    }
}
