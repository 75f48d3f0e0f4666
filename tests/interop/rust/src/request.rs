//! What a request may say: operations, options, bytes in hex.
use serde::{de::DeserializeOwned, Serialize};
use serde_json::{json, Value};
use slatedb::config::{MergeOptions, PutOptions, Ttl, WriteOptions};
use slatedb::object_store::local::LocalFileSystem;
use slatedb::{CloseReason, ErrorKind, SstBlockSize, WriteBatch};
use std::sync::Arc;

/// Why a request failed: SlateDB's own error, or a request that makes no sense.
pub enum Failure {
    Engine(slatedb::Error),
    Judge(String),
}

impl Failure {
    pub fn to_json(&self) -> Value {
        match self {
            Failure::Judge(message) => json!({ "kind": "judge", "message": message }),
            Failure::Engine(error) => {
                let (kind, reason) = match error.kind() {
                    ErrorKind::Transaction => ("transaction", None),
                    ErrorKind::Closed(CloseReason::Clean) => ("closed", Some("clean")),
                    ErrorKind::Closed(CloseReason::Fenced) => ("closed", Some("fenced")),
                    ErrorKind::Closed(_) => ("closed", Some("failed")),
                    ErrorKind::Unavailable => ("unavailable", None),
                    ErrorKind::Invalid => ("invalid", None),
                    ErrorKind::Data => ("data", None),
                    _ => ("internal", None),
                };
                json!({ "kind": kind, "reason": reason, "message": error.to_string() })
            }
        }
    }
}

impl From<slatedb::Error> for Failure {
    fn from(error: slatedb::Error) -> Self {
        Failure::Engine(error)
    }
}

/// A request that makes no sense.
pub fn nonsense(message: impl std::fmt::Display) -> Failure {
    Failure::Judge(message.to_string())
}

pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of member `name`; none where it is absent.
pub fn bytes_of(request: &Value, name: &str) -> Result<Vec<u8>, Failure> {
    let text = request[name].as_str().unwrap_or_default();
    (0..text.len() / 2)
        .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16))
        .collect::<Result<_, _>>()
        .map_err(nonsense)
}

pub fn text_of<'a>(request: &'a Value, name: &str) -> Result<&'a str, Failure> {
    request[name]
        .as_str()
        .ok_or_else(|| nonsense(format!("no text `{name}` in {request}")))
}

pub fn block_size(request: &Value) -> Result<Option<SstBlockSize>, Failure> {
    Ok(Some(match request["blockKib"].as_u64() {
        None => return Ok(None),
        Some(1) => SstBlockSize::Block1Kib,
        Some(2) => SstBlockSize::Block2Kib,
        Some(4) => SstBlockSize::Block4Kib,
        Some(8) => SstBlockSize::Block8Kib,
        Some(16) => SstBlockSize::Block16Kib,
        Some(32) => SstBlockSize::Block32Kib,
        Some(64) => SstBlockSize::Block64Kib,
        Some(other) => return Err(nonsense(format!("no block of {other} KiB"))),
    }))
}

/// The defaults with member `name` of the request laid over them.
pub fn options<Options>(request: &Value, name: &str) -> Result<Options, Failure>
where
    Options: Default + Serialize + DeserializeOwned,
{
    let mut all = serde_json::to_value(Options::default()).map_err(nonsense)?;
    overlay(&mut all, &request[name]);
    serde_json::from_value(all).map_err(nonsense)
}

/// Member `name` as whatever it must be.
pub fn member<Member: DeserializeOwned>(request: &Value, name: &str) -> Result<Member, Failure> {
    serde_json::from_value(request[name].clone()).map_err(nonsense)
}

/// The object store in the directory that member `name` names.
pub fn directory(request: &Value, name: &str) -> Result<Arc<LocalFileSystem>, Failure> {
    let path = text_of(request, name)?;
    std::fs::create_dir_all(path).map_err(nonsense)?;
    Ok(Arc::new(
        LocalFileSystem::new_with_prefix(path).map_err(nonsense)?,
    ))
}

fn overlay(base: &mut Value, over: &Value) {
    match over {
        Value::Object(members) if base.is_object() => {
            for (name, value) in members {
                if value.is_null() {
                    base[name] = Value::Null;
                } else {
                    overlay(&mut base[name], value);
                }
            }
        }
        Value::Null => {}
        other => *base = other.clone(),
    }
}

fn ttl(op: &Value) -> Ttl {
    match (op["ttl"].as_u64(), op["expire_at"].as_i64()) {
        (Some(ms), _) => Ttl::ExpireAfter(ms),
        (None, Some(at)) => Ttl::ExpireAt(at),
        (None, None) => Ttl::Default,
    }
}

pub fn put_options(op: &Value) -> PutOptions {
    PutOptions { ttl: ttl(op) }
}

pub fn merge_options(op: &Value) -> MergeOptions {
    MergeOptions { ttl: ttl(op) }
}

pub fn write_options(op: &Value) -> WriteOptions {
    WriteOptions {
        await_durable: false,
        seqnum: op["seq"].as_u64().unwrap_or(0),
        ..WriteOptions::default()
    }
}

pub fn batch_of(op: &Value) -> Result<WriteBatch, Failure> {
    let mut batch = WriteBatch::new();
    for row in op["rows"]
        .as_array()
        .ok_or_else(|| nonsense("a batch needs rows"))?
    {
        let (key, value) = (bytes_of(row, "k")?, bytes_of(row, "v")?);
        match text_of(row, "op")? {
            "put" => batch.put_with_options(key, value, &put_options(row)),
            "merge" => batch.merge_with_options(key, value, &merge_options(row)),
            "delete" => batch.delete(key),
            other => return Err(nonsense(format!("unknown row {other}"))),
        }
    }
    Ok(batch)
}
