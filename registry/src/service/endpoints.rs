//! Where the devices of providers connect.

use iot_epp_api::command::EndpointCommand;
use iot_epp_api::endpoint::EndpointProfile;
use iot_epp_api::{Caller, Problem, Reply, ResultCode, Role};

use super::{Service, store_problem};
use crate::clock::unix_now;
use crate::store::{Origin, SetEndpoint};

impl Service {
    pub(super) async fn endpoint(
        &self,
        caller: &Caller,
        origin: Origin,
        command: EndpointCommand,
    ) -> Result<Reply, Problem> {
        match command {
            EndpointCommand::Info { asp } => {
                let asp = asp.unwrap_or_else(|| caller.account.clone());
                // Operators of devices need it before they bind one; other providers do not.
                if caller.role == Role::Asp && asp != caller.account {
                    return Err(Problem::object_does_not_exist());
                }
                let profile = self.store().endpoint(asp.as_str()).await;
                let profile = profile.map_err(store_problem)?;
                let profile = profile.ok_or_else(Problem::object_does_not_exist)?;
                Ok(Reply::Endpoint(Box::new(profile)))
            }
            EndpointCommand::Set { profile } => {
                profile.check().map_err(|error| {
                    Problem::new(ResultCode::ParameterPolicy, error.to_string())
                })?;
                self.set_endpoint(origin, Some(profile)).await
            }
            EndpointCommand::Remove => self.set_endpoint(origin, None).await,
        }
    }

    async fn set_endpoint(
        &self,
        origin: Origin,
        profile: Option<Box<EndpointProfile>>,
    ) -> Result<Reply, Problem> {
        let step = SetEndpoint {
            origin,
            profile: profile.clone(),
            now: unix_now(),
        };
        self.store().commit(step).await.map_err(store_problem)?;
        Ok(profile.map_or(Reply::Done, Reply::Endpoint))
    }
}
