//! The virtual IoT SAFE card: applet 1 (asymmetric keys) of GSMA IoT.05, and the ECASD's EID.
//!
//! Sans-IO: a command APDU in, a response APDU out. In reading order: [`personalisation`] (what a
//! card is made with), `channel`, `object`, `key`, `file`, `session`, then the commands:
//! `discovery`, `public_key`, `sign` with `digest_input`, and `store_data`.
//!
//! What the card does not do, and answers 6D00 to: COMPUTE DH, PRF and HKDF. Applet 2 (secret keys)
//! and RSA are not there either. Files are written through STORE DATA without a secure channel,
//! and only when the card's options open that door.
//!
//! Private keys are made on the card and never leave it. All state lives in memory: a card is gone
//! when it is dropped.

mod channel;
mod command_data;
mod digest_input;
mod discovery;
pub mod file;
mod key;
mod object;
pub mod personalisation;
mod public_key;
pub mod random;
mod session;
mod sign;
mod store_data;

use std::fmt;

use iot_identity::{DeviceId, DeviceIdKind};

use crate::apdu::{Command, StatusWord, instruction, tag, tlv};
use channel::{Answer, CHANNELS, Channel, Selected};
use command_data::ObjectKind;
use object::ObjectStore;
pub use personalisation::{
    Access, Aid, CardOptions, FileContainer, FileUsage, IssuerDoor, KeyFunctions, KeyPairContainer,
    ObjectName, Personalisation, PersonalisationError, PublicKeyContainer, ResponseDelivery,
};
pub use random::{RandomError, RandomSource, SystemRandom};

/// Application identifier of the ECASD (SGP.02 §2.2.3).
pub const ECASD_AID: [u8; 16] = [
    0xA0, 0x00, 0x00, 0x05, 0x59, 0x10, 0x10, 0xFF, 0xFF, 0xFF, 0xFF, 0x89, 0x00, 0x00, 0x02, 0x00,
];

/// A virtual card.
pub struct Applet {
    aids: Vec<Aid>,
    device_id: Option<DeviceId>,
    applet_id: [u8; 32],
    options: CardOptions,
    store: ObjectStore,
    channels: [Option<Channel>; CHANNELS],
    random: Box<dyn RandomSource>,
}

impl Applet {
    /// Makes a card. `random` gives its keys and everything else that must not be guessed.
    ///
    /// # Errors
    /// Says which rule for containers is broken; see [`PersonalisationError`].
    pub fn personalise(
        mut personalisation: Personalisation,
        mut random: Box<dyn RandomSource>,
    ) -> Result<Self, PersonalisationError> {
        if personalisation.aids.is_empty() {
            return Err(PersonalisationError::NoAid);
        }
        let aids = std::mem::take(&mut personalisation.aids);
        let device_id = personalisation.device_id;
        let options = personalisation.options;
        let store = ObjectStore::personalise(personalisation, random.as_mut())?;
        let mut applet_id = [0; 32];
        random.fill(&mut applet_id)?;
        Ok(Self {
            aids,
            device_id,
            applet_id,
            options,
            store,
            channels: [Some(Channel::default()), None, None, None],
            random,
        })
    }

    /// The card's options.
    pub fn options(&self) -> CardOptions {
        self.options
    }

    /// Power off and on: all channels and sessions end, objects stay.
    pub fn reset(&mut self) {
        self.channels = [Some(Channel::default()), None, None, None];
    }

    /// Answers one command APDU with a response APDU: at most 256 octets and the status word.
    pub fn handle_apdu(&mut self, apdu: &[u8]) -> Vec<u8> {
        Command::parse(apdu)
            .map_err(|_| StatusWord::WRONG_LENGTH)
            .and_then(|command| self.execute(&command))
            .unwrap_or_else(Answer::status)
            .into_octets()
    }

    /// Class and channel first, then the commands of the card, then those of the selected applet.
    fn execute(&mut self, command: &Command<'_>) -> Result<Answer, StatusWord> {
        let (interindustry, number) = match command.class {
            class @ 0x00..=0x03 => (true, usize::from(class)),
            class @ 0x80..=0x83 => (false, usize::from(class & 0x03)),
            _ => return Err(StatusWord::CLASS_NOT_SUPPORTED),
        };
        match command.instruction {
            instruction::SELECT | instruction::MANAGE_CHANNEL if !interindustry => {
                Err(StatusWord::CLASS_NOT_SUPPORTED)
            }
            instruction::INSTALL | instruction::STORE_DATA if interindustry => {
                Err(StatusWord::CLASS_NOT_SUPPORTED)
            }
            instruction::SELECT => self.select(number, command),
            instruction::MANAGE_CHANNEL => self.manage_channel(number, command),
            instruction::GET_RESPONSE => self.channel(number)?.get_response(command),
            _ => self.applet_command(number, command),
        }
    }

