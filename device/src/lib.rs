//! The device side of the registry.
//!
//! A virtual IoT SAFE card that keeps the device's private key, and the middleware through which a
//! device uses such a card: certificate request, payload, mutual TLS. Nothing here reads a clock;
//! apart from the system's random source only [`card`] does I/O, and it blocks.
//!
//! Not here yet: key agreement and derivation on the card, a secure channel for writing files,
//! other ways to a card than this process and TCP, state that outlives the process.
//!
//! In reading order:
//!
//! 1. [`apdu`]: commands, status words and data objects, shared by both sides.
//! 2. [`applet`]: the virtual card. Octets in, octets out.
//! 3. [`public_key`] and [`signature`]: the two values that leave a card.
//! 4. [`card`]: ways to reach a card (in this process, over TCP), and [`card::IotSafe`], which
//!    speaks to it.
//! 5. [`csr`]: a certificate request signed on the card, and [`pem`] for people.
//! 6. [`payload`]: certificates and endpoint in CIRA's container layout, written and checked.
//! 7. [`tls`]: a rustls client that authenticates with the key on the card.
//!
//! ```
//! use iot_device::applet::{Aid, CardOptions, SystemRandom};
//! use iot_device::payload::layout;
//! use iot_device::{Applet, IotSafe, VirtualCard};
//!
//! let device_id = "89049032123451234512345678901235".parse()?;
//! let personalisation = layout::personalisation(device_id, CardOptions::default());
//! let applet = Applet::personalise(personalisation, Box::new(SystemRandom::new()))?;
//!
//! let mut card = IotSafe::open(VirtualCard::new(applet), &Aid::known())?;
//! let key = layout::client_key();
//! let public_key = card.generate_key_pair(&key.private)?;
//! let digest = [7; 32];
//! let signature = card.sign_digest(&key.private, &digest)?;
//! assert!(public_key.verifies(&digest, &signature));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod apdu;
pub mod applet;
pub mod card;
pub mod csr;
mod der;
pub mod payload;
pub mod pem;
pub mod public_key;
pub mod signature;
pub mod tls;

pub use applet::{Applet, Personalisation};
pub use card::{CardError, CardTransport, IotSafe, KeyPairReference, ObjectReference, VirtualCard};
pub use payload::{DevicePayload, Endpoint};
pub use public_key::PublicKey;
pub use signature::EcdsaSignature;
pub use tls::AppletSigningKey;
