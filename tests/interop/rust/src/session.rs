//! One judge's databases: at most one open writer, and readers as they are asked for.
use crate::request::{
    batch_of, block_size, bytes_of, filter_policies, merge_options, nonsense, overlay, put_options,
    settings, text_of, to_hex, write_options, Concat, Failure, FixedPrefix, PlusOne,
};
use serde_json::{json, Value};
use slatedb::admin::Admin;
use slatedb::config::{
    CheckpointOptions, CheckpointScope, FlushOptions, FlushType, GarbageCollectorOptions,
};
use slatedb::object_store::local::LocalFileSystem;
use slatedb::{Db, DbIterator, DbReader, DbReaderMode, KeyValue};
use std::sync::Arc;
use std::time::Duration;

/// The state between two requests.
#[derive(Default)]
pub struct Session {
    writer: Option<Db>,
}

impl Session {
    pub async fn answer(&mut self, request: &Value) -> Result<Value, Failure> {
        match text_of(request, "do")? {
            "open" => self.open(request).await,
            "apply" => self.apply(request).await,
            "rows" => {
                let db = self.writer()?;
                let rows = drain(scan_writer(db, request).await?).await?;
                check_gets(&rows, |key| db.get(key)).await?;
                Ok(rows_json(&rows))
            }
            "get" => Ok(json!(self
                .writer()?
                .get(bytes_of(request, "k")?)
                .await?
                .map(|value| to_hex(&value)))),
            "close" => {
                let db = self
                    .writer
                    .take()
                    .ok_or_else(|| nonsense("no writer is open"))?;
                db.close().await?;
                Ok(Value::Null)
            }
            "read" => read(request).await,
            "gc" => collect(request).await,
            "manifest" => manifest(request).await,
            // No close, no flush: the process simply ends.
            "die" => std::process::exit(0),
            other => Err(nonsense(format!("unknown request {other}"))),
        }
    }

    fn writer(&self) -> Result<&Db, Failure> {
        self.writer
            .as_ref()
            .ok_or_else(|| nonsense("no writer is open"))
    }

    async fn open(&mut self, request: &Value) -> Result<Value, Failure> {
        let mut builder = Db::builder(
            text_of(request, "path")?.to_string(),
            directory(request, "store")?,
        )
        .with_settings(settings(request)?)
        .with_merge_operator(Arc::new(Concat));
        if !request["walStore"].is_null() {
            builder = builder.with_wal_object_store(directory(request, "walStore")?);
        }
        if let Some(size) = block_size(request)? {
            builder = builder.with_sst_block_size(size);
        }
        if let Some(bytes) = request["segment"].as_u64() {
            builder = builder.with_segment_extractor(FixedPrefix::new(bytes as usize));
        }
        if let Some(policies) = filter_policies(request)? {
            builder = builder.with_filter_policies(policies);
        }
        if request["transform"] == true {
            builder = builder.with_block_transformer(Arc::new(PlusOne));
        }
        self.writer = Some(builder.build().await?);
        Ok(Value::Null)
    }

    /// Applies operations in order, and answers the sequence number of each write.
    async fn apply(&self, request: &Value) -> Result<Value, Failure> {
        let db = self.writer()?;
        let mut seqs = Vec::new();
        for op in request["ops"]
            .as_array()
            .ok_or_else(|| nonsense("no `ops`"))?
        {
            seqs.push(apply_one(db, op).await?);
        }
        Ok(json!(seqs))
    }
}

async fn apply_one(db: &Db, op: &Value) -> Result<Option<u64>, Failure> {
    let (key, value, options) = (bytes_of(op, "k")?, bytes_of(op, "v")?, write_options(op));
    let handle = match text_of(op, "op")? {
        "put" => {
            db.put_with_options(key, value, &put_options(op), &options)
                .await?
        }
        "delete" => db.delete_with_options(key, &options).await?,
        "merge" => {
            db.merge_with_options(key, value, &merge_options(op), &options)
                .await?
        }
        "batch" => db.write_with_options(batch_of(op)?, &options).await?,
        "flush_wal" => return flush(db, FlushType::Wal).await,
        "flush_mem" => return flush(db, FlushType::MemTable).await,
        "sleep" => {
            tokio::time::sleep(Duration::from_millis(op["ms"].as_u64().unwrap_or(0))).await;
            return Ok(None);
        }
        "checkpoint" => {
            let options = CheckpointOptions {
                lifetime: op["lifetime_s"].as_u64().map(Duration::from_secs),
                name: op["name"].as_str().map(String::from),
                source: None,
            };
            db.create_checkpoint(CheckpointScope::All, &options).await?;
            return Ok(None);
        }
        other => return Err(nonsense(format!("unknown operation {other}"))),
    };
    Ok(Some(handle.seqnum()))
}

