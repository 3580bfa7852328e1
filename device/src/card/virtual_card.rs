//! A virtual card in this process.

use std::sync::{Arc, Mutex};

use super::{CardError, CardTransport};
use crate::applet::Applet;

/// A handle to a virtual card; its clones reach the same card.
///
/// Commands of several handles are answered one after the other. Each user opens a logical channel
/// of its own, of which a card has three.
#[derive(Clone, Debug)]
pub struct VirtualCard(Arc<Mutex<Applet>>);

impl VirtualCard {
    /// Puts the card into its reader.
    pub fn new(applet: Applet) -> Self {
        Self(Arc::new(Mutex::new(applet)))
    }

    /// Power off and on: ends all channels and sessions.
    ///
    /// # Errors
    /// [`CardError::OutOfOrder`].
    pub fn reset(&self) -> Result<(), CardError> {
        self.0
            .lock()
            .map_err(|_| CardError::OutOfOrder)
            .map(|mut applet| applet.reset())
    }
}

impl CardTransport for VirtualCard {
    fn transmit(&mut self, apdu: &[u8]) -> Result<Vec<u8>, CardError> {
        self.0
            .lock()
            .map_err(|_| CardError::OutOfOrder)
            .map(|mut applet| applet.handle_apdu(apdu))
    }
}
