//! What an answer costs when its page is not in memory: a server that was just started, after a start of
//! the machine or beside much else, without reading the zone ahead.

use std::fs::File;

use anyhow::ensure;

use crate::comparison::in_words;
use crate::figure::Figure;
use crate::kernel::drop_from_cache;
use crate::ours::{copy_ours, serve_copy};
use crate::peers::Scratch;
use crate::population::Population;
use crate::processes::Conversation;
use crate::queries::Asked;
use crate::rounds;
use crate::udp::series;

const NAME: &str = "cold";
/// The zone in a directory.
const ZONE_FILE: &str = "blocks";

/// Asks a server over UDP for devices whose pages were dropped before it started, once: after that they
/// are in memory.
pub(crate) fn present(
    population: Population,
    scratch: &Scratch,
    client: &mut Conversation,
    secs: f64,
) -> anyhow::Result<Figure> {
    let directory = copy_ours(NAME, population, scratch, None)?;
    drop_from_cache(&File::open(directory.join(ZONE_FILE))?)?;
    let ours = serve_copy(NAME, population, scratch)?;
    let process = &ours.conversation.process;
    let before = process.disk_octets_read();
    let asked = series(NAME, process, ours.ports, 0, Asked::Present, secs);
    let measured = rounds::once(client, &asked)?;
    let read = (process.disk_octets_read() - before) as f64;
    ensure!(read > 0.0, "nothing was read from the disk: is it one?");
    drop(ours);
    std::fs::remove_dir_all(directory)?;
    let answers = measured.answers_per_sec * secs;
    let said = format!(
        "{}, {:.0} octets read an answer, p50 {:.0} us, p99 {:.0} us",
        in_words(population.devices),
        read / answers,
        measured.p50_us,
        measured.p99_us
    );
    Ok(Figure::new(
        "udp_present_cpu_us_10m_cold",
        measured.cpu_us,
        "us",
        said,
    ))
}
