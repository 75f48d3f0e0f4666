//! One judge's databases: at most one open writer with a snapshot of it, one kept
//! reader, one compactor or worker of its own, and readers as they are asked for.
use crate::admin;
use crate::background::Background;
use crate::components::{filter_policies, merge_operator, FixedPrefix, PlusOne};
use crate::request::{
    batch_of, block_size, bytes_of, directory, member, merge_options, nonsense, options,
    put_options, text_of, to_hex, write_options, Failure,
};
use serde_json::{json, Value};
use slatedb::config::{CheckpointScope, FlushOptions, FlushType};
use slatedb::{
    Db, DbIterator, DbReadOps, DbReader, DbReaderMode, DbSnapshot, DbTransaction, IsolationLevel,
    KeyValue,
};
use std::sync::Arc;
use std::time::Duration;

/// The state between two requests.
#[derive(Default)]
pub struct Session {
    writer: Option<Db>,
    snapshot: Option<Arc<DbSnapshot>>,
    reader: Option<DbReader>,
    background: Option<Background>,
}

impl Session {
    pub async fn answer(&mut self, request: &Value) -> Result<Value, Failure> {
        if let Some(value) = admin::answer(request).await? {
            return Ok(value);
        }
        match text_of(request, "do")? {
            "open" => self.open(request).await?,
            "apply" => return self.apply(request).await,
            "transact" => return transact(self.writer()?, request).await,
            "rows" => return self.rows(request).await,
            "get" => {
                let value = self.writer()?.get(bytes_of(request, "k")?).await?;
                return Ok(json!(value.map(|value| to_hex(&value))));
            }
            "snapshot" => self.snapshot = Some(self.writer()?.snapshot().await?),
            "writerCheckpoint" => {
                let made = self
                    .writer()?
                    .create_checkpoint(CheckpointScope::All, &admin::checkpoint_options(request)?)
                    .await?;
                return Ok(json!({ "id": made.id.to_string(), "manifest_id": made.manifest_id }));
            }
            "close" => {
                self.snapshot = None;
                let db = self
                    .writer
                    .take()
                    .ok_or_else(|| nonsense("no writer is open"))?;
                db.close().await?;
            }
            "read" => {
                let reader = open_reader(request, DbReaderMode::FollowLatest).await?;
                let rows = checked_rows(&reader).await?;
                reader.close().await?;
                return Ok(rows_json(&rows));
            }
            // It keeps its files by checkpoints of its own.
            "openReader" => {
                let mode = DbReaderMode::ManagedCheckpoint;
                self.reader = Some(open_reader(request, mode).await?);
            }
            "compactor" => self.background = Some(Background::compactor(request)?),
            "worker" => self.background = Some(Background::worker(request).await?),
            "stop" => self.take_background()?.stop().await?,
            "end" => self.take_background()?.end().await?,
            // No close, no flush: the process simply ends.
            "die" => std::process::exit(0),
            other => return Err(nonsense(format!("unknown request {other}"))),
        }
        Ok(Value::Null)
    }

    fn writer(&self) -> Result<&Db, Failure> {
        self.writer
            .as_ref()
            .ok_or_else(|| nonsense("no writer is open"))
    }

    fn take_background(&mut self) -> Result<Background, Failure> {
        self.background
            .take()
            .ok_or_else(|| nonsense("nothing runs"))
    }

    async fn open(&mut self, request: &Value) -> Result<(), Failure> {
        let mut builder = Db::builder(
            text_of(request, "path")?.to_string(),
            directory(request, "store")?,
        )
        .with_settings(options(request, "settings")?)
        .with_merge_operator(merge_operator(request)?);
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
        Ok(())
    }

    /// Applies operations in order, and answers the sequence number of each write.
    async fn apply(&self, request: &Value) -> Result<Value, Failure> {
        let db = self.writer()?;
        let mut seqs = Vec::new();
        for op in ops_of(request)? {
            seqs.push(apply_one(db, op).await?);
        }
        Ok(json!(seqs))
    }

    /// Rows of the writer, of its snapshot, or of the kept reader.
    async fn rows(&self, request: &Value) -> Result<Value, Failure> {
        let rows = match request["of"].as_str().unwrap_or("writer") {
            "snapshot" => {
                let held = self.snapshot.as_ref();
                checked_rows(&**held.ok_or_else(|| nonsense("no snapshot is held"))?).await?
            }
            "reader" => {
                let held = self.reader.as_ref();
                checked_rows(held.ok_or_else(|| nonsense("no reader is open"))?).await?
            }
            _ if request["prefix"].is_null() => checked_rows(self.writer()?).await?,
            _ => {
                let db = self.writer()?;
                let rows = db.scan_prefix(bytes_of(request, "prefix")?, ..).await?;
                let rows = drain(rows).await?;
                check_gets(db, &rows).await?;
                rows
            }
        };
        Ok(rows_json(&rows))
    }
}

fn ops_of(request: &Value) -> Result<&Vec<Value>, Failure> {
    request["ops"]
        .as_array()
        .ok_or_else(|| nonsense("no `ops`"))
}

/// One serializable transaction that reads each key before it writes it.
async fn transact(db: &Db, request: &Value) -> Result<Value, Failure> {
    let transaction: DbTransaction = db.begin(IsolationLevel::SerializableSnapshot).await?;
    for op in ops_of(request)? {
        let (key, value) = (bytes_of(op, "k")?, bytes_of(op, "v")?);
        transaction.get(&key).await?;
        match text_of(op, "op")? {
            "put" => transaction.put_with_options(key, value, &put_options(op))?,
            "merge" => transaction.merge_with_options(key, value, &merge_options(op))?,
            "delete" => transaction.delete(key)?,
            other => return Err(nonsense(format!("unknown row {other}"))),
        }
    }
    let handle = transaction.commit().await?;
    Ok(json!(handle.map(|handle| handle.seqnum())))
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
        other => return Err(nonsense(format!("unknown operation {other}"))),
    };
    Ok(Some(handle.seqnum()))
}

async fn flush(db: &Db, flush_type: FlushType) -> Result<Option<u64>, Failure> {
    db.flush_with_options(FlushOptions { flush_type }).await?;
    Ok(None)
}

/// Opens a reader; unless it follows the latest manifest, it writes checkpoints.
async fn open_reader(request: &Value, mode: DbReaderMode) -> Result<DbReader, Failure> {
    let mode = match request["checkpoint"].is_null() {
        true => mode,
        false => DbReaderMode::Checkpoint(member(request, "checkpoint")?),
    };
    let mut builder = DbReader::builder(
        text_of(request, "path")?.to_string(),
        directory(request, "store")?,
    )
    .with_reader_mode(mode)
    .with_merge_operator(merge_operator(request)?);
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
    Ok(builder.build().await?)
}

/// Every row of a scan, each checked by `get`.
async fn checked_rows<Reads: DbReadOps + Sync>(db: &Reads) -> Result<Vec<KeyValue>, Failure> {
    let rows = drain(db.scan::<std::ops::RangeFull>(..).await?).await?;
    check_gets(db, &rows).await?;
    Ok(rows)
}

async fn drain(mut rows: DbIterator) -> Result<Vec<KeyValue>, Failure> {
    let mut all = Vec::new();
    while let Some(row) = rows.next().await? {
        all.push(row);
    }
    Ok(all)
}

/// A scan finds rows that a wrong filter or index hides from `get`.
async fn check_gets<Reads: DbReadOps + Sync>(db: &Reads, rows: &[KeyValue]) -> Result<(), Failure> {
    for row in rows {
        if db.get(&row.key).await?.as_ref() != Some(&row.value) {
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
