//! A folder of one's own, in which the real binary runs.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::cell::RefCell;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The lines that every error has.
pub(crate) const FORM: [&str; 4] = ["step     ", "cause    ", "retry    ", "changed  "];

/// Where commands run, and all that they have printed.
pub(crate) struct Bench {
    folder: TempDir,
    variables: Vec<(String, String)>,
    printed: RefCell<String>,
}

/// What a run printed, and how it ended.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Standard output as one JSON document.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.stdout, self.stderr))
    }

    /// That it ended so.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n{}\n{}", self.stdout, self.stderr);
        self
    }
}

impl Default for Bench {
    fn default() -> Self {
        Self::new()
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("dzconn-cli-").tempdir().unwrap();
        Self { folder, variables: Vec::new(), printed: RefCell::default() }
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the directory file.
    pub(crate) fn directory(&self, text: &str) -> PathBuf {
        self.file("dzconn.toml", text)
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o644);
        options.open(&path).unwrap().write_all(text.as_bytes()).unwrap();
        path
    }

    /// A file that nobody else can read.
    pub(crate) fn private(&self, name: &str, text: &str) {
        let path = self.file(name, text);
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dzconn"));
        for name in ["RUST_LOG", "NO_COLOR", "DZCONN_DIRECTORY", "DZCONN_STORE_KEY", "DZCONN_CONFIG"] {
            command.env_remove(name);
        }
        command
            .args(args)
            .current_dir(self.folder.path())
            .env("DZCONN_STORE", "store.sqlite")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Run {
        self.ended(self.command(args).output().unwrap())
    }

    /// With this on standard input.
    pub(crate) fn run_with(&self, args: &[&str], input: &str) -> Run {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        self.ended(child.wait_with_output().unwrap())
    }

    pub(crate) fn ended(&self, output: Output) -> Run {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        assert!(!stderr.contains("panicked"), "{stderr}");
        self.printed.borrow_mut().push_str(&format!("{stdout}{stderr}"));
        Run { code: output.status.code().unwrap_or(-1), stdout, stderr }
    }

    /// That nothing of this was ever printed.
    #[track_caller]
    pub(crate) fn no_secret(&self, secrets: &[&str]) {
        for secret in secrets {
            assert!(secret.len() > 5, "too short to look for");
            assert!(!self.printed.borrow().contains(secret), "a secret was printed:\n{}", self.printed.borrow());
        }
    }

    /// Forgets one showing of a secret that was asked for.
    pub(crate) fn forget_one(&self, secret: &str) {
        let once = self.printed.borrow().replacen(secret, "", 1);
        *self.printed.borrow_mut() = once;
    }

    /// An event for project `risk` and listing `lst-offices`; `more` is put into its data.
    pub(crate) fn event(&self, name: &str, kind: &str, more: &str) -> String {
        self.event_for(name, kind, more, "risk", "lst-offices")
    }

    pub(crate) fn event_for(&self, name: &str, kind: &str, more: &str, project: &str, listing: &str) -> String {
        self.file(name, &event(name, kind, more, project, listing));
        name.to_owned()
    }
}

/// An event as `EventBridge` delivers it.
pub(crate) fn event(id: &str, kind: &str, more: &str, project: &str, listing: &str) -> String {
    format!(
        r#"{{"version": "0", "id": "{id}", "detail-type": "{kind}", "source": "aws.datazone",
            "detail": {{"version": "1",
                "metadata": {{"id": "sub-1", "domain": "dzd-1", "typeName": "SubscriptionEntityType"}},
                "data": {{"status": "APPROVED", {more}
                    "subscribedListing": {{"id": "{listing}", "version": "1", "ownerProjectId": "producer"}},
                    "subscribedPrincipal": {{"id": "{project}", "type": "PROJECT"}}}}}}}}"#
    )
}
