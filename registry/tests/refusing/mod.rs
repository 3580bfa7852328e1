//! A registry that has to refuse, and what it may not show afterwards.

#![allow(dead_code, unreachable_pub)] // every test uses its part

use iot_epp_api::{BearerToken, Role};

use crate::crafted::{Draft, pem};
use crate::inside::raw::{Answer, Ask};
use crate::inside::{EID, Inside, create, done, issued};

/// What a refusal has to be: HTTP status, RPP code, and words that its reason has.
pub type Refusal = (u16, &'static str, &'static str);

/// A registry with an account `mno-a` that has registered [`EID`], and another account.
pub struct World {
    pub inside: Inside,
    pub mno_a: BearerToken,
    pub mno_b: BearerToken,
    /// The request by which the device was registered, and its key.
    pub registered: Draft,
}

impl World {
    pub async fn make() -> Self {
        let inside = Inside::start().await;
        let mno_a = inside.account("mno-a", Role::Mno).await;
        let mno_b = inside.account("mno-b", Role::Mno).await;
        let registered = Draft::new();
        let command = create(EID, &registered.der());
        let reply = done(inside.client(&mno_a).give(command).await.unwrap());
        issued(&reply);
        Self {
            inside,
            mno_a,
            mno_b,
            registered,
        }
    }

    /// Sends the request as `mno-a`: it has to be refused like this and to change nothing.
    pub async fn refuses(&self, what: &str, ask: &Ask, refusal: Refusal) -> Answer {
        self.refuses_as(what, &self.mno_a, ask, refusal).await
    }

    pub async fn refuses_as(
        &self,
        what: &str,
        by: &BearerToken,
        ask: &Ask,
        refusal: Refusal,
    ) -> Answer {
        self.refuses_raw(what, &ask.clone().token(by.expose()), refusal)
            .await
    }

    pub async fn refuses_raw(&self, what: &str, ask: &Ask, refusal: Refusal) -> Answer {
        let before = self.inside.trace().await;
        let answer = self.inside.send(ask).await;
        check_refusal(what, &answer, refusal);
        assert_eq!(self.inside.trace().await, before, "{what} has left a trace");
        answer
    }

    /// After all that was refused: a right request for an id that was asked for still succeeds, so
    /// the refusals were not those of a registry that refuses everything.
    pub async fn still_registers(self, id: &str) {
        let command = create(id, &Draft::new().der());
        done(self.inside.client(&self.mno_b).give(command).await.unwrap());
        self.inside.stop().await;
    }
}

/// Status, code and problem document (RFC 9457) agree with each other and with what was expected.
pub fn check_refusal(what: &str, answer: &Answer, (status, code, says): Refusal) {
    let document = answer.json();
    assert_eq!(answer.status.as_u16(), status, "{what}: {document}");
    assert_eq!(answer.header("rpp-code"), code, "{what}: {document}");
    assert_eq!(
        answer.header("content-type"),
        "application/problem+json",
        "{what}"
    );
    assert_eq!(document["status"], status, "{what}");
    assert_eq!(document["errors"][0]["result"], code, "{what}");
    let reason = document["detail"].as_str().unwrap();
    assert_eq!(document["errors"][0]["reason"], reason, "{what}");
    assert!(
        reason.contains(says),
        "{what}: {reason:?} does not say {says:?}"
    );
    assert!(
        reason.len() < 400,
        "{what}: {} octets of reason",
        reason.len()
    );
}

/// A request that there is nothing wrong with, of a new key.
pub fn good_csr() -> String {
    pem("CERTIFICATE REQUEST", &Draft::new().der())
}
