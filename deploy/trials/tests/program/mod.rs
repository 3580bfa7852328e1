//! The registry's program for tests that start it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// The registry's program beside ours, built from the present sources.
pub(crate) fn registry_program() -> PathBuf {
    if let Some(path) = std::env::var_os("IOT_REGISTRY_BIN") {
        return path.into();
    }
    let program = Path::new(env!("CARGO_BIN_EXE_iot-soak")).with_file_name("iot-registry");
    if !is_fresh(&program).unwrap_or(false) {
        // `cargo test -p iot-trials` alone does not build another package's program.
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        build.args(["build", "-p", "iot-registry", "--bin", "iot-registry"]);
        if program
            .parent()
            .is_some_and(|parent| parent.ends_with("release"))
        {
            build.arg("--release");
        }
        assert!(
            build.status().unwrap().success(),
            "iot-registry cannot be built"
        );
    }
    program
}

/// Whether no source that cargo noted for the program is younger than it.
fn is_fresh(program: &Path) -> std::io::Result<bool> {
    let modified = |path: &Path| std::fs::metadata(path)?.modified();
    let built: SystemTime = modified(program)?;
    let notes = std::fs::read_to_string(program.with_extension("d"))?;
    let sources = notes.split_once(": ").map_or("", |(_, sources)| sources);
    for source in sources.split_ascii_whitespace() {
        if modified(Path::new(source))? > built {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether `strace` is there; it may be missing where the outside judges may.
#[allow(dead_code)] // not every test of a program needs it
pub(crate) fn has_strace() -> bool {
    let strace = Command::new("strace").arg("--version").output();
    if strace.is_ok_and(|output| output.status.success()) {
        return true;
    }
    let skip = std::env::var("IOT_SKIP_INTEROP").is_ok_and(|value| value == "1");
    assert!(skip, "strace is needed; ./test installs it");
    false
}
