//! A card to be poked at, and octets written as hexadecimal text.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)] // each test file uses a part of it

pub mod authority;

use iot_device::applet::{
    Applet, CardOptions, IssuerDoor, Personalisation, RandomError, RandomSource, SystemRandom,
};
use iot_device::payload::layout;
use iot_identity::DeviceId;

/// A valid EID.
pub const EID: &str = "89049032123451234512345678901235";

/// Octets from hexadecimal text; blanks are for people.
pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|character| !character.is_whitespace())
        .map(|character| character.to_digit(16).unwrap() as u8)
        .collect();
    assert_eq!(digits.len() % 2, 0, "{text}");
    digits
        .chunks_exact(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

/// Hexadecimal text, upper case, without blanks.
pub fn to_hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02X}")).collect()
}

pub fn device_id() -> DeviceId {
    DeviceId::parse(EID).unwrap()
}

/// Options with the issuer's door open.
pub fn open_door() -> CardOptions {
    CardOptions {
        issuer_door: IssuerDoor::OpenWithoutSecureChannel,
        ..CardOptions::default()
    }
}

pub fn personalisation(options: CardOptions) -> Personalisation {
    layout::personalisation(device_id(), options)
}

pub fn applet(options: CardOptions) -> Applet {
    Applet::personalise(personalisation(options), Box::new(SystemRandom::new())).unwrap()
}

/// Random octets that are known: 32 of one value, then 32 of the next, and so on.
pub struct Known(pub u8);

impl RandomSource for Known {
    fn fill(&mut self, octets: &mut [u8]) -> Result<(), RandomError> {
        octets.fill(self.0);
        self.0 += 1;
        Ok(())
    }
}

/// A source that has nothing.
pub struct Failing;

impl RandomSource for Failing {
    fn fill(&mut self, _: &mut [u8]) -> Result<(), RandomError> {
        Err(RandomError)
    }
}

/// A card that speaks hexadecimal and keeps all it ever said.
pub struct Card {
    pub applet: Applet,
    pub said: Vec<Vec<u8>>,
}

impl Card {
    pub fn new(applet: Applet) -> Self {
        Self {
            applet,
            said: Vec::new(),
        }
    }

    /// A card with the applet selected on channel 0 and the issuer's door open.
    pub fn selected() -> Self {
        let mut card = Self::new(applet(open_door()));
        card.expect("00A4040007A0000005590010", "9000");
        card
    }

    /// Sends a command; the response as hexadecimal text, status word last.
    pub fn send(&mut self, apdu: &str) -> String {
        let response = self.applet.handle_apdu(&hex(apdu));
        self.said.push(response.clone());
        to_hex(&response)
    }

    /// Sends a command and fetches what waits; data and final status word.
    pub fn fetch(&mut self, apdu: &str) -> String {
        let class = &apdu.trim()[..2];
        let mut data = String::new();
        let mut response = self.send(apdu);
        loop {
            let (head, status) = response.split_at(response.len() - 4);
            data.push_str(head);
            match status.strip_prefix("61") {
                Some(waiting) => response = self.send(&format!("{class}C00000{waiting}")),
                None => return data + status,
            }
        }
    }

    /// Sends a command whose whole response is known.
    #[track_caller]
    pub fn expect(&mut self, apdu: &str, response: &str) {
        let response: String = response.chars().filter(|c| !c.is_whitespace()).collect();
        assert_eq!(self.send(apdu), response, "{apdu}");
    }

    /// Sends a command of which only the status word is known.
    #[track_caller]
    pub fn expect_status(&mut self, apdu: &str, status: &str) {
        let response = self.send(apdu);
        assert_eq!(&response[response.len() - 4..], status, "{apdu}");
    }

    /// Makes the device's key pair and returns its point, 04 ‖ X ‖ Y.
    pub fn generate(&mut self) -> Vec<u8> {
        let answer = hex(&self.fetch("00B90000 03 840101"));
        assert_eq!(answer.len(), 0x4D + 2);
        answer[12..77].to_vec()
    }

    /// Writes a file through STORE DATA.
    pub fn write(&mut self, file: u8, content: &[u8]) {
        self.expect_status("80E62000 0D 0000 07A0000005590010 000000", "6101");
        let last = content.chunks(200).count();
        let p1 = |number: usize| if number == last { "80" } else { "00" };
        self.expect(&format!("80E2{}00 05 75038301{file:02X}", p1(0)), "9000");
        for (number, chunk) in (1..).zip(content.chunks(200)) {
            let tlv = format!("7781{:02X}{}", chunk.len(), to_hex(chunk));
            let lc = tlv.len() / 2;
            let p1 = p1(number);
            self.expect(&format!("80E2{p1}{number:02X} {lc:02X} {tlv}"), "9000");
        }
    }
}
