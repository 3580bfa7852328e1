//! A row of a bulk job (one line of NDJSON) → the command that it stands for.

use iot_identity::DeviceId;
use serde::Deserialize;

use crate::command::{Command, DeviceCommand, JobAction, TransferCommand};
use crate::json::body;
use crate::json::document::device::DeviceCreate;
use crate::json::refusal::Refusal;
use crate::secret::Secret;

/// A row of every action but two.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OneDevice {
    id: DeviceId,
}

/// A row of `transferPull`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PulledDevice {
    id: DeviceId,
    auth_info: String,
}

/// Reads a row: the body of a registration for `create`, `id` and `authInfo` for `transferPull`, `id`
/// for everything else.
///
/// # Errors
/// The line is not one bounded JSON object with these members.
pub fn job_command(action: &JobAction, line: &[u8]) -> Result<Command, Refusal> {
    match action {
        JobAction::Create => return body::read::<DeviceCreate>(line)?.into_command(),
        JobAction::Pull { arrival } => {
            let PulledDevice { id, auth_info } = body::read(line)?;
            return Ok(Command::Transfer(TransferCommand::Pull {
                device_id: id,
                auth_info: Secret::new(auth_info),
                arrival: *arrival,
            }));
        }
        _ => {}
    }
    let OneDevice { id: device_id } = body::read(line)?;
    Ok(match action {
        JobAction::Activate => Command::Device(DeviceCommand::Activate { device_id }),
        JobAction::Deactivate => Command::Device(DeviceCommand::Deactivate { device_id }),
        JobAction::Delete => Command::Device(DeviceCommand::Delete { device_id }),
        JobAction::Restore => Command::Device(DeviceCommand::Restore { device_id }),
        JobAction::Push { to } => Command::Transfer(TransferCommand::Push {
            device_id,
            to: to.clone(),
        }),
        JobAction::Approve { arrival } => Command::Transfer(TransferCommand::Approve {
            device_id,
            arrival: *arrival,
        }),
        JobAction::Reject => Command::Transfer(TransferCommand::Reject { device_id }),
        // Its two others have returned.
        JobAction::Cancel | JobAction::Create | JobAction::Pull { .. } => {
            Command::Transfer(TransferCommand::Cancel { device_id })
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result_code::ResultCode;
    use crate::transfer::Arrival;

    const ID: &str = "89049032123451234512345678901235";

    #[test]
    fn each_action_has_its_row() {
        let one = format!("{{\"id\":\"{ID}\"}}");
        let actions = [
            (JobAction::Activate, "device.activate"),
            (JobAction::Deactivate, "device.deactivate"),
            (JobAction::Delete, "device.delete"),
            (JobAction::Restore, "device.restore"),
            (JobAction::Approve { arrival: None }, "transfer.approve"),
            (JobAction::Reject, "transfer.reject"),
            (JobAction::Cancel, "transfer.cancel"),
        ];
        for (action, verb) in actions {
            let command = job_command(&action, one.as_bytes()).unwrap();
            assert_eq!(command.verb(), verb);
            assert_eq!(command.device_id().unwrap().as_str(), ID);
        }
        let pull = JobAction::Pull {
            arrival: Arrival::Held,
        };
        let row = format!("{{\"id\":\"{ID}\",\"authInfo\":\"secret\"}}");
        assert_eq!(
            job_command(&pull, row.as_bytes()).unwrap().verb(),
            "transfer.pull"
        );
        let row = format!("{{\"id\":\"{ID}\",\"csr\":\"AQID\",\"period\":\"P1Y\"}}");
        let created = job_command(&JobAction::Create, row.as_bytes()).unwrap();
        assert_eq!(created.verb(), "device.create");
    }

    #[test]
    fn what_a_row_lacks_or_should_not_have_is_named() {
        let refusal = |line: &str| job_command(&JobAction::Delete, line.as_bytes()).unwrap_err();
        let missing = refusal("{}").problem;
        assert_eq!(missing.code, ResultCode::RequiredParameterMissing);
        let unknown = refusal(&format!("{{\"id\":\"{ID}\",\"owner\":\"x\"}}")).problem;
        assert!(unknown.reason.contains("owner"), "{unknown}");
        assert_eq!(refusal("").problem.code, ResultCode::SyntaxError);
        assert_eq!(refusal("not json").problem.code, ResultCode::SyntaxError);
    }
}
