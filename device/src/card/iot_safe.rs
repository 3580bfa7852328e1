//! The client of an IoT SAFE applet.

use iot_identity::DeviceId;
use ring::digest::{SHA256, digest};

use super::channel::{close_channel, open_channel, select};
use super::exchange::exchange;
use super::file_content::content_octets;
use super::{CardError, CardTransport, ObjectAttributes, ObjectReference, malformed};
use crate::apdu::{Command, CommandError, StatusWord, Tlv, instruction, tag, tlv};
use crate::applet::file::FILE_CAPACITY_OCTETS;
use crate::applet::{Aid, ECASD_AID};
use crate::public_key::PublicKey;
use crate::signature::EcdsaSignature;

/// Most objects on a card.
const OBJECTS_MAX: usize = 128;
/// Most pages of an object list.
const PAGES_MAX: usize = 64;
/// Octets of content in one STORE DATA: with tag and length it fits the data field.
const STORED_OCTETS: usize = 240;
/// Longest label or id (IoT.05).
const NAME_OCTETS_MAX: usize = 60;
/// The session number used for signatures.
const SESSION: u8 = 0;

/// An IoT SAFE applet, selected on a logical channel of its own.
///
/// Every method blocks until the card has answered. When the value is dropped it closes its
/// channel, which ends what was left open on it; errors in doing so are ignored, since the card may
/// be gone. [`IotSafe::close`] tells them.
pub struct IotSafe {
    transport: Box<dyn CardTransport>,
    aid: Aid,
    channel: u8,
    open: bool,
}

