//! Who asks, and a command of every verb with all that it needs to succeed.

use iot_epp_api::command::{
    AccountChange, AccountCommand, Command, DeviceChange, DeviceCommand, EndpointCommand,
    JobAction, JobCommand, MessageCommand, ZoneCommand,
};
use iot_epp_api::device::SettableStatus;
use iot_epp_api::endpoint::EndpointProfile;
use iot_epp_api::transfer::Arrival;
use iot_epp_api::{ProcessKind, Reply, ResultCode, Role, Scopes};
use iot_identity::{DeviceId, Fingerprint};

use crate::stage::*;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Actor {
    Sponsor,
    OtherMno,
    BoundAsp,
    OtherAsp,
    Operator,
}

/// Everybody.
pub(crate) struct Cast {
    pub(crate) stage: Stage,
    sponsor: Party,
    other: Party,
    third: Party,
    bound: Party,
    other_asp: Party,
    operator: Party,
    pub(crate) disabled: Party,
    /// Numbers of devices and accounts that are used up.
    used: u64,
    /// The job of the last command.
    job_id: Option<u64>,
}

impl Cast {
    pub(crate) async fn open() -> Self {
        let stage = Stage::open().await;
        let operator = stage.again(&stage.operator, &stage.operator.token);
        let cast = Self {
            sponsor: stage.mno("mno-sponsor").await,
            other: stage.mno("mno-other").await,
            third: stage.mno("mno-third").await,
            bound: stage.asp("asp-bound").await,
            other_asp: stage.asp("asp-other").await,
            disabled: stage.mno("mno-disabled").await,
            operator,
            used: 0,
            job_id: None,
            stage,
        };
        cast.stage
            .change("mno-disabled", AccountChange::Disable)
            .await;
        cast.sponsor.done(consent()).await;
        cast
    }

    /// Everybody gets a certificate and a password.
    pub(crate) async fn enrol(&mut self) {
        for party in [
            &mut self.sponsor,
            &mut self.other,
            &mut self.bound,
            &mut self.other_asp,
            &mut self.operator,
            &mut self.disabled,
        ] {
            party.enrol(&self.stage).await;
        }
    }

    pub(crate) fn party(&self, actor: Actor) -> &Party {
        match actor {
            Actor::Sponsor => &self.sponsor,
            Actor::OtherMno => &self.other,
            Actor::BoundAsp => &self.bound,
            Actor::OtherAsp => &self.other_asp,
            Actor::Operator => &self.operator,
        }
    }

    /// What an account is told that is disabled within its EPP session.
    pub(crate) async fn asked_when_disabled(&self, command: &Command) -> ResultCode {
        self.stage
            .change("mno-disabled", AccountChange::Enable)
            .await;
        let mut talk = self.stage.talk(&self.disabled);
        self.stage
            .change("mno-disabled", AccountChange::Disable)
            .await;
        talk.code(command)
    }

    /// Ends what would be in the way of the next command.
    pub(crate) async fn clear_up(&mut self) {
        if let Some(job_id) = self.job_id.take() {
            let cancel = Command::Job(JobCommand::Cancel { job_id });
            drop(self.sponsor.give(cancel).await);
        }
    }

    fn number(&mut self) -> u64 {
        self.used += 1;
        self.used
    }

    /// A new device of the sponsor, its slot bound.
    async fn device(&mut self) -> DeviceId {
        let id = eid(self.number());
        let create = create_with(id, new_csr(), Some("asp-bound"));
        self.sponsor.issued(create).await;
        id
    }

    async fn job(&mut self) -> u64 {
        let action = JobAction::Deactivate;
        let create = Command::Job(JobCommand::Create { action });
        match self.sponsor.done(create).await {
            Reply::Job(job) => {
                self.job_id = Some(job.job_id);
                job.job_id
            }
            other => panic!("{other:?}"),
        }
    }

    /// A command of this verb that the sponsor, or whoever is allowed, could give now.
    pub(crate) async fn prepared(&mut self, verb: &str, actor: Actor) -> Command {
        match verb.split('.').next() {
            Some("device") => self.of_device(verb, actor).await,
            Some("transfer") => self.of_transfer(verb).await,
            Some("job") => self.of_job(verb).await,
            Some("account") => self.of_account(verb),
            Some("endpoint") => self.of_endpoint(verb).await,
            _ => match verb {
                "message.head" => Command::Message(MessageCommand::Head),
                "message.acknowledge" => Command::Message(MessageCommand::Acknowledge {
                    message_id: 1_000_000,
                }),
                "zone.dump" => Command::Zone(ZoneCommand::Dump),
                "zone.check" => Command::Zone(ZoneCommand::Check),
                other => panic!("the command {other} has no row"),
            },
        }
    }

