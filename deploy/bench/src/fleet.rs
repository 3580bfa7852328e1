//! Words of the command line by which a topic tells the processes that it starts which fleet there
//! is, and where its zone lies.

use std::path::{Path, PathBuf};

use clap::Args;
use iot_dns_zone::Profile;

use crate::population::{Ids, Population};

/// A fleet.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct FleetArguments {
    #[arg(long)]
    devices: u64,
    #[arg(long, value_enum, default_value = "random")]
    ids: Ids,
}

impl FleetArguments {
    pub(crate) fn of(population: Population) -> Self {
        let Population { ids, devices } = population;
        Self { devices, ids }
    }

    pub(crate) fn population(self) -> Population {
        let Self { devices, ids } = self;
        Population { ids, devices }
    }

    /// As they are given to a process.
    pub(crate) fn words(self) -> [String; 2] {
        [
            format!("--devices={}", self.devices),
            format!("--ids={}", self.ids.word()),
        ]
    }
}

/// The zone of a fleet.
#[derive(Args, Clone, Debug)]
pub(crate) struct ZoneArguments {
    /// Directory of the zone and its keys.
    #[arg(long)]
    pub(crate) directory: PathBuf,
    #[command(flatten)]
    pub(crate) fleet: FleetArguments,
    #[arg(long)]
    pub(crate) profile: Profile,
}

impl ZoneArguments {
    pub(crate) fn of(directory: &Path, population: Population, profile: Profile) -> Self {
        Self {
            directory: directory.to_owned(),
            fleet: FleetArguments::of(population),
            profile,
        }
    }

    /// As they are given to a process.
    pub(crate) fn words(&self) -> Vec<String> {
        let mut words = vec![
            format!("--directory={}", self.directory.display()),
            format!("--profile={}", self.profile),
        ];
        words.extend(self.fleet.words());
        words
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Process {
        #[command(flatten)]
        zone: ZoneArguments,
    }

    #[test]
    fn a_process_reads_the_words_that_it_is_given() {
        for (ids, profile) in [
            (Ids::Random, Profile::Fleet),
            (Ids::Clustered, Profile::Standard),
        ] {
            let population = Population { ids, devices: 7 };
            let given = ZoneArguments::of(Path::new("/zone"), population, profile);
            let words = [vec!["process".to_owned()], given.words()].concat();
            let read = Process::try_parse_from(words).unwrap().zone;
            assert_eq!(read.words(), given.words());
            assert_eq!(read.profile, profile);
            assert_eq!(read.directory, Path::new("/zone"));
            let fleet = read.fleet.population();
            assert_eq!((fleet.ids, fleet.devices), (ids, 7));
        }
    }
}
