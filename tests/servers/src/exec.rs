//! Runs the command, passing signals on to it.

use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use tokio::process::Command;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::say;

/// The signals that ask a process to end.
pub(crate) struct Signals {
    hangup: Signal,
    interrupt: Signal,
    quit: Signal,
    terminate: Signal,
}

impl Signals {
    /// From now on these signals do not end this process any more.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    pub(crate) async fn next(&mut self) -> SignalKind {
        tokio::select! {
            _ = self.hangup.recv() => SignalKind::hangup(),
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.quit.recv() => SignalKind::quit(),
            _ = self.terminate.recv() => SignalKind::terminate(),
        }
    }
}

/// Runs the command to its end and returns its status as a shell would.
pub(crate) async fn run(
    program: &OsStr,
    args: &[OsString],
    environment: &[(String, String)],
    signals: &mut Signals,
) -> io::Result<u8> {
    let mut command = Command::new(program);
    command.args(args).envs(environment.iter().map(|(name, value)| (name, value)));
    // At a terminal the command shares our process group, to which Ctrl-C goes anyway, and may read the keyboard.
    // Elsewhere it gets a group of its own, so that a signal that is passed on reaches the command's children too.
    let own_group = !io::stdin().is_terminal();
    if own_group {
        command.process_group(0);
    }
    let mut child = command.spawn()?;
    let id = child.id().unwrap_or_default();
    let target = if own_group { format!("-{id}") } else { id.to_string() };
    loop {
        tokio::select! {
            status = child.wait() => return status.map(shell_status),
            signal = signals.next() => send(signal, &target).await,
        }
    }
}

async fn send(signal: SignalKind, target: &str) {
    let number = signal.as_raw_value().to_string();
    let sent =
        Command::new("sh").args(["-c", r#"kill -s "$1" -- "$2""#, "with-servers", &number, target]).status().await;
    if let Err(error) = sent {
        say(format_args!("cannot pass signal {number} on: {error}"));
    }
}

/// What a shell returns for a command that a signal ended.
pub(crate) fn signal_status(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(1)
}

fn shell_status(status: ExitStatus) -> u8 {
    match (status.code(), status.signal()) {
        (Some(code), _) => u8::try_from(code).unwrap_or(1),
        (None, signal) => signal_status(signal.unwrap_or_default()),
    }
}
