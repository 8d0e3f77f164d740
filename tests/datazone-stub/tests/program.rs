//! The stub as a program.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on has failed")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// Ends the program with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _ended = self.0.wait();
    }
}

fn command(state: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dzconn-datazone-stub"));
    command.args(["--state", state]).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn start() -> (Running, String) {
    let mut child = command(concat!(env!("CARGO_MANIFEST_DIR"), "/example.json")).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (Running(child), line.trim().strip_prefix("http://").unwrap().to_owned())
}

fn call(address: &str, method: &str, path: &str, body: &str) -> (String, Value) {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    let head =
        format!("{method} {path} HTTP/1.1\r\nhost: stub\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), serde_json::from_str(body).unwrap())
}

#[test]
fn the_example_is_served() {
    let (_running, address) = start();
    let (head, listing) = call(&address, "GET", "/v2/domains/dzd_example/listings/lst-employees", "");
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert_eq!(listing["item"]["assetListing"]["assetId"], "ast-employees");
    let forms: Value = serde_json::from_str(listing["item"]["assetListing"]["forms"].as_str().unwrap()).unwrap();
    assert_eq!(forms["GlueTableForm"]["tableName"], "employees");

    let (head, error) = call(&address, "GET", "/v2/domains/dzd_example/listings/other", "");
    assert!(head.starts_with("http/1.1 404") && head.contains("x-amzn-errortype: resourcenotfoundexception"), "{head}");
    assert!(error["message"].as_str().unwrap().contains("other"));

    let grant = r#"{"environmentIdentifier":"env-finance","subscriptionTargetIdentifier":"tgt-dzconn",
        "grantedEntity":{"listing":{"identifier":"lst-employees","revision":"1"}},"clientToken":"t"}"#;
    let (_, grant) = call(&address, "POST", "/v2/domains/dzd_example/subscription-grants", grant);
    let id = grant["id"].as_str().unwrap();
    let path = format!("/v2/domains/dzd_example/subscription-grants/{id}/status/ast-employees");
    let (head, grant) = call(&address, "PATCH", &path, r#"{"status":"GRANTED"}"#);
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert_eq!((&grant["status"], &grant["assets"][0]["status"]), (&"COMPLETED".into(), &"GRANTED".into()));
}

#[test]
fn state_and_calls_are_there_by_hand() {
    let (_running, address) = start();
    call(&address, "GET", "/v2/domains/dzd_example/subscriptions?status=REVOKED", "");
    let (_, calls) = call(&address, "GET", "/_stub/calls", "");
    assert_eq!(
        (&calls[0]["operation"], &calls[0]["query"]["status"]),
        (&"ListSubscriptions".into(), &"REVOKED".into())
    );
    let (_, mut state) = call(&address, "GET", "/_stub/state", "");
    state["domains"][0]["subscriptions"][0]["status"] = "REVOKED".into();
    call(&address, "PUT", "/_stub/state", &state.to_string());
    let (_, revoked) = call(&address, "GET", "/v2/domains/dzd_example/subscriptions?status=REVOKED", "");
    assert_eq!(revoked["items"][0]["id"], "sub-1");
    let (head, _) = call(&address, "PUT", "/_stub/state", r#"{"domain": []}"#);
    assert!(head.starts_with("http/1.1 400"), "an unknown member is named, not ignored: {head}");
}

#[test]
fn a_state_that_cannot_be_read_is_named() {
    let Output { status, stderr, .. } = command("/nowhere.json").output().unwrap();
    assert!(!status.success() && String::from_utf8(stderr).unwrap().contains("/nowhere.json"));
}
