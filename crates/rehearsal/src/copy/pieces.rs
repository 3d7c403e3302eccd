//! Puts what only an object's own page shows into the copy, when somebody asks for it.

use bytes::Bytes;
use emnify::TransportError;
use emnify_simulator::state::{Organisation, Quota};
use http::Response;
use serde_json::Value;

use super::{Copy, Trouble, devices, families::Piece, others, profiles};
use crate::live::Fetch;

impl Copy {
    /// Reads a piece of an object that was there before.
    pub(super) async fn fill_piece(&self, piece: Piece, id: u64) -> Result<(), Trouble> {
        match piece {
            Piece::DataQuota => self.quota(id, "/api/v1/endpoint/{endpoint_id}/quota/data", true).await,
            Piece::SmsQuota => self.quota(id, "/api/v1/endpoint/{endpoint_id}/quota/sms", false).await,
            Piece::Blocklist => {
                let rows = self.piece("/api/v1/endpoint/{endpoint_id}/operator_blacklist", id).await?;
                let operators = devices::operators(rows.as_array().map_or(&[], Vec::as_slice));
                self.within(|org| {
                    if let Some(device) = org.endpoints.get_mut(&id) {
                        device.operator_blacklist = operators;
                    }
                });
                Ok(())
            }
            Piece::ServiceProfile => {
                let detail = self.piece("/api/v1/service_profile/{profile_id}", id).await?;
                let limits = self.piece("/api/v1/service_profile/{profile_id}/traffic_limit", id).await?;
                self.within(|org| {
                    if let Some(profile) = org.service_profiles.get_mut(&id) {
                        profile.services = profiles::services(&detail);
                        profile.data_limits =
                            profiles::data_limits(limits.as_array().map_or(&[], Vec::as_slice));
                    }
                });
                Ok(())
            }
            Piece::TariffProfile => self.tariff_profile(id).await,
            Piece::User => {
                let detail = self.piece("/api/v1/user/{user_id}", id).await?;
                let (roles, keys) = others::roles(&detail);
                let organisation = self.organisation;
                self.simulator.amend(|state| {
                    let Some(user) = state.users.get_mut(&id) else { return };
                    user.mfa_keys = keys;
                    for at in user.workspaces.iter_mut().filter(|at| at.organisation == organisation) {
                        at.roles.clone_from(&roles);
                    }
                });
                Ok(())
            }
            Piece::Attachment => {
                let detail = self.piece("/api/v1/cnc/breakout/{cloudconnect_attachment_id}", id).await?;
                let detail = detail.get(0).cloned().unwrap_or(detail);
                self.within(|org| {
                    if let Some(row) = org.attachments.get_mut(&id) {
                        others::tunnels(&detail, row);
                    }
                });
                Ok(())
            }
        }
    }

    async fn tariff_profile(&self, id: u64) -> Result<(), Trouble> {
        let detail = self.piece("/api/v1/tariff_profile/{tariff_profile_id}", id).await?;
        let blocked =
            self.piece("/api/v2/tariff_profile/{tariff_profile_id}/operator_blocklist/operator", id).await?;
        let (zones, selected) = profiles::zones(&detail);
        let blocked = profiles::blocked(blocked.as_array().map_or(&[], Vec::as_slice));
        let organisation = self.organisation;
        self.simulator.amend(|state| {
            let Some(profile) =
                state.organisations.get_mut(&organisation).and_then(|org| org.tariff_profiles.get_mut(&id))
            else {
                return;
            };
            profile.rate_zones = selected;
            profile.operator_blocklist = blocked;
            if let Some(tariff) = state.tariffs.get_mut(&profile.tariff) {
                for zone in zones {
                    tariff.rate_zones.put(zone);
                }
            }
        });
        Ok(())
    }

    async fn quota(&self, id: u64, route: &'static str, data: bool) -> Result<(), Trouble> {
        let row = self.piece(route, id).await?;
        let quota: Option<Quota> = match row {
            Value::Null => None,
            row => match devices::quota(&row, self.simulator.now()) {
                Ok(quota) => Some(quota),
                Err(why) => {
                    self.tell(format!("the quota of endpoint {id} is not in the plan: {why}"));
                    None
                }
            },
        };
        self.within(|org| {
            if let Some(device) = org.endpoints.get_mut(&id) {
                *(if data { &mut device.data_quota } else { &mut device.sms_quota }) = quota;
            }
        });
        Ok(())
    }

    fn within(&self, change: impl FnOnce(&mut Organisation)) {
        let organisation = self.organisation;
        self.simulator.amend(|state| {
            if let Some(org) = state.organisations.get_mut(&organisation) {
                change(org);
            }
        });
    }

    /// What is live; nothing where there is none.
    async fn piece(&self, route: &'static str, id: u64) -> Result<Value, Trouble> {
        let answer: Response<Bytes> =
            self.read(Fetch { route, args: vec![id.to_string()], query: vec![] }).await?;
        match answer.status().as_u16() {
            200..300 => Ok(serde_json::from_slice(answer.body()).unwrap_or(Value::Null)),
            404 => Ok(Value::Null),
            401 | 403 => {
                self.tell(format!("{route}: the token may not read it, so nothing is planned that needs it"));
                Err(Trouble::Refused(Box::new(answer)))
            }
            status => {
                Err(TransportError::Connect(format!("{route} of {id} cannot be read: status {status}"))
                    .into())
            }
        }
    }
}
