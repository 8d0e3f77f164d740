//! How a story is told: a line for each step, with what was found.

use std::time::Duration;

use serde_json::{Value, json};

use super::client::{Refusal, Seen};
use crate::exit::Exit;
use crate::output::{Output, print, print_error, took};

/// Something that was looked at, and whether it is as it must be.
#[derive(Debug)]
pub(super) struct Finding {
    text: String,
    ok: bool,
}

impl Finding {
    pub(super) fn new(ok: bool, text: impl Into<String>) -> Self {
        Self { text: text.into(), ok }
    }

    /// One or the other.
    pub(super) fn either(ok: bool, good: impl Into<String>, bad: impl Into<String>) -> Self {
        Self { text: if ok { good.into() } else { bad.into() }, ok }
    }

    pub(super) fn rows(table: &str, wanted: i64, seen: &Seen<i64>) -> Self {
        match seen {
            Ok(rows) => Self::new(*rows == wanted, format!("{table} {rows} rows")),
            Err(refusal) => Self::new(false, format!("{table}: {refusal}")),
        }
    }

    pub(super) fn refused<T>(what: &str, wanted: &Refusal, seen: &Seen<T>) -> Self {
        match seen {
            Ok(_) => Self::new(false, format!("{what}: not refused")),
            Err(refusal) => Self::new(refusal == wanted, format!("{what}: {refusal}")),
        }
    }
}

/// Prints steps as they come, or one document at the end.
pub(super) struct Teller {
    output: Output,
    ok: bool,
    engines: Vec<Value>,
    steps: Vec<Value>,
    heading: Value,
}

impl Teller {
    pub(super) fn new(output: Output) -> Self {
        Self { output, ok: true, engines: Vec::new(), steps: Vec::new(), heading: Value::Null }
    }

    pub(super) fn begin(&mut self, product: &str, version: &str, endpoint: &str, tls: bool) {
        self.finish_engine();
        self.heading = json!({"product": product, "version": version, "endpoint": endpoint, "tls": tls});
        if !self.output.json {
            let paint = self.output.paint;
            let gap = if self.engines.is_empty() { "" } else { "\n" };
            let tls = if tls { "TLS, certificate checked" } else { "plain text on loopback" };
            let heading = paint.strong(&format!("{product} {version}"));
            print(&format!("{gap}{heading}  {endpoint}  {}\n", paint.dim(tls)));
        }
    }

    pub(super) fn step(&mut self, step: &str, what: &str, findings: &[Finding], time: Option<Duration>) {
        let ok = findings.iter().all(|finding| finding.ok);
        self.ok &= ok;
        self.steps.push(json!({
            "step": step,
            "what": what,
            "findings": findings.iter().map(|f| json!({"text": f.text, "ok": f.ok})).collect::<Vec<_>>(),
            "milliseconds": time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
            "ok": ok,
        }));
        if self.output.json {
            return;
        }
        let paint = self.output.paint;
        let mut parts: Vec<_> = findings
            .iter()
            .map(|finding| {
                if finding.ok {
                    finding.text.clone()
                } else {
                    paint.bad(&format!("NOT AS IT MUST BE: {}", finding.text))
                }
            })
            .collect();
        parts.extend(time.map(|time| paint.dim(&took(time))));
        let step = format!("{step:<8}");
        let step = if ok { paint.good(&step) } else { paint.bad(&step) };
        print(&format!("  {step} {what:<34} {}\n", parts.join(" · ")));
    }

    fn finish_engine(&mut self) {
        let steps = std::mem::take(&mut self.steps);
        if let Value::Object(mut engine) = std::mem::take(&mut self.heading) {
            engine.insert("steps".to_owned(), steps.into());
            self.engines.push(engine.into());
        }
    }

    pub(super) fn end(&mut self) -> Exit {
        self.finish_engine();
        if self.output.json {
            print(&format!("{:#}\n", json!({"engines": self.engines, "ok": self.ok})));
        } else if !self.ok {
            print_error("the demo failed: something is not as it must be\n");
        }
        if self.ok { Exit::Done } else { Exit::Failed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{ColorChoice, Global};

    fn teller() -> Teller {
        Teller::new(Output::new(&Global { json: true, color: ColorChoice::Never, timeout: 60, ..Global::default() }))
    }

    #[test]
    fn one_proof_that_fails_fails_the_demo() {
        let denied: Seen<i64> = Err(Refusal::PermissionDenied);
        for (finding, exit) in [
            (Finding::rows("t", 100, &Ok(100)), Exit::Done),
            (Finding::rows("t", 100, &Ok(99)), Exit::Failed),
            (Finding::rows("t", 100, &denied), Exit::Failed),
            (Finding::refused("t", &Refusal::PermissionDenied, &denied), Exit::Done),
            (Finding::refused("t", &Refusal::Ended, &denied), Exit::Failed),
            (Finding::refused("t", &Refusal::PermissionDenied, &Ok(1)), Exit::Failed),
        ] {
            let mut teller = teller();
            let text = finding.text.clone();
            teller.step("proof", "", &[Finding::new(true, "fine"), finding], None);
            teller.step("left", "", &[Finding::new(true, "fine")], None);
            assert_eq!(teller.end(), exit, "{text}");
        }
    }
}
