//! The file itself: made for its owner alone, and refused if others can read it.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind as Io;
use std::path::{Path, PathBuf};

use crate::{Error, ErrorKind, Result};

/// Makes the file if there is none, checks its mode and those of the files beside it, and answers its full path.
pub(super) fn prepare(path: &Path) -> Result<PathBuf> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => {}
        Err(e) if e.kind() == Io::AlreadyExists => {}
        Err(e) => {
            return Err(invalid(path, "cannot be made").because(e).advise("make its directory, writable for you"));
        }
    }
    // SQLite gives special meaning to some relative names, and the process may change its directory.
    let path = fs::canonicalize(path).map_err(|e| invalid(path, "cannot be found").because(e))?;
    if !path.is_file() {
        return Err(invalid(&path, "is not a file").advise("give the path of a file, or of none yet"));
    }
    // SQLite gives files that it makes the mode of the database; those that are there already may have another.
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut name = path.clone().into_os_string();
        name.push(suffix);
        check_mode(Path::new(&name))?;
    }
    Ok(path)
}

#[cfg(unix)]
fn check_mode(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = match fs::metadata(path) {
        Ok(metadata) => metadata.permissions().mode() & 0o777,
        Err(e) if e.kind() == Io::NotFound => return Ok(()),
        Err(e) => return Err(invalid(path, "cannot be looked at").because(e)),
    };
    // Neither the group's bits nor the others'.
    if mode.trailing_zeros() >= 6 {
        return Ok(());
    }
    Err(invalid(path, &format!("can be used by others than its owner: its mode is {mode:04o}"))
        .advise(format!("chmod 600 '{}', and change the passwords in it if others have read it", path.display())))
}

#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps, reason = "the same signature everywhere")]
fn check_mode(_: &Path) -> Result<()> {
    Ok(())
}

fn invalid(path: &Path, what: &str) -> Error {
    Error::new(ErrorKind::InvalidConfig, format!("the store {} {what}", path.display()))
}
