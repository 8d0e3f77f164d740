//! moto's supervision. The Python is a fake one that behaves as moto does while it starts: moto itself is not needed.

use std::fs::Permissions;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;

use dzconn_test_servers::{Error, Moto};

use crate::left::{assert_nothing_left, processes_with, wait_for};
use crate::library::executable;
use crate::with_servers::{output, send, text, with_servers};

/// Answers what `-p` names, having said so, half a second late.
const FAKE: &str = r#"#!/usr/bin/python3
import http.server, sys, time

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

port = int(sys.argv[sys.argv.index("-p") + 1])
time.sleep(0.5)
server = http.server.HTTPServer((sys.argv[sys.argv.index("-H") + 1], port), Answer)
print(f" * Running on http://127.0.0.1:{port}", flush=True)
server.serve_forever()
"#;

fn fake() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let program = executable(dir.path(), "python", FAKE);
    (dir, program)
}

#[test]
fn it_answers_once_it_is_started_and_goes() {
    let (_dir, program) = fake();
    let moto = Moto::start(&program).unwrap();
    let (port, folder) = (moto.port(), moto.folder().to_path_buf());
    assert_eq!(moto.url(), format!("http://127.0.0.1:{port}"));
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    assert_ne!(processes_with(program.to_str().unwrap()), [""; 0], "no process found: the search is broken");
    drop(moto);
    assert_nothing_left(&folder);
    assert_eq!(processes_with(program.to_str().unwrap()), [""; 0]);
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let error = Moto::start(Path::new("/nowhere/python")).unwrap_err();
    assert!(matches!(error, Error::NoPython { .. }));
    let output = output(&["--moto", "/nowhere/python"], "echo ran");
    assert_eq!(output.status.code(), Some(125));
    assert!(text(&output.stderr).contains("/nowhere/python"));
    assert_eq!(text(&output.stdout), "");
}

#[test]
fn a_moto_that_fails_shows_its_log() {
    let dir = tempfile::tempdir().unwrap();
    let program = executable(dir.path(), "python", "#!/bin/sh\necho no module named flask; exit 1\n");
    let error = Moto::start(&program).unwrap_err();
    assert!(matches!(error, Error::Ended { .. }), "{error}");
    assert!(error.to_string().contains("no module named flask"), "{error}");
}

#[test]
fn the_command_gets_the_url_and_nothing_of_the_others() {
    let (_dir, program) = fake();
    let output = output(&["--moto", program.to_str().unwrap()], "env | grep ^DZCONN_TEST_");
    let stdout = text(&output.stdout);
    assert!(stdout.starts_with("DZCONN_TEST_MOTO_URL=http://127.0.0.1:"), "{stdout}");
    assert_eq!(stdout.lines().count(), 1, "{stdout}");
    assert_eq!(processes_with(program.to_str().unwrap()), [""; 0]);
}

#[test]
fn it_does_not_outlive_a_parent_that_is_killed() {
    let (_dir, program) = fake();
    let name = program.to_str().unwrap();
    let mut child = with_servers(&["--moto", name], "echo $$; exec sleep 60").spawn().unwrap();
    let mut script = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut script).unwrap();
    send("KILL", child.id());
    child.wait().unwrap();
    send("KILL", script.trim().parse().unwrap());
    wait_for("moto goes", || processes_with(name).is_empty());
}

/// As `moto.server` is: threads, and nothing that keeps one request from being answered while another is. Its answer says
/// how many it was answering.
const PACKAGE: &str = r#"
import http.server, sys, time

class DomainDispatcherApplication:
    inside = 0

    def __call__(self, environ, start_response):
        type(self).inside += 1
        time.sleep(0.1)
        yield str(self.inside).encode()
        type(self).inside -= 1

def main():
    application = DomainDispatcherApplication()

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.writelines(application({}, None))

    host, port = (sys.argv[sys.argv.index(option) + 1] for option in ("-H", "-p"))
    server = http.server.ThreadingHTTPServer((host, int(port)), Answer)
    print(f" * Running on http://127.0.0.1:{port}", flush=True)
    server.serve_forever()
"#;

#[test]
fn one_request_is_answered_after_another() {
    let dir = tempfile::tempdir().unwrap();
    // Where this runs as root, the server runs as nobody.
    std::fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    let package = dir.path().join("moto");
    std::fs::create_dir(&package).unwrap();
    std::fs::write(package.join("__init__.py"), "").unwrap();
    std::fs::write(package.join("server.py"), PACKAGE).unwrap();
    let script = format!("#!/bin/sh\nPYTHONPATH='{}' exec /usr/bin/python3 -B \"$@\"\n", dir.path().display());
    let moto = Moto::start(&executable(dir.path(), "python", &script)).unwrap();
    let ask = || {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, moto.port())).unwrap();
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.lines().last().unwrap().to_owned()
    };
    let answers: Vec<String> = thread::scope(|scope| {
        let asked: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        asked.into_iter().map(|answer| answer.join().unwrap()).collect()
    });
    assert_eq!(answers, ["1"; 4]);
}
