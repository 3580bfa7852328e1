//! `iot-registry zone load`

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::output::print_line;
use crate::directory::Directory;
use crate::load;
use crate::start;

/// Arguments of `zone load`.
#[derive(Args)]
pub(super) struct LoadArguments {
    /// The file: a line for each credential, '<device id> <slot> <SHA-256 of the certificate>
    /// <notAfter> [held]'; empty lines and those that begin with '#' are skipped.
    file: PathBuf,
    /// The account (an operator's) that will sponsor the devices.
    #[arg(long)]
    account: String,
}

pub(super) async fn run(directory: &Directory, arguments: &LoadArguments) -> anyhow::Result<()> {
    let checking = bar("checking", 0);
    let file = load::check(&arguments.file)?;
    checking.finish_and_clear();
    let loading = bar("loading", file.lines);
    let progress = |lines| loading.set_position(lines);
    start::load_file(directory, &arguments.account, &file, progress).await?;
    loading.finish_and_clear();
    let signing = bar("signing", file.credentials);
    let (serial, names) = start::build_now(directory, |names| signing.set_position(names)).await?;
    signing.finish_and_clear();
    print_line!(
        "{} credentials of {} are loaded; the zone has {names} names and serial {serial}",
        file.credentials,
        shown(&arguments.file)
    );
    Ok(())
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// A progress bar on a terminal; nothing elsewhere.
fn bar(what: &'static str, length: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
    let template = if length == 0 {
        "{msg} {spinner} {elapsed_precise}"
    } else {
        "{msg} {wide_bar} {human_pos}/{human_len} {per_sec} {eta_precise}"
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
