//! `iot-registry audit verify|export`

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use clap::Subcommand;
use serde::Serialize;

use super::output;
use crate::cli::output::print_line;
use crate::description::calendar;
use crate::directory::Directory;
use crate::store::{AuditReader, AuditRow, Chain};

/// Rows read at once.
const PAGE_ROWS: u32 = 10_000;

#[derive(Subcommand)]
pub(super) enum AuditCommand {
    /// Follow the chain of hashes from the first row to the last.
    Verify {
        /// Hash of a row that was noted down earlier, 64 hexadecimal digits: it has to be in the chain.
        #[arg(long, value_parser = hash)]
        wanted: Option<[u8; 32]>,
    },
    /// Write the log as one JSON object a line, after following the chain to there.
    Export {
        /// Begin behind this row.
        #[arg(long, default_value_t = 0)]
        after: u64,
        /// Write to this file instead of showing it.
        #[arg(long)]
        out: Option<PathBuf>,
    },
}

fn hash(text: &str) -> Result<[u8; 32], String> {
    let fingerprint: iot_identity::Fingerprint = text
        .parse()
        .map_err(|_| "a hash has 64 hexadecimal digits".to_owned())?;
    Ok(*fingerprint.as_octets())
}

pub(super) async fn run(directory: &Directory, command: &AuditCommand) -> anyhow::Result<()> {
    ensure!(
        directory.is_initialised(),
        "there is no registry here: {} is missing",
        directory.database().display()
    );
    let mut reader = AuditReader::open(&directory.database()).await?;
    match command {
        AuditCommand::Verify { wanted } => {
            let chain = follow(&mut reader, wanted.as_ref(), |_| Ok(())).await?;
            print_line!("{} rows, head {}", chain.rows, hexadecimal(&chain.head));
            ensure!(
                chain.waiting == 0,
                "{} rows behind them are not in the chain yet; a registry that was brought up to date chains the rows of the version before while it serves: verify again then",
                chain.waiting
            );
            ensure!(
                wanted.is_none() || chain.met_wanted,
                "the wanted hash is not in the chain: the log was cut off or written anew"
            );
            Ok(())
        }
        AuditCommand::Export { after, out } => {
            let mut output: Box<dyn Write> = match out {
                Some(path) => Box::new(std::io::BufWriter::new(
                    std::fs::File::create_new(path).with_context(|| path.display().to_string())?,
                )),
                None => Box::new(std::io::stdout().lock()),
            };
            let followed = follow(&mut reader, None, |row| match row.id > *after {
                true => write_row(&mut output, row),
                false => Ok(()),
            });
            match followed.await {
                Ok(_) => Ok(output.flush()?),
                // Whoever reads has seen enough.
                Err(error) if is_broken_pipe(&error) => Ok(()),
                Err(error) => Err(error),
            }
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let of_json = error.downcast_ref::<serde_json::Error>();
    let kind = of_json.and_then(serde_json::Error::io_error_kind);
    let of_writing = error.downcast_ref::<std::io::Error>();
    kind == Some(std::io::ErrorKind::BrokenPipe) || of_writing.is_some_and(output::is_of_no_reader)
}

/// Follows the chain to its end; each row is told once it is known to be in it, or to wait for that.
async fn follow(
    reader: &mut AuditReader,
    wanted: Option<&[u8; 32]>,
    mut tell: impl FnMut(&AuditRow) -> anyhow::Result<()>,
) -> anyhow::Result<Chain> {
    let mut chain = Chain::default();
    loop {
        let rows = reader.after(chain.seen(), PAGE_ROWS).await?;
        if rows.is_empty() {
            return Ok(chain);
        }
        for row in &rows {
            chain.follow(row, wanted);
            if let Some(number) = chain.broken_at {
                bail!(
                    "the chain breaks at row {number}: it is missing, was changed, or follows another one"
                );
            }
            tell(row)?;
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    id: u64,
    at: String,
    account: &'a str,
    door: &'a str,
    verb: &'a str,
    object: &'a str,
    client_transaction_id: Option<&'a str>,
    server_transaction_id: &'a str,
    before: Option<&'a str>,
    after: Option<&'a str>,
    hash: String,
}

fn write_row(output: &mut dyn Write, row: &AuditRow) -> anyhow::Result<()> {
    let format = &time::format_description::well_known::Rfc3339;
    let line = Line {
        id: row.id,
        at: calendar(row.at).format(format)?,
        account: &row.account,
        door: &row.door,
        verb: &row.verb,
        object: &row.object,
        client_transaction_id: row.client_transaction_id.as_deref(),
        server_transaction_id: &row.server_transaction_id,
        before: row.before.as_deref(),
        after: row.after.as_deref(),
        hash: row.hash.as_ref().map(hexadecimal).unwrap_or_default(),
    };
    serde_json::to_writer(&mut *output, &line)?;
    writeln!(output)?;
    Ok(())
}

fn hexadecimal(octets: &[u8; 32]) -> String {
    iot_identity::Fingerprint::from_octets(*octets).to_string()
}