    async fn of_device(&mut self, verb: &str, actor: Actor) -> Command {
        if verb == "device.create" {
            return create(eid(self.number()));
        }
        let id = self.device().await;
        match verb {
            "device.check" => Command::Device(DeviceCommand::Check {
                device_ids: vec![id],
            }),
            "device.info" => info(id),
            "device.list" => Command::Device(DeviceCommand::List {
                after: None,
                limit: 10,
            }),
            "device.certificate" => Command::Device(DeviceCommand::Certificate {
                device_id: id,
                slot: slot(1),
            }),
            "device.new-slot" => new_slot(id, new_csr(), None),
            "device.update" => {
                let status = match actor {
                    Actor::Operator => SettableStatus::ServerHold,
                    _ => SettableStatus::ClientHold,
                };
                update(id, &[DeviceChange::AddStatus(status)])
            }
            "device.activate" => unhold(id),
            "device.deactivate" => hold(id),
            "device.renew" => renew(&self.sponsor.sees(id).await),
            "device.delete" => delete(id),
            "device.restore" => {
                self.sponsor.done(delete(id)).await;
                restore(id)
            }
            "device.process" => {
                let seq = "SELECT max(seq) FROM journal WHERE kind = 'create'";
                Command::Device(DeviceCommand::Process {
                    device_id: id,
                    kind: ProcessKind::Create,
                    process_id: u64::try_from(self.stage.count(seq).await).unwrap(),
                })
            }
            other => panic!("the command {other} has no row"),
        }
    }

    async fn of_transfer(&mut self, verb: &str) -> Command {
        let id = self.device().await;
        match verb {
            "transfer.pull" => {
                self.sponsor.done(set_auth_info(id)).await;
                pull(id, AUTH_INFO, Arrival::AsIs)
            }
            "transfer.push" => push(id, "mno-third"),
            "transfer.query" | "transfer.cancel" => {
                self.sponsor.done(push(id, "mno-third")).await;
                if verb == "transfer.query" {
                    query(id)
                } else {
                    cancel(id)
                }
            }
            "transfer.approve" | "transfer.reject" => {
                self.sponsor.done(set_auth_info(id)).await;
                self.third.done(pull(id, AUTH_INFO, Arrival::AsIs)).await;
                if verb == "transfer.approve" {
                    approve(id, None)
                } else {
                    reject(id)
                }
            }
            "transfer.force" => force(id, "mno-third", Arrival::AsIs),
            other => panic!("the command {other} has no row"),
        }
    }

    async fn of_job(&mut self, verb: &str) -> Command {
        let command = match verb {
            "job.create" => {
                // It stays when it is done: one that is finished at once does not count.
                let action = JobAction::Deactivate;
                return Command::Job(JobCommand::Create { action });
            }
            "job.list" => JobCommand::List,
            "job.append" => JobCommand::Append {
                job_id: self.job().await,
                offset: 0,
                rows: b"{}\n".to_vec(),
            },
            "job.close" => JobCommand::Close {
                job_id: self.job().await,
            },
            "job.cancel" => JobCommand::Cancel {
                job_id: self.job().await,
            },
            "job.info" => JobCommand::Info {
                job_id: self.job().await,
            },
            "job.results" => JobCommand::Results {
                job_id: self.job().await,
                after: 0,
                limit: 1,
            },
            other => panic!("the command {other} has no row"),
        };
        Command::Job(command)
    }

    fn of_account(&mut self, verb: &str) -> Command {
        let name = account("mno-third");
        let number = self.number();
        Command::Account(match verb {
            "account.create" => AccountCommand::Create {
                name: account(&format!("mno-{number}")),
                role: Role::Mno,
            },
            "account.list" => AccountCommand::List,
            "account.info" => AccountCommand::Info { name: Some(name) },
            "account.update" => AccountCommand::Update {
                name,
                change: AccountChange::AllowIccids(true),
            },
            "account.import-ids" => AccountCommand::ImportIds {
                name,
                device_ids: vec![eid(1_000_000 + number)],
            },
            "account.issue-token" => AccountCommand::IssueToken {
                name,
                scopes: Scopes::ALL,
                lifetime_secs: 60,
            },
            "account.issue-certificate" => AccountCommand::IssueCertificate {
                name,
                csr: new_csr(),
            },
            "account.reset-password" => AccountCommand::ResetPassword { name },
            "account.consent" => return consent(),
            other => panic!("the command {other} has no row"),
        })
    }

    async fn of_endpoint(&mut self, verb: &str) -> Command {
        let profile = Box::new(EndpointProfile {
            fqdn: "asp.example".to_owned(),
            port: 8883,
            url: None,
            certificate_pem: None,
            tlsa_fingerprint: Some(Fingerprint::of_certificate(b"the service's")),
            wifi_ciphertext: None,
        });
        let set = Command::Endpoint(EndpointCommand::Set { profile });
        match verb {
            "endpoint.info" => {
                self.bound.done(set).await;
                let asp = Some(self.bound.name.clone());
                Command::Endpoint(EndpointCommand::Info { asp })
            }
            "endpoint.set" => set,
            "endpoint.remove" => Command::Endpoint(EndpointCommand::Remove),
            other => panic!("the command {other} has no row"),
        }
    }
}

fn consent() -> Command {
    Command::Account(AccountCommand::Consent {
        asp: account("asp-bound"),
        granted: true,
    })
}
