//! `iot-registry init`

use std::net::IpAddr;

use clap::Args;
use iot_dns_zone::{Profile, ZoneKeys};
use iot_identity::ZoneName;

use crate::cli::output::print_line;
use crate::config::{InitialConfig, Listen};
use crate::directory::Directory;
use crate::init::init;

/// Default zone of `init`, `serve` and `demo`: a name that exists nowhere (RFC 2606).
pub(super) const ZONE_DEFAULT: &str = "iotregistry.example";

#[derive(Args)]
pub(super) struct InitArguments {
    /// Zone in which the devices are published; at most 26 characters.
    #[arg(long, default_value = ZONE_DEFAULT)]
    zone: ZoneName,
    /// How long answers can be believed: strict, standard, fleet or archive.
    #[arg(long, default_value = "standard")]
    profile: Profile,
    /// Host name of a name server, the primary first; ns1.<zone> when none is given.
    #[arg(long = "name-server")]
    name_servers: Vec<String>,
    /// Address of all listeners; the ports are those of development and stand in registry.toml.
    #[arg(long, default_value = "127.0.0.1")]
    listen: IpAddr,
    /// Mailbox of the people responsible; hostmaster@<zone> when not given.
    #[arg(long)]
    contact: Option<String>,
}

pub(super) fn run(directory: &Directory, arguments: &InitArguments) -> anyhow::Result<()> {
    let initial = InitialConfig {
        zone: arguments.zone.clone(),
        profile: arguments.profile,
        name_servers: arguments.name_servers.clone(),
        contact: arguments.contact.clone(),
        listen: Listen::development(arguments.listen),
    };
    init(directory, &initial)?;
    let keys = ZoneKeys::load(&directory.zone())?;
    print_line!(
        "made a registry for the zone {} in {}",
        initial.zone,
        directory.root().display()
    );
    print_line!(
        "note: the NSEC chain of this zone publishes the list of devices (denial mode: chain)"
    );
    print_line!("DS record for the parent zone, and trust anchor for verifiers:");
    print_line!("{}", keys.ds_presentation(&initial.zone));
    Ok(())
}

/// A registry with the defaults, for `serve` on an empty directory.
pub(super) fn run_with_defaults(directory: &Directory) -> anyhow::Result<()> {
    let arguments = InitArguments {
        zone: ZoneName::parse(ZONE_DEFAULT)?,
        profile: Profile::Standard,
        name_servers: Vec::new(),
        listen: IpAddr::from([127, 0, 0, 1]),
        contact: None,
    };
    run(directory, &arguments)
}
