//! One client of a run: gives operations one after the other, while other lanes give theirs, and
//! holds every answer to the model.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use iot_epp_api::command::DeviceCommand;
use iot_epp_api::{ClientTransactionId, Command, DeviceInfo, DeviceState, Reply, Response};
use iot_identity::{DeviceId, Fingerprint, Slot};
use iot_registry::https_client::HttpsClient;

use super::choice::choose;
use super::model::{Actor, Expected, Known, Model, Operation, Verb, expected};
use crate::accounts::{Transactions, certificate_request, code_of};
use crate::device_ids::DeviceIds;
use crate::draws::Draws;
use crate::report::{Counts, add};

/// Looks at a registration that is accepted and not yet published, and the pause between.
const PENDING_LOOKS: u32 = 100;
const PENDING_PAUSE: Duration = Duration::from_millis(200);

/// The three clients that a lane speaks through.
#[derive(Clone)]
pub struct Clients {
    /// The account of the lane's devices.
    pub sponsor: Arc<HttpsClient>,
    /// Another account.
    pub stranger: Arc<HttpsClient>,
    /// The registry's operators.
    pub operator: Arc<HttpsClient>,
}

/// One lane.
pub struct Lane {
    clients: Clients,
    ids: DeviceIds,
    draws: Draws,
    transactions: Transactions,
    /// What is known of the lane's devices.
    pub model: Model,
    /// What was done.
    pub counts: Counts,
}

impl Lane {
    /// A lane that has done nothing yet.
    pub fn new(clients: Clients, ids: DeviceIds, draws: Draws, name: String) -> Self {
        Self {
            clients,
            ids,
            draws,
            transactions: Transactions::new(name),
            model: Model::new(),
            counts: Counts::new(),
        }
    }

    /// Gives operations until so many have changed something.
    ///
    /// # Errors
    /// The first answer that is not the expected one.
    pub async fn run(mut self, changes: u32) -> anyhow::Result<Self> {
        let mut done = 0;
        while done < changes {
            let operation = choose(&self.model, &mut self.ids, &mut self.draws);
            let expected = expected(&self.model, &operation);
            let changed = self
                .perform(operation, expected)
                .await
                .with_context(|| format!("{operation:?}, expected {expected:?}"))?;
            done += u32::from(changed);
        }
        Ok(self)
    }

    /// Gives one operation; whether it changed something.
    async fn perform(&mut self, operation: Operation, expected: Expected) -> anyhow::Result<bool> {
        let device_id = operation.device_id;
        let known = self.model.get(&device_id).cloned();
        let transaction = self.transaction(&operation, known.as_ref());
        let csr = match (operation.verb, &known) {
            (Verb::RetryRegister, Some(known)) => known.csr.clone(),
            (Verb::RegisterKnownKey(owner), _) => self.model[&owner].csr.clone(),
            (Verb::Register, _) => certificate_request()?,
            _ => Vec::new(),
        };
        let command = command(operation, csr.clone());
        let response = self.give(&operation, &command, &transaction).await?;
        match expected {
            Expected::Refused(code) => {
                ensure!(response.outcome.is_err(), "it was done: {response:?}");
                ensure!(
                    code_of(&response) == code,
                    "refused otherwise: {response:?}"
                );
                add(&mut self.counts, "refused as they must be", 1);
                Ok(false)
            }
            Expected::Created => {
                self.created(device_id, csr, transaction, &response)?;
                Ok(true)
            }
            Expected::CreatedAgain(fingerprint) => {
                let (_, found) = device_created(&response)?;
                ensure!(response.replayed, "carried out again: {response:?}");
                ensure!(found == fingerprint, "another certificate: {response:?}");
                add(&mut self.counts, "retries that repeat the first answer", 1);
                Ok(false)
            }
            Expected::ChangedAgain => {
                ensure!(response.replayed, "carried out again: {response:?}");
                require_change(&response, DeviceState::PendingDelete, true)?;
                add(&mut self.counts, "retries that repeat the first answer", 1);
                Ok(false)
            }
            Expected::Changed(state) => {
                let withdrawal = operation.verb != Verb::Activate;
                ensure!(!response.replayed, "not carried out: {response:?}");
                require_change(&response, state, withdrawal)?;
                let known = known.context("only a known device is changed")?;
                Ok(self.changed(operation, known, transaction))
            }
        }
    }

    fn transaction(&mut self, operation: &Operation, known: Option<&Known>) -> ClientTransactionId {
        let repeated = match operation.verb {
            Verb::RetryRegister => known.map(|known| known.created_as.clone()),
            Verb::RetryDelete => known.and_then(|known| known.deleted_as.clone()),
            _ => None,
        };
        repeated.unwrap_or_else(|| self.transactions.new_id())
    }

