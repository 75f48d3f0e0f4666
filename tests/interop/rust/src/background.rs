//! A compactor or a worker without a writer, which runs between requests.
use crate::components::{filter_policies, merge_operator, PlusOne};
use crate::request::{block_size, directory, nonsense, options, text_of, Failure};
use serde_json::Value;
use slatedb::compactor::{Compactor, CompactorBuilder};
use slatedb::{CompactionWorker, CompactionWorkerBuilder};
use std::sync::Arc;
use tokio::task::JoinHandle;

enum Engine {
    Compactor(Compactor),
    Worker(Arc<CompactionWorker>),
}

/// What runs, and how it ends.
pub struct Background {
    engine: Engine,
    task: JoinHandle<Result<(), slatedb::Error>>,
}

impl Background {
    /// Schedules and commits; does the work, too, unless `options.worker` is null.
    pub fn compactor(request: &Value) -> Result<Self, Failure> {
        let path = text_of(request, "path")?.to_string();
        let mut builder = CompactorBuilder::new(path, directory(request, "store")?)
            .with_options(options(request, "options")?)
            .with_merge_operator(merge_operator(request)?);
        if let Some(policies) = filter_policies(request)? {
            builder = builder.with_filter_policies(policies);
        }
        if request["transform"] == true {
            builder = builder.with_block_transformer(Arc::new(PlusOne));
        }
        let compactor = builder.build();
        let running = compactor.clone();
        Ok(Self {
            engine: Engine::Compactor(compactor),
            task: tokio::spawn(async move { running.run().await }),
        })
    }

    /// Runs what a compactor elsewhere has scheduled.
    pub async fn worker(request: &Value) -> Result<Self, Failure> {
        let path = text_of(request, "path")?.to_string();
        let mut builder = CompactionWorkerBuilder::new(path, directory(request, "store")?)
            .with_options(options(request, "options")?)
            .with_merge_operator(merge_operator(request)?);
        if let Some(policies) = filter_policies(request)? {
            builder = builder.with_filter_policies(policies);
        }
        if let Some(size) = block_size(request)? {
            builder = builder.with_sst_block_size(size);
        }
        if request["transform"] == true {
            builder = builder.with_block_transformer(Arc::new(PlusOne));
        }
        let worker = Arc::new(builder.build().await?);
        let running = worker.clone();
        Ok(Self {
            engine: Engine::Worker(worker),
            task: tokio::spawn(async move { running.run().await }),
        })
    }

    /// Ends it in order.
    pub async fn stop(self) -> Result<(), Failure> {
        match self.engine {
            Engine::Compactor(compactor) => compactor.stop().await?,
            Engine::Worker(worker) => worker.stop().await?,
        }
        Ok(self.task.await.map_err(nonsense)??)
    }

    /// Waits until it ends by itself, and fails with what ended it.
    pub async fn end(self) -> Result<(), Failure> {
        Ok(self.task.await.map_err(nonsense)??)
    }
}
