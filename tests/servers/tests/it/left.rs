//! What is left on the machine.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(15);

/// The command lines of all processes that contain a text.
pub(crate) fn processes_with(text: &str) -> Vec<String> {
    let command_line = |dir: fs::DirEntry| fs::read(dir.path().join("cmdline")).ok();
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(command_line)
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(text))
        .collect()
}

pub(crate) fn assert_nothing_left(folder: &Path) {
    assert_eq!(processes_with(folder.to_str().unwrap()), [""; 0]);
    assert!(!folder.exists(), "{} is still there", folder.display());
}

/// Waits until a condition holds; fails when it takes too long.
pub(crate) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(50));
    }
}