    fn channel(&mut self, number: usize) -> Result<&mut Channel, StatusWord> {
        self.channels[number]
            .as_mut()
            .ok_or(StatusWord::CHANNEL_NOT_SUPPORTED)
    }

    /// SELECT by AID. On a channel that is not open it opens it (ISO/IEC 7816-4 §5.4.1.1 allows
    /// it, one known client relies on it). Success begins the channel anew.
    fn select(&mut self, number: usize, command: &Command<'_>) -> Result<Answer, StatusWord> {
        if let Ok(channel) = self.channel(number) {
            channel.drop_waiting();
        }
        if command.p1 != 0x04 || !matches!(command.p2, 0x00 | 0x0C) {
            return Err(StatusWord::INCORRECT_P1_P2);
        }
        let selected = if command.data == ECASD_AID {
            Selected::Ecasd
        } else if self.aids.iter().any(|aid| aid.as_octets() == command.data) {
            Selected::IotSafe
        } else {
            return Err(StatusWord::NOT_FOUND);
        };
        self.channels[number] = Some(Channel::on(selected));
        Ok(Answer::success(Vec::new()))
    }

    /// MANAGE CHANNEL: `70 00 00` opens the lowest free channel, `70 00 n` channel n, `70 80 n`
    /// closes it. Closing a closed channel is an error: one client closes until it gets one.
    fn manage_channel(
        &mut self,
        number: usize,
        command: &Command<'_>,
    ) -> Result<Answer, StatusWord> {
        self.channel(number)?.drop_waiting();
        let target = usize::from(command.p2);
        match (command.p1, target) {
            (0x00, 0) => {
                let free = self
                    .channels
                    .iter()
                    .position(Option::is_none)
                    .ok_or(StatusWord::FUNCTION_NOT_SUPPORTED)?;
                self.channels[free] = Some(Channel::default());
                Ok(Answer::success(vec![free as u8]))
            }
            (0x00, 1..CHANNELS) if self.channels[target].is_none() => {
                self.channels[target] = Some(Channel::default());
                Ok(Answer::success(Vec::new()))
            }
            (0x80, 1..CHANNELS) if self.channels[target].is_some() => {
                self.channels[target] = None;
                Ok(Answer::success(Vec::new()))
            }
            (0x80, 1..CHANNELS) => Err(StatusWord::CHANNEL_NOT_SUPPORTED),
            _ => Err(StatusWord::INCORRECT_P1_P2),
        }
    }

    /// A command of the selected applet: runs it, then hands out the answer.
    fn applet_command(
        &mut self,
        number: usize,
        command: &Command<'_>,
    ) -> Result<Answer, StatusWord> {
        let delivery = self.options.response_delivery;
        let channel = self.channel(number)?;
        channel.drop_waiting();
        let answer = match channel.selected {
            Some(Selected::IotSafe) => self.iot_safe_command(number, command)?,
            Some(Selected::Ecasd) => self.ecasd_command(command)?,
            None => return Err(StatusWord::CONDITIONS_NOT_SATISFIED),
        };
        let channel = self.channel(number)?;
        let with_data = !command.data.is_empty();
        if answer.data.is_empty() {
            Ok(answer)
        } else if with_data && delivery == ResponseDelivery::GetResponse {
            Ok(channel.keep(answer))
        } else {
            Ok(channel.deliver(answer, command.expected_octets))
        }
    }

    fn iot_safe_command(
        &mut self,
        number: usize,
        command: &Command<'_>,
    ) -> Result<Answer, StatusWord> {
        match command.instruction {
            instruction::GET_DATA => return self.get_data(number, command),
            instruction::INSTALL | instruction::STORE_DATA => {
                return self.issuer_command(number, command);
            }
            _ => {}
        }
        let channel = self.channels[number]
            .as_mut()
            .ok_or(StatusWord::CHANNEL_NOT_SUPPORTED)?;
        let (sessions, store) = (&mut channel.sessions, &mut self.store);
        let done = |()| Vec::new();
        let data = match command.instruction {
            instruction::GET_RANDOM => self.get_random(command)?,
            instruction::READ_FILE => {
                let place = store.file(&ObjectKind::File.only_reference(command.data)?)?;
                let offset = u16::from_be_bytes([command.p1, command.p2]);
                store.files[place].read(offset, command.expected_octets)?
            }
            instruction::READ_PUBLIC_KEY => {
                no_parameters(command)?;
                public_key::read(store, command.data)?
            }
            instruction::GENERATE_KEY_PAIR => self.generate_key_pair(command)?,
            instruction::PUT_PUBLIC_KEY_INIT => {
                public_key::put_init(sessions, store, command).map(done)?
            }
            instruction::PUT_PUBLIC_KEY_UPDATE => {
                public_key::put_update(sessions, store, command).map(done)?
            }
            instruction::COMPUTE_SIGNATURE_INIT => {
                sign::compute_init(sessions, store, command).map(done)?
            }
            instruction::COMPUTE_SIGNATURE_UPDATE => {
                let form = self.options.signature_form;
                sign::compute_update(sessions, store, self.random.as_mut(), form, command)?
            }
            instruction::VERIFY_SIGNATURE_INIT => {
                sign::verify_init(sessions, store, command).map(done)?
            }
            instruction::VERIFY_SIGNATURE_UPDATE => {
                sign::verify_update(sessions, store, command).map(done)?
            }
            _ => return Err(StatusWord::INSTRUCTION_NOT_SUPPORTED),
        };
        Ok(Answer::success(data))
    }

