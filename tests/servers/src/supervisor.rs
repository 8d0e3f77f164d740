//! A server's folder, and the shell that ends the server when we end.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::{Error, find};

const SUPERVISE: &str = include_str!("sh/supervise.sh");
/// The supervisor kills what has not ended by itself after five seconds.
const STOP_LIMIT: Duration = Duration::from_secs(10);
const LOG_LINES: usize = 40;

/// A server under its supervisor. Dropping it stops the server and removes its folder.
#[derive(Debug)]
pub(crate) struct Supervised {
    child: Child,
    folder: PathBuf,
}

impl Supervised {
    /// Starts the supervisor, which creates the folder: from then on, both go when we do. The server waits for
    /// [`Self::go`]; it is the script, with the arguments and the folder as its own.
    pub(crate) fn new(prefix: &str, script: &str, args: &[&str]) -> Result<Self, Error> {
        let mut command = Command::new("sh");
        command.args(["-c", SUPERVISE, "dzconn-test-servers"]).arg(env::temp_dir().join(prefix));
        command.args(["sh", "-ec", script, "dzconn-test-servers"]).args(args);
        // Nothing of our environment reaches the server: PGDATA and the like would change what it does.
        command.env_clear().env("PATH", find::path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        // Ctrl-C in a terminal is for us; the server ends after us, not beside us.
        command.process_group(0);
        let mut child = command.spawn().map_err(Error::io("start sh"))?;
        let mut line = Vec::new();
        if let Some(mut stdout) = child.stdout.take() {
            stdout.read_to_end(&mut line).map_err(Error::io("read the folder's name"))?;
        }
        if line.pop() != Some(b'\n') {
            let failed = io::Error::other("mktemp failed");
            return Err(Error::io(format!("create a folder in {}", env::temp_dir().display()))(failed));
        }
        Ok(Self { child, folder: OsString::from_vec(line).into() })
    }

    /// Writes a file that only the server's user may read.
    pub(crate) fn write(&self, name: &str, content: &str) -> Result<(), Error> {
        let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.folder.join(name));
        file.and_then(|mut file| file.write_all(content.as_bytes())).map_err(Error::io(format!("write {name}")))
    }

    /// Copies a folder's files, for the server's user to read.
    pub(crate) fn copy(&self, from: &Path) -> Result<(), Error> {
        let failed = || Error::io(format!("copy {}", from.display()));
        let to = self.folder.join(from.file_name().unwrap_or_default());
        fs::create_dir(&to).map_err(failed())?;
        for entry in fs::read_dir(from).map_err(failed())?.flatten() {
            if entry.path().is_file() {
                fs::copy(entry.path(), to.join(entry.file_name())).map_err(failed())?;
            }
        }
        Ok(())
    }

    /// Starts the server.
    pub(crate) fn go(&mut self) -> Result<(), Error> {
        let written = self.child.stdin.as_mut().map_or(Ok(()), |stdin| stdin.write_all(b"go\n"));
        written.map_err(Error::io("tell the supervisor to go on"))
    }

    /// Ends the server by a signal, and keeps the supervisor from taking that for the end.
    pub(crate) fn hold(&mut self, signal: &str) -> Result<(), Error> {
        self.mark("held")?;
        let pid = fs::read_to_string(self.folder.join("server")).map_err(Error::io("read the server's process id"))?;
        let pid = pid.trim();
        Command::new("kill").args(["-s", signal, "--", pid]).status().map_err(Error::io("run kill"))?;
        let started = Instant::now();
        while Path::new("/proc").join(pid).exists() {
            if started.elapsed() > STOP_LIMIT {
                return Err(Error::io("stop the server")(io::ErrorKind::TimedOut.into()));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Lets the supervisor start the server once more.
    pub(crate) fn again(&mut self) -> Result<(), Error> {
        self.mark("again")?;
        fs::remove_file(self.folder.join("held")).map_err(Error::io("let the server go on"))
    }

    fn mark(&self, name: &str) -> Result<(), Error> {
        fs::write(self.folder.join(name), "").map_err(Error::io(format!("write {name}")))
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.folder.join("ended").exists() || !matches!(self.child.try_wait(), Ok(None))
    }

    pub(crate) fn log_file(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// The end of the server's log.
    pub(crate) fn log(&self) -> String {
        let log = fs::read(self.log_file()).unwrap_or_default();
        let text = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(LOG_LINES);
        lines.get(from..).unwrap_or_default().join("\n")
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let started = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && started.elapsed() < STOP_LIMIT {
            thread::sleep(Duration::from_millis(10));
        }
        // Of use only if somebody killed the supervisor.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