    async fn give(
        &mut self,
        operation: &Operation,
        command: &Command,
        transaction: &ClientTransactionId,
    ) -> anyhow::Result<Response> {
        let client = match operation.actor {
            Actor::Sponsor => &self.clients.sponsor,
            Actor::Stranger => &self.clients.stranger,
            Actor::Operator => &self.clients.operator,
        };
        let mut response = client.give_as(command.clone(), transaction.clone()).await?;
        if !matches!(response.outcome, Ok(Reply::Pending(_))) || !command.replays() {
            return Ok(response);
        }
        add(&mut self.counts, "answered as pending", 1);
        let replayed = response.replayed;
        for _ in 0..PENDING_LOOKS {
            tokio::time::sleep(PENDING_PAUSE).await;
            response = client.give_as(command.clone(), transaction.clone()).await?;
            if !matches!(response.outcome, Ok(Reply::Pending(_))) {
                ensure!(response.replayed, "a second answer: {response:?}");
                response.replayed = replayed;
                return Ok(response);
            }
        }
        bail!("it stays pending: {response:?}")
    }

    fn created(
        &mut self,
        device_id: DeviceId,
        csr: Vec<u8>,
        created_as: ClientTransactionId,
        response: &Response,
    ) -> anyhow::Result<()> {
        ensure!(!response.replayed, "not carried out: {response:?}");
        let (info, fingerprint) = device_created(response)?;
        ensure!(info.device_id == device_id, "another device: {info:?}");
        ensure!(info.state == DeviceState::Active, "not active: {info:?}");
        let known = Known {
            csr,
            created_as,
            fingerprint,
            client_hold: false,
            server_hold: false,
            deleted_as: None,
        };
        self.model.insert(device_id, known);
        add(&mut self.counts, "registrations", 1);
        Ok(())
    }

    /// Takes the change over into the model; whether there was one.
    fn changed(
        &mut self,
        operation: Operation,
        known: Known,
        transaction: ClientTransactionId,
    ) -> bool {
        let Operation {
            verb,
            actor,
            device_id,
        } = operation;
        let held = known.is_held_by(actor);
        let (name, after, changed) = match verb {
            Verb::Delete => {
                let deleted_as = Some(transaction);
                (
                    "deletions",
                    Known {
                        deleted_as,
                        ..known
                    },
                    true,
                )
            }
            Verb::Deactivate => {
                let changed = !held && known.is_live();
                ("deactivations", known.with_hold(actor, true), changed)
            }
            _ => ("reactivations", known.with_hold(actor, false), held),
        };
        self.model.insert(device_id, after);
        let name = if changed {
            name
        } else {
            "repeats that change nothing"
        };
        add(&mut self.counts, name, 1);
        changed
    }
}

fn command(operation: Operation, csr: Vec<u8>) -> Command {
    let device_id = operation.device_id;
    Command::Device(match operation.verb {
        Verb::Register | Verb::RegisterKnownKey(_) | Verb::RetryRegister => DeviceCommand::Create {
            device_id,
            csr,
            period: None,
            asp: None,
            auth_info: None,
        },
        Verb::Activate => DeviceCommand::Activate { device_id },
        Verb::Deactivate => DeviceCommand::Deactivate { device_id },
        Verb::Delete | Verb::RetryDelete => DeviceCommand::Delete { device_id },
    })
}

/// The device of a registration's answer and the fingerprint of its certificate, which must agree.
fn device_created(response: &Response) -> anyhow::Result<(&DeviceInfo, Fingerprint)> {
    let Ok(Reply::Issued(issued)) = &response.outcome else {
        bail!("no device was created: {response:?}");
    };
    let fingerprint = Fingerprint::of_certificate(&issued.certificate.certificate);
    let info = &issued.info;
    let [slot] = info.slots.as_slice() else {
        bail!("a new device has one credential: {info:?}");
    };
    ensure!(slot.slot == Slot::FIRST, "not the first slot: {info:?}");
    ensure!(
        slot.fingerprint == fingerprint,
        "another fingerprint: {info:?}"
    );
    Ok((info, fingerprint))
}

/// Holds a change's answer to the state that must result and the times that must be told.
fn require_change(response: &Response, state: DeviceState, withdrawal: bool) -> anyhow::Result<()> {
    match &response.outcome {
        Ok(Reply::Changed { info, times }) => {
            ensure!(info.state == state, "another state: {info:?}");
            // Every hold and deletion is published, also one that repeats what was.
            let times = times.as_ref().context("no times were told")?;
            // What stays inactive (another hold) is promised to nobody as visible.
            let visible = !withdrawal && state == DeviceState::Active;
            ensure!(
                times.denied_everywhere_by.is_some() == withdrawal
                    && times.visible_everywhere_by.is_some() == visible,
                "other times: {times:?}"
            );
            Ok(())
        }
        // The next look at the zone waits for it.
        Ok(Reply::Pending(_)) => Ok(()),
        _ => bail!("it was not done: {response:?}"),
    }
}
