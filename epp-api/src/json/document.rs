//! The JSON documents of the replies that are not one value of the model. Used in both directions.

use iot_identity::DeviceId;
use serde::{Deserialize, Serialize};

use crate::account::{AccountName, BearerToken};
use crate::device::{DeviceInfo, PublicationTimes};
use crate::response::AccountInfo;

#[derive(Serialize, Deserialize)]
pub(crate) struct DeviceCreated {
    pub(crate) device: DeviceInfo,
    pub(crate) certificate_pem: String,
    pub(crate) chain_pem: String,
    pub(crate) publication: PublicationTimes,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Devices {
    pub(crate) devices: Vec<DeviceInfo>,
    #[serde(default)]
    pub(crate) next_after: Option<DeviceId>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Changed {
    pub(crate) device: DeviceInfo,
    pub(crate) publication: PublicationTimes,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Pending {
    pub(crate) process_id: u64,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct AccountCreated {
    pub(crate) name: AccountName,
    #[serde(with = "token_text")]
    pub(crate) token: BearerToken,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Accounts {
    pub(crate) accounts: Vec<AccountInfo>,
}

/// The one place where a token is written out.
mod token_text {
    use serde::{Deserialize, Deserializer, Serializer, de};
    use zeroize::Zeroizing;

    use crate::account::BearerToken;

    pub(super) fn serialize<S: Serializer>(
        token: &BearerToken,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(token.expose())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BearerToken, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        BearerToken::parse(&text).map_err(de::Error::custom)
    }
}
