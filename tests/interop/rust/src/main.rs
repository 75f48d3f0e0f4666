//! The published SlateDB crate as a judge.
//!
//! Reads one JSON request a line on stdin and answers each with one JSON line on
//! stdout, in order: `{"ok": …}`, or `{"error": {"kind", "reason", "message"}}`.
//! Requests and operations are described in `../judge.ts`, which also speaks to
//! the twin of this program over the npm binding. The merge operator is
//! concatenation unless a request says otherwise, the transformer adds one to
//! every byte.
mod admin;
mod background;
mod components;
mod request;
mod session;

use serde_json::{json, Value};
use std::io::{BufRead, Write};

#[tokio::main]
async fn main() {
    let mut session = session::Session::default();
    println!("{}", json!({ "ok": "ready" }));
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        let answer = match serde_json::from_str::<Value>(&line) {
            Err(error) => json!({ "error": { "kind": "judge", "message": error.to_string() } }),
            Ok(request) => match session.answer(&request).await {
                Ok(value) => json!({ "ok": value }),
                Err(failure) => json!({ "error": failure.to_json() }),
            },
        };
        let mut out = std::io::stdout().lock();
        if writeln!(out, "{answer}")
            .and_then(|()| out.flush())
            .is_err()
        {
            break;
        }
    }
    // A lost parent must not look like a clean close: nothing is flushed here.
    std::process::exit(0);
}