async fn flush(db: &Db, flush_type: FlushType) -> Result<Option<u64>, Failure> {
    db.flush_with_options(FlushOptions { flush_type }).await?;
    Ok(None)
}

async fn scan_writer(db: &Db, request: &Value) -> Result<DbIterator, Failure> {
    if request["prefix"].is_null() {
        return Ok(db.scan(..).await?);
    }
    Ok(db.scan_prefix(bytes_of(request, "prefix")?, ..).await?)
}

/// Opens a reader that writes nothing, and answers every row it sees.
async fn read(request: &Value) -> Result<Value, Failure> {
    let mut builder = DbReader::builder(
        text_of(request, "path")?.to_string(),
        directory(request, "store")?,
    )
    .with_reader_mode(DbReaderMode::FollowLatest)
    .with_merge_operator(Arc::new(Concat));
    if !request["walStore"].is_null() {
        builder = builder.with_wal_object_store(directory(request, "walStore")?);
    }
    if let Some(bytes) = request["segment"].as_u64() {
        builder = builder.with_segment_extractor(FixedPrefix::new(bytes as usize));
    }
    if let Some(policies) = filter_policies(request)? {
        builder = builder.with_filter_policies(policies);
    }
    if request["transform"] == true {
        builder = builder.with_block_transformer(Arc::new(PlusOne));
    }
    let reader = builder.build().await?;
    let rows = drain(reader.scan(..).await?).await?;
    check_gets(&rows, |key| reader.get(key)).await?;
    reader.close().await?;
    Ok(rows_json(&rows))
}

async fn collect(request: &Value) -> Result<Value, Failure> {
    let mut options = serde_json::to_value(GarbageCollectorOptions::default()).map_err(nonsense)?;
    overlay(&mut options, &request["options"]);
    let options = serde_json::from_value(options).map_err(nonsense)?;
    let admin = Admin::builder(
        text_of(request, "path")?.to_string(),
        directory(request, "store")?,
    )
    .build();
    admin.run_gc_once(options).await.map_err(nonsense)?;
    Ok(Value::Null)
}

async fn manifest(request: &Value) -> Result<Value, Failure> {
    let admin = Admin::builder(
        text_of(request, "path")?.to_string(),
        directory(request, "store")?,
    )
    .build();
    let manifest = admin.read_manifest(None).await.map_err(nonsense)?;
    serde_json::to_value(manifest).map_err(nonsense)
}

fn directory(request: &Value, name: &str) -> Result<Arc<LocalFileSystem>, Failure> {
    let path = text_of(request, name)?;
    std::fs::create_dir_all(path).map_err(nonsense)?;
    Ok(Arc::new(
        LocalFileSystem::new_with_prefix(path).map_err(nonsense)?,
    ))
}

async fn drain(mut rows: DbIterator) -> Result<Vec<KeyValue>, Failure> {
    let mut all = Vec::new();
    while let Some(row) = rows.next().await? {
        all.push(row);
    }
    Ok(all)
}

/// A scan finds rows that a wrong filter or index hides from `get`.
async fn check_gets<'a, Get, Answer>(rows: &'a [KeyValue], get: Get) -> Result<(), Failure>
where
    Get: Fn(&'a [u8]) -> Answer,
    Answer: std::future::Future<Output = Result<Option<bytes::Bytes>, slatedb::Error>>,
{
    for row in rows {
        if get(&row.key).await?.as_ref() != Some(&row.value) {
            return Err(nonsense(format!(
                "get differs from scan at {}",
                to_hex(&row.key)
            )));
        }
    }
    Ok(())
}

fn rows_json(rows: &[KeyValue]) -> Value {
    rows.iter()
        .map(|row| {
            json!({
                "k": to_hex(&row.key),
                "v": to_hex(&row.value),
                "seq": row.seq,
                "create_ts": row.create_ts,
                "expire_ts": row.expire_ts,
            })
        })
        .collect()
}
