//! The account's messages.

use std::time::Duration;

use iot_epp_api::command::MessageCommand;
use iot_epp_api::message::Message;
use iot_epp_api::{Caller, Problem, Reply, ResultCode};

use super::{Service, store_problem};
use crate::clock::unix_now;
use crate::store::{
    Acknowledge, Acknowledged, EndOverdue, Expire, Origin, StoreError, TellCompleted,
};

impl Service {
    pub(super) async fn message(
        &self,
        caller: &Caller,
        origin: Origin,
        command: MessageCommand,
    ) -> Result<Reply, Problem> {
        match command {
            MessageCommand::Head => {
                let (count, mut messages) = self.messages(caller, 0, 1).await?;
                let head = messages.pop().map(Box::new);
                Ok(Reply::Messages { count, head })
            }
            MessageCommand::Acknowledge { message_id } => {
                let step = Acknowledge {
                    origin,
                    message_id,
                    now: unix_now(),
                };
                match self.store().commit(step).await.map_err(store_problem)? {
                    Acknowledged::Gone(left) => Ok(Reply::Acknowledged {
                        count: left.count,
                        next_message_id: left.next,
                    }),
                    Acknowledged::NotOldest { oldest } => Err(Problem::new(
                        ResultCode::AssociationProhibits,
                        format!(
                            "messages are acknowledged in their order, and the oldest one in this account's queue is {oldest}"
                        ),
                    )),
                    Acknowledged::NotThere => Err(Problem::new(
                        ResultCode::ObjectDoesNotExist,
                        "there is no such message in this account's queue",
                    )),
                }
            }
        }
    }

    /// Messages behind this one, oldest first, and how many there are in all.
    pub(super) async fn messages(
        &self,
        caller: &Caller,
        after: u64,
        limit: u32,
    ) -> Result<(u64, Vec<Message>), Problem> {
        let account = caller.account.as_str();
        let found = self.store().messages_after(account, after, limit).await;
        found.map_err(store_problem)
    }

    /// What time does by itself until `now`, step by step until nothing is left: what ends, and what is
    /// overdue. How much there was.
    ///
    /// # Errors
    /// [`StoreError`]; what was done by then stays.
    pub async fn look_at_the_time(&self, now: u64) -> Result<usize, StoreError> {
        let mut all = 0;
        loop {
            let zone = self.zone_name().clone();
            let expire = Expire {
                zone: zone.clone(),
                random: super::random_octets(),
                now,
            };
            let overdue = EndOverdue {
                zone,
                random: super::random_octets(),
                now,
            };
            let done = self.store().commit(expire).await? + self.store().commit(overdue).await?;
            if done == 0 {
                return Ok(all);
            }
            all += done;
            self.publisher().journal_grew();
        }
    }

    /// Tells, until the process ends, of pending commands that are published in the meantime.
    pub async fn tell_of_completed(self, pause: Duration) {
        loop {
            tokio::time::sleep(pause).await;
            let applied = self.publisher().applied();
            let oldest = self.store().oldest_pending().await;
            if !matches!(oldest, Ok(Some(seq)) if seq <= applied) {
                continue;
            }
            let now = unix_now();
            if let Err(error) = self.store().commit(TellCompleted { applied, now }).await {
                tracing::warn!(%error, "pending commands are not told of yet");
            }
        }
    }
}