    /// GET RANDOM: Le octets.
    fn get_random(&mut self, command: &Command<'_>) -> Result<Vec<u8>, StatusWord> {
        no_parameters(command)?;
        let octets = match command.expected_octets {
            Some(octets) if command.data.is_empty() => octets,
            _ => return Err(StatusWord::WRONG_LENGTH),
        };
        let mut random = vec![0; usize::from(octets)];
        self.random
            .fill(&mut random)
            .map_err(|_| StatusWord::UNKNOWN_ERROR)?;
        Ok(random)
    }

    fn generate_key_pair(&mut self, command: &Command<'_>) -> Result<Vec<u8>, StatusWord> {
        no_parameters(command)?;
        let channels = &self.channels;
        let in_use = |private: usize, public: usize| {
            channels.iter().flatten().any(|channel| {
                channel.sessions.uses_private_key(private)
                    || channel.sessions.uses_public_key(public)
            })
        };
        public_key::generate_key_pair(&mut self.store, self.random.as_mut(), command.data, in_use)
    }

    /// GET DATA: application, object list, one object.
    fn get_data(&mut self, number: usize, command: &Command<'_>) -> Result<Answer, StatusWord> {
        match (command.p1, command.p2) {
            (0x00, 0x00) => Ok(Answer::success(discovery::application(&self.applet_id))),
            (0x01, 0x00) => self.object_list(number, 0),
            (0x01, 0x01) => {
                let next = self.channel(number)?.next_listed.take();
                self.object_list(number, next.ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?)
            }
            (kind @ 0xC1..=0xC4, 0x00) => {
                discovery::one_object(&self.store, kind, command.data).map(Answer::success)
            }
            _ => Err(StatusWord::INCORRECT_P1_P2),
        }
    }

    fn object_list(&mut self, number: usize, first: usize) -> Result<Answer, StatusWord> {
        let (data, next) = discovery::object_list(&self.store, first);
        let status = match next {
            Some(_) => StatusWord::MORE_DATA,
            None => StatusWord::SUCCESS,
        };
        self.channel(number)?.next_listed = next;
        Ok(Answer { data, status })
    }

    /// INSTALL \[for personalization\] and STORE DATA, when the issuer's door is open.
    fn issuer_command(
        &mut self,
        number: usize,
        command: &Command<'_>,
    ) -> Result<Answer, StatusWord> {
        if self.options.issuer_door == IssuerDoor::Closed {
            return Err(StatusWord::INSTRUCTION_NOT_SUPPORTED);
        }
        let channel = self.channels[number]
            .as_mut()
            .ok_or(StatusWord::CHANNEL_NOT_SUPPORTED)?;
        let script = channel.script.take();
        if command.instruction == instruction::INSTALL {
            channel.script = Some(store_data::install(&self.aids, command)?);
            return Ok(Answer::success(vec![0])); // no confirmation follows
        }
        let script = script.ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        channel.script = script.store_data(&mut self.store, command)?;
        Ok(Answer::success(Vec::new()))
    }

    /// The ECASD answers GET DATA 5A with the EID, two digits an octet.
    fn ecasd_command(&self, command: &Command<'_>) -> Result<Answer, StatusWord> {
        if command.instruction != instruction::GET_DATA_ECASD {
            return Err(StatusWord::INSTRUCTION_NOT_SUPPORTED);
        }
        let eid = match (command.p1, command.p2, self.device_id) {
            (0x00, tag::EID, Some(eid)) if eid.kind() == DeviceIdKind::Eid => eid,
            _ => return Err(StatusWord::REFERENCED_DATA_NOT_FOUND),
        };
        let digits: Vec<u8> = eid
            .as_octets()
            .chunks_exact(2)
            .map(|pair| (pair[0] - b'0') << 4 | (pair[1] - b'0'))
            .collect();
        let mut data = Vec::new();
        tlv::append(&mut data, tag::EID, &digits);
        Ok(Answer::success(data))
    }
}

impl fmt::Debug for Applet {
    /// Names and options only, nothing that is on the card.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Applet")
            .field("device_id", &self.device_id)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// P1 and P2 must be zero.
fn no_parameters(command: &Command<'_>) -> Result<(), StatusWord> {
    if (command.p1, command.p2) == (0, 0) {
        Ok(())
    } else {
        Err(StatusWord::INCORRECT_P1_P2)
    }
}
