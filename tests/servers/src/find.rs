//! Where the servers' programs are.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{self, Path, PathBuf};
use std::process::Command;

use crate::Error;

/// Folders of server programs that a normal user does not have in `PATH`.
const SBIN: [&str; 3] = ["/usr/sbin", "/usr/local/sbin", "/sbin"];

/// `PATH`, and where Debian keeps server programs.
pub(crate) fn path() -> OsString {
    let own = env::var_os("PATH").unwrap_or_default();
    let all = env::split_paths(&own).chain(SBIN.iter().map(PathBuf::from)).filter(|dir| dir.is_absolute());
    env::join_paths(all).unwrap_or(own)
}

/// A Python, by its absolute path. A link is not followed: an environment is known by it.
pub(crate) fn python(given: &Path) -> Result<PathBuf, Error> {
    let program = path::absolute(given).map_err(Error::io(format!("look at {}", given.display())))?;
    if program.is_file() { Ok(program) } else { Err(Error::NoPython { program }) }
}

/// The folder that holds `initdb` and `postgres`: the given one, else the newest that is installed.
pub(crate) fn postgres(given: Option<&Path>) -> Result<PathBuf, Error> {
    let complete = |dir: &PathBuf| dir.join("initdb").is_file() && dir.join("postgres").is_file();
    let candidates = match given {
        Some(dir) => vec![dir.to_path_buf()],
        None => installed_postgres(),
    };
    let looked = |dirs: &[PathBuf]| dirs.iter().map(|d| d.display().to_string()).collect::<Vec<_>>().join(", ");
    candidates.iter().find(|dir| complete(dir)).cloned().ok_or_else(|| Error::NotInstalled {
        server: "PostgreSQL",
        program: "initdb and postgres",
        looked: looked(&candidates),
        packages: "postgresql",
    })
}

fn installed_postgres() -> Vec<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    let mut dirs: Vec<PathBuf> = versions.into_iter().map(|(_, dir)| dir).collect();
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output() {
        dirs.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    dirs.extend(env::split_paths(&path()));
    dirs
}

/// The full path of `mariadbd`; `mariadb-install-db` must be there too.
pub(crate) fn mariadbd() -> Result<PathBuf, Error> {
    let missing = |program| Error::NotInstalled {
        server: "MariaDB",
        program,
        looked: path().to_string_lossy().into_owned(),
        packages: "mariadb-server-core mariadb-client-core",
    };
    program("mariadb-install-db").ok_or_else(|| missing("mariadb-install-db"))?;
    program("mariadbd").ok_or_else(|| missing("mariadbd"))
}

fn program(name: &str) -> Option<PathBuf> {
    env::split_paths(&path()).map(|dir| dir.join(name)).find(|file| file.is_file())
}

/// The first thing that looks like a version in what `program --version` prints.
pub(crate) fn version(program: &Path) -> Result<String, Error> {
    let output = Command::new(program)
        .arg("--version")
        .output()
        .map_err(Error::io(format!("run {} --version", program.display())))?;
    Ok(version_in(&String::from_utf8_lossy(&output.stdout)))
}

fn version_in(text: &str) -> String {
    let number = text.split([' ', '-', '\n']).find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    number.unwrap_or("of unknown version").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_version_in_what_servers_print() {
        assert_eq!(version_in("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), "15.18");
        assert_eq!(version_in("postgres (PostgreSQL) 18.0\n"), "18.0");
        assert_eq!(version_in("mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu\n"), "10.11.19");
        assert_eq!(version_in(""), "of unknown version");
    }

    #[test]
    fn says_what_to_install() {
        let error = postgres(Some(Path::new("/nowhere"))).unwrap_err().to_string();
        assert!(error.contains("/nowhere") && error.contains("apt-get install postgresql"), "{error}");
    }

    #[test]
    fn looks_in_sbin_too() {
        assert!(env::split_paths(&path()).any(|dir| dir == Path::new("/usr/sbin")));
    }
}
