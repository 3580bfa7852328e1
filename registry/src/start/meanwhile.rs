//! While a zone is built, its last version is answered, so that no device goes dark for the minutes that
//! signing millions of names takes. Nothing of it is signed again: what expires meanwhile is refused.

use iot_dns_zone::net::Server;
use iot_dns_zone::{PublicKeys, ZoneReader, ZoneWriter};

use super::published::last_version;
use super::{StartError, doors};
use crate::ca::TrustRoots;
use crate::config::Config;
use crate::directory::Directory;

/// The last version of the zone, behind open DNS doors.
pub(super) struct Meanwhile {
    reader: ZoneReader,
    dns: Server,
}

impl Meanwhile {
    /// Opens the doors; none where there is no version that could be answered.
    ///
    /// # Errors
    /// The doors cannot be opened, as they could not be afterwards.
    pub(super) async fn open(
        directory: &Directory,
        config: &Config,
        trust: &TrustRoots,
        keys: PublicKeys,
    ) -> Result<Option<Self>, StartError> {
        let reader = match last_version(&directory.zone(), &config.zone, &keys) {
            Ok(Some(reader)) => reader,
            Ok(None) => return Ok(None),
            Err(error) => {
                tracing::info!(%error, "nothing is answered until the zone is built");
                return Ok(None);
            }
        };
        let dns = doors::open_dns(reader.clone(), &trust.service, config, &config.listen).await?;
        tracing::info!("the last version of the zone is answered while the new one is built");
        Ok(Some(Self { reader, dns }))
    }

    /// From now on the doors answer what this writer publishes.
    pub(super) fn hand_over_to(self, writer: &mut ZoneWriter) -> Server {
        writer.answer_through(&self.reader);
        self.dns
    }

    /// Closes the doors; returns when their addresses are free, for whoever answers next.
    pub(super) async fn close(self) {
        if let Err(error) = self.dns.shutdown().await {
            tracing::warn!(%error, "a DNS listener had ended before");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, UdpSocket};
    use std::sync::Mutex;
    use std::time::Duration;

    use iot_dns_zone::Profile;
    use iot_identity::ZoneName;
    use tempfile::TempDir;

    use super::super::{Core, Opening, Running};
    use super::*;
    use crate::config::{InitialConfig, Listen};
    use crate::init::init;
    use crate::store::{RecordLoss, Store};

    /// A registry whose zone was built, with its DNS at a known port.
    struct Place {
        _scratch: TempDir,
        directory: Directory,
        dns: SocketAddr,
        serial: u32,
    }

    impl Place {
        async fn new() -> Self {
            let scratch = tempfile::tempdir().unwrap();
            let directory = Directory::new(scratch.path().join("data"));
            let dns = UdpSocket::bind("127.0.0.1:0").unwrap();
            let dns = dns.local_addr().unwrap();
            let initial = InitialConfig {
                zone: ZoneName::parse("iotregistry.example").unwrap(),
                profile: Profile::Standard,
                name_servers: Vec::new(),
                contact: None,
                listen: Listen {
                    dns: vec![dns],
                    ..Listen::any_port()
                },
            };
            init(&directory, &initial).unwrap();
            let core = Core::open(&directory).await.unwrap();
            let serial = core.serial();
            core.close().await;
            Self {
                _scratch: scratch,
                directory,
                dns,
                serial,
            }
        }

        /// Starts the registry; also the serial that was answered when the build began.
        async fn start(&self) -> (Running, Option<u32>) {
            let answered = Mutex::new(None);
            let opening = Opening {
                answers_meanwhile: true,
                progress: &|_| *answered.lock().unwrap() = Some(serial_at(self.dns)),
                ..Opening::default()
            };
            let core = Core::open_with(&self.directory, opening).await.unwrap();
            let listen = core.config.listen.clone();
            let running = Running::open_doors(core, listen).await.unwrap();
            let answered = answered.lock().unwrap().take();
            (running, answered.flatten())
        }
    }

    /// The serial of the SOA that is answered here, if one is.
    fn serial_at(server: SocketAddr) -> Option<u32> {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        let question = b"\x0biotregistry\x07example\0\0\x06\0\x01";
        let query = [&[0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0], &question[..]].concat();
        socket.send_to(&query, server).ok()?;
        let mut answer = [0; 512];
        let octets = socket.recv(&mut answer).ok()?;
        // Serial, refresh, retry, expire and minimum end the record, and there is no other.
        let serial = answer[..octets].last_chunk::<20>()?.first_chunk()?;
        (answer[3] & 0xf == 0 && answer[7] == 1).then(|| u32::from_be_bytes(*serial))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_stale_zone_is_answered_until_the_new_one_is_built() {
        let place = Place::new().await;
        let store = Store::open(&place.directory.database()).await.unwrap();
        store.commit(RecordLoss { lost_until: 0 }).await.unwrap();
        store.close().await;
        let (running, answered) = place.start().await;
        assert_eq!(answered, Some(place.serial));
        let serial = running.core.serial();
        assert!(serial > place.serial);
        assert_eq!(serial_at(place.dns), Some(serial), "by the same doors");
        running.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_doors_are_closed_when_the_build_fails() {
        let place = Place::new().await;
        let store = Store::open(&place.directory.database()).await.unwrap();
        store.commit(RecordLoss { lost_until: 0 }).await.unwrap();
        store.close().await;
        std::fs::create_dir_all(place.directory.zone().join("blocks.new/planted")).unwrap();
        // Doors that nobody closes end by themselves a little later, often too soon to be noticed.
        for attempt in 0..40 {
            let opening = Opening {
                answers_meanwhile: true,
                ..Opening::default()
            };
            assert!(Core::open_with(&place.directory, opening).await.is_err());
            let udp = UdpSocket::bind(place.dns);
            let tcp = std::net::TcpListener::bind(place.dns);
            assert!(udp.is_ok() && tcp.is_ok(), "{attempt}: {udp:?}, {tcp:?}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_zone_of_another_profile_is_answered_until_the_new_one_is_built() {
        let place = Place::new().await;
        let path = place.directory.config();
        let text = std::fs::read_to_string(&path).unwrap();
        let changed = text.replace("\"standard\"", "\"strict\"");
        assert_ne!(text, changed);
        std::fs::write(&path, changed).unwrap();
        let (running, answered) = place.start().await;
        assert_eq!(answered, Some(place.serial));
        assert_eq!(serial_at(place.dns), Some(running.core.serial()));
        running.stop().await;
    }
}
