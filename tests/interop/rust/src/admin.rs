//! What is asked of a database's files, beside whoever writes it.
use crate::request::{directory, member, nonsense, options, text_of, Failure};
use serde_json::{json, Value};
use slatedb::admin::Admin;
use slatedb::config::CheckpointOptions;
use std::time::Duration;

/// Answers a request that needs no open database; `None` where it is not one.
pub async fn answer(request: &Value) -> Result<Option<Value>, Failure> {
    Ok(Some(match text_of(request, "do")? {
        "gc" => {
            admin(request)?
                .run_gc_once(options(request, "options")?)
                .await?;
            Value::Null
        }
        "manifest" => json(admin(request)?.read_manifest(None).await?)?,
        "compactions" => json(admin(request)?.read_compactions(None).await?)?,
        "submit" => json(
            admin(request)?
                .submit_compaction(member(request, "spec")?)
                .await?,
        )?,
        "checkpoint" => {
            let made = admin(request)?
                .create_detached_checkpoint(&checkpoint_options(request)?)
                .await?;
            json!({ "id": made.id.to_string(), "manifest_id": made.manifest_id })
        }
        "checkpoints" => json(
            admin(request)?
                .list_checkpoints(request["name"].as_str())
                .await?,
        )?,
        "refreshCheckpoint" => {
            let lifetime = lifetime_of(request);
            admin(request)?
                .refresh_checkpoint(member(request, "id")?, lifetime)
                .await?;
            Value::Null
        }
        "deleteCheckpoint" => {
            admin(request)?
                .delete_checkpoint(member(request, "id")?)
                .await?;
            Value::Null
        }
        _ => return Ok(None),
    }))
}

/// Lifetime, name and source of a checkpoint.
pub fn checkpoint_options(request: &Value) -> Result<CheckpointOptions, Failure> {
    Ok(CheckpointOptions {
        lifetime: lifetime_of(request),
        name: request["name"].as_str().map(String::from),
        source: member(request, "source")?,
    })
}

fn lifetime_of(request: &Value) -> Option<Duration> {
    request["lifetimeMs"].as_u64().map(Duration::from_millis)
}

fn admin(request: &Value) -> Result<Admin, Failure> {
    let path = text_of(request, "path")?.to_string();
    let mut builder = Admin::builder(path, directory(request, "store")?);
    if !request["walStore"].is_null() {
        builder = builder.with_wal_object_store(directory(request, "walStore")?);
    }
    Ok(builder.build())
}

fn json(value: impl serde::Serialize) -> Result<Value, Failure> {
    serde_json::to_value(value).map_err(nonsense)
}