impl IotSafe {
    /// Opens a channel and selects the first applet that answers to one of `aids`.
    ///
    /// # Errors
    /// [`CardError::NoApplet`] when no identifier is known to the card, [`CardError::Refused`] when
    /// it has no free channel.
    pub fn open(transport: impl CardTransport + 'static, aids: &[Aid]) -> Result<Self, CardError> {
        let mut transport = Box::new(transport);
        let channel = open_channel(transport.as_mut())?;
        let mut applet = Self {
            transport,
            aid: Aid::gsma(),
            channel,
            open: true,
        };
        for aid in aids {
            match select(applet.transport.as_mut(), channel, aid.as_octets()) {
                Ok(()) => {
                    applet.aid = aid.clone();
                    return Ok(applet);
                }
                Err(CardError::Refused {
                    status: StatusWord::NOT_FOUND,
                    ..
                }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(CardError::NoApplet { tried: aids.len() })
    }

    /// Closes the channel.
    ///
    /// # Errors
    /// When the card does not take it.
    pub fn close(mut self) -> Result<(), CardError> {
        self.open = false;
        close_channel(self.transport.as_mut(), self.channel)
    }

    /// The identifier under which the applet was found.
    pub fn aid(&self) -> &Aid {
        &self.aid
    }

    /// The EID of the eSIM, asked from the card itself (its ECASD), on a channel of its own.
    ///
    /// # Errors
    /// When the card has no EID or gives one that is not valid.
    pub fn eid(&mut self) -> Result<DeviceId, CardError> {
        let channel = open_channel(self.transport.as_mut())?;
        let eid = read_eid(self.transport.as_mut(), channel);
        close_channel(self.transport.as_mut(), channel)?;
        eid
    }

    /// Everything that the card lists.
    ///
    /// # Errors
    /// [`CardError::Malformed`] when the list cannot be read or does not end.
    pub fn objects(&mut self) -> Result<Vec<ObjectAttributes>, CardError> {
        let mut objects = Vec::new();
        for page in 0..PAGES_MAX {
            let next = u8::from(page > 0);
            let (data, status) =
                self.send("GET DATA", instruction::GET_DATA, [1, next], &[], Some(256))?;
            objects.extend(ObjectAttributes::parse_list(&data, OBJECTS_MAX)?);
            if status != StatusWord::MORE_DATA {
                return Ok(objects);
            }
        }
        Err(malformed("GET DATA", "the object list does not end"))
    }

    /// Makes a new key pair in the container of this private key, which replaces the old one.
    ///
    /// # Errors
    /// [`CardError::Refused`] when the container does not allow it.
    pub fn generate_key_pair(&mut self, key: &ObjectReference) -> Result<PublicKey, CardError> {
        let name = "GENERATE KEY PAIR";
        let data = reference(key, [tag::PRIVATE_KEY_ID, tag::PRIVATE_KEY_LABEL])?;
        let (answer, _) = self.send(name, instruction::GENERATE_KEY_PAIR, [0, 0], &data, None)?;
        public_key_in(name, &answer)
    }

    /// Reads a public key.
    ///
    /// # Errors
    /// [`CardError::Refused`] when there is none.
    pub fn public_key(&mut self, key: &ObjectReference) -> Result<PublicKey, CardError> {
        let name = "READ PUBLIC KEY";
        let data = reference(key, [tag::PUBLIC_KEY_ID, tag::PUBLIC_KEY_LABEL])?;
        let (answer, _) = self.send(name, instruction::READ_PUBLIC_KEY, [0, 0], &data, None)?;
        public_key_in(name, &answer)
    }

    /// Signs the SHA-256 of `message` with a private key on the card.
    ///
    /// # Errors
    /// As [`IotSafe::sign_digest`].
    pub fn sign(
        &mut self,
        key: &ObjectReference,
        message: &[u8],
    ) -> Result<EcdsaSignature, CardError> {
        let digest = digest(&SHA256, message);
        let digest = digest.as_ref().try_into().expect("SHA-256 makes 32 octets");
        self.sign_digest(key, digest)
    }

    /// Signs a SHA-256 digest with a private key on the card ("pad and sign", the one mode that
    /// every known card has). A session that an earlier signature left open is closed first.
    ///
    /// # Errors
    /// [`CardError::Refused`] when the key is not there or must not sign.
    pub fn sign_digest(
        &mut self,
        key: &ObjectReference,
        digest: &[u8; 32],
    ) -> Result<EcdsaSignature, CardError> {
        let name = "COMPUTE SIGNATURE";
        let init = instruction::COMPUTE_SIGNATURE_INIT;
        match self.send(name, init, [1, SESSION], &[], None) {
            Ok(_) | Err(CardError::Refused { .. }) => {} // refused: there was none
            Err(error) => return Err(error),
        }
        let mut data = reference(key, [tag::PRIVATE_KEY_ID, tag::PRIVATE_KEY_LABEL])?;
        tlv::append(&mut data, tag::SIGNATURE_MODE, &[3]);
        tlv::append(&mut data, tag::HASH, &[0, 1]);
        tlv::append(&mut data, tag::SIGNATURE_ALGORITHM, &[4]);
        self.send(name, init, [0, SESSION], &data, None)?;
        let mut data = Vec::new();
        tlv::append(&mut data, tag::DIGEST, digest);
        let update = instruction::COMPUTE_SIGNATURE_UPDATE;
        let (answer, _) = self.send(name, update, [0x80, SESSION], &data, None)?;
        EcdsaSignature::from_tlv(&answer)
            .ok_or(malformed(name, "it is no signature in a known form"))
    }

    /// Random octets from the card: 1 to 127 of them, since a card was seen to answer zeros to
    /// more.
    ///
    /// # Errors
    /// [`CardError::Malformed`] when the card gives another number.
    pub fn random(&mut self, octets: u8) -> Result<Vec<u8>, CardError> {
        let name = "GET RANDOM";
        let wanted = octets.clamp(1, 127);
        let expected = Some(u16::from(wanted));
        let (answer, _) = self.send(name, instruction::GET_RANDOM, [0, 0], &[], expected)?;
        if answer.len() == usize::from(wanted) {
            Ok(answer)
        } else {
            Err(malformed(name, "it has another length than asked for"))
        }
    }

    /// Reads a file that holds a DER object (a certificate) or a JSON object, to its end; cards pad
    /// files, so the content itself says where that is. At most 2,048 octets.
    ///
    /// # Errors
    /// [`CardError::Malformed`] when the content is neither or is cut off.
    pub fn read_file(&mut self, file: &ObjectReference) -> Result<Vec<u8>, CardError> {
        let name = "READ FILE";
        let data = reference(file, [tag::FILE_ID, tag::FILE_LABEL])?;
        let mut content = Vec::new();
        while content.len() < FILE_CAPACITY_OCTETS {
            let [high, low] = (content.len() as u16).to_be_bytes();
            let (chunk, _) =
                self.send(name, instruction::READ_FILE, [high, low], &data, Some(255))?;
            if chunk.is_empty() {
                break;
            }
            content.extend_from_slice(&chunk);
            if let Some(end) = content_octets(&content) {
                content.truncate(end);
                return Ok(content);
            }
        }
        Err(malformed(name, "it is no whole DER or JSON object"))
    }

    /// Writes a file through the issuer's door (STORE DATA without a secure channel): all of it or
    /// nothing. No content empties the file.
    ///
    /// # Errors
    /// [`CardError::Refused`] when the door is closed, the file is not there or has no room.
    pub fn write_file(&mut self, file: &ObjectReference, content: &[u8]) -> Result<(), CardError> {
        let mut install = vec![0, 0, self.aid.as_octets().len() as u8];
        install.extend_from_slice(self.aid.as_octets());
        install.extend_from_slice(&[0, 0, 0]);
        self.send_proprietary("INSTALL", instruction::INSTALL, [0x20, 0], &install)?;
        let selection = reference(file, [tag::FILE_ID, tag::FILE_LABEL])?;
        let mut block = Vec::new();
        tlv::append(&mut block, tag::SELECT_FILE, &selection);
        let chunks = content.chunks(STORED_OCTETS);
        let last = u8::try_from(chunks.len())
            .map_err(|_| malformed("STORE DATA", "the content is too long"))?;
        self.store_block(0, last, &block)?;
        for (number, chunk) in (1..=last).zip(chunks) {
            block.clear();
            tlv::append(&mut block, tag::UPDATE_FILE, chunk);
            self.store_block(number, last, &block)?;
        }
        Ok(())
    }

    fn store_block(&mut self, number: u8, last: u8, block: &[u8]) -> Result<(), CardError> {
        let p1 = if number == last { 0x80 } else { 0x00 };
        self.send_proprietary("STORE DATA", instruction::STORE_DATA, [p1, number], block)
    }

    /// Sends a command in the interindustry class, which every card takes.
    fn send(
        &mut self,
        name: &'static str,
        instruction: u8,
        [p1, p2]: [u8; 2],
        data: &[u8],
        expected_octets: Option<u16>,
    ) -> Result<(Vec<u8>, StatusWord), CardError> {
        let command = Command {
            class: self.channel,
            instruction,
            p1,
            p2,
            data,
            expected_octets,
        };
        exchange(self.transport.as_mut(), name, &command)
    }

    /// Sends a command of GlobalPlatform.
    fn send_proprietary(
        &mut self,
        name: &'static str,
        instruction: u8,
        [p1, p2]: [u8; 2],
        data: &[u8],
    ) -> Result<(), CardError> {
        let command = Command {
            class: 0x80 | self.channel,
            instruction,
            p1,
            p2,
            data,
            expected_octets: None,
        };
        exchange(self.transport.as_mut(), name, &command).map(|_| ())
    }
}

impl Drop for IotSafe {
    fn drop(&mut self) {
        if self.open {
            let _ = close_channel(self.transport.as_mut(), self.channel);
        }
    }
}

impl std::fmt::Debug for IotSafe {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("IotSafe")
            .field("aid", &self.aid)
            .field("channel", &self.channel)
            .finish_non_exhaustive()
    }
}

/// Selects the ECASD on `channel` and reads the EID.
fn read_eid(transport: &mut dyn CardTransport, channel: u8) -> Result<DeviceId, CardError> {
    let name = "GET DATA (EID)";
    select(transport, channel, &ECASD_AID)?;
    let command = Command {
        class: 0x80 | channel,
        instruction: instruction::GET_DATA_ECASD,
        p1: 0,
        p2: tag::EID,
        data: &[],
        expected_octets: Some(256),
    };
    let (answer, _) = exchange(transport, name, &command)?;
    let digits: String = match Tlv::take(&answer) {
        Ok((object, [])) if object.tag == tag::EID => object
            .value
            .iter()
            .map(|octet| format!("{octet:02x}"))
            .collect(),
        _ => return Err(malformed(name, "it is no EID")),
    };
    DeviceId::parse(&digits).map_err(|_| malformed(name, "it is no valid EID"))
}

/// The data object that names an object.
fn reference(
    object: &ObjectReference,
    [id_tag, label_tag]: [u8; 2],
) -> Result<Vec<u8>, CommandError> {
    let (tag, name) = match object {
        ObjectReference::Id(id) => (id_tag, id.as_slice()),
        ObjectReference::Label(label) => (label_tag, label.as_bytes()),
    };
    if name.len() > NAME_OCTETS_MAX {
        return Err(CommandError::Length);
    }
    let mut data = Vec::new();
    tlv::append(&mut data, tag, name);
    Ok(data)
}

/// The public key in an answer that may hold ids too.
fn public_key_in(command: &'static str, answer: &[u8]) -> Result<PublicKey, CardError> {
    Tlv::read_all(answer)
        .ok()
        .and_then(|objects| {
            let data = objects
                .iter()
                .find(|object| object.tag == tag::PUBLIC_KEY_DATA)?;
            PublicKey::from_tlv_value(data.value).ok()
        })
        .ok_or(malformed(command, "it holds no public key of P-256"))
}
