/**
 * Shale: a SlateDB-compatible LSM storage engine for JavaScript runtimes.
 *
 * @example
 * ```ts ignore
 * import { Db, FileStore } from "@shale/db";
 *
 * await using db = await Db.open("orders", { store: new FileStore("./data") });
 * await db.put("sku/7", "blue");
 * for await (const { key, value } of db.scan({ prefix: "sku/" })) { … }
 * ```
 *
 * @module
 */
export { Admin } from "./lib/admin/admin.ts";
export type {
  AdminOptions,
  CompactorState,
  RunGcOptions,
  RunningGc,
  StartGcOptions,
} from "./lib/admin/admin_options.ts";
export {
  type CompactorProcessOptions,
  type RunningCompactionWorker,
  type RunningCompactor,
  startCompactionWorker,
  startCompactor,
} from "./lib/admin/compactor_process.ts";
export type { IdRange } from "./lib/admin/id_range.ts";
export type { CompactionRequest } from "./lib/admin/submission.ts";
export { MemoryBudget, type MemoryBudgetOptions } from "./lib/base/budget.ts";
export type { Bytes } from "./lib/base/bytes.ts";
export type { Duration, PollInterval } from "./lib/base/duration.ts";
export {
  type CloseReason,
  DbError,
  type DbErrorOptions,
  type ErrorKind,
  type Outcome,
} from "./lib/base/errors.ts";
export type { Ulid, Uuid } from "./lib/base/ids.ts";
export type { KeyBound, KeyRange, RangeOptions } from "./lib/base/key_range.ts";
export type { Logger, LogLevel } from "./lib/base/log.ts";
export {
  type Counter,
  type Gauge,
  type Histogram,
  type Labels,
  LATENCY_BOUNDARIES,
  type Recorder,
  type UpDownCounter,
} from "./lib/base/metrics.ts";
export type { Entry, Row, RowKind } from "./lib/base/row.ts";
export type { Runtime } from "./lib/base/runtime.ts";
export type { Compression } from "./lib/codec/compression.ts";
export type {
  CompactionFilter,
  CompactionFilterSupplier,
  FilterContext,
  FilterDecision,
} from "./lib/compactor/compaction_filter.ts";
export type { CompactorStatus } from "./lib/compactor/compactor.ts";
export type { CompactNowOptions } from "./lib/compactor/manual_compactions.ts";
export type { JobStatus } from "./lib/compactor/running_jobs.ts";
export type {
  CompactionScheduler,
  CompactorView,
} from "./lib/compactor/scheduler.ts";
export type { CompactionModule } from "./lib/compactor/worker_messages.ts";
export type { WritableOptions, WritableRow } from "./lib/db/bulk_load.ts";
export { Db } from "./lib/db/db.ts";
export { DbReader, type DbReaderOptions } from "./lib/db/db_reader.ts";
export type { LifecycleState } from "./lib/db/lifecycle.ts";
export type { DbCheckpointOptions } from "./lib/db/new_checkpoint.ts";
export type { DbOptions, ReaderOptions } from "./lib/db/open_options.ts";
export type { ReadOptions, ScanOptions } from "./lib/db/read_options.ts";
export type { CheckpointMode } from "./lib/db/reader_mode.ts";
export { Scan } from "./lib/db/scan.ts";
export type { DbSettings } from "./lib/db/settings.ts";
export { Snapshot } from "./lib/db/snapshot.ts";
export type {
  DbStatus,
  RunStatus,
  SegmentStatus,
  TreeStatus,
} from "./lib/db/status.ts";
export type { TransactOptions } from "./lib/db/transact.ts";
export { Transaction, type TransactionOptions } from "./lib/db/transaction.ts";
export type {
  CloseOptions,
  FlushOptions,
  PutOptions,
  WriteOptions,
} from "./lib/db/write_options.ts";
export type {
  Compaction,
  CompactionContext,
  Compactions,
  CompactionSpec,
  CompactionStatus,
  CompactionWorker,
  DrainSpec,
  Subcompaction,
  TieredSpec,
} from "./lib/format/compactions.ts";
export type {
  Checkpoint,
  ExternalDb,
  Manifest,
  Segment,
  SortedRun,
  SstHandle,
  Tree,
} from "./lib/format/manifest.ts";
export type { SstInfo, SstType } from "./lib/format/sst_info.ts";
export type { FilterFormat } from "./lib/format/sst_info.ts";
export type { FormatVersion } from "./lib/format/sst_layout.ts";
export type { FormatTarget } from "./lib/format/format_target.ts";
export type { Rounding } from "./lib/format/seq_tracker.ts";
export type {
  GarbageCollectorSettings,
  GcResource,
  GcTaskSettings,
} from "./lib/gc/options.ts";
export type { GcFilter } from "./lib/gc/sweep.ts";
export type {
  Candidate as GcCandidate,
  GcFailure,
  GcReport,
  GcVerdict,
} from "./lib/gc/verdict.ts";
export {
  decodeJsonDocument,
  jsonMergePatchOperator,
} from "./lib/iter/json_merge_patch.ts";
export type { MergeOperator } from "./lib/iter/merge_operator.ts";
export {
  appendOperator,
  counterOperator,
  type CounterOptions,
  decodeCounter,
  encodeCounter,
  maxOperator,
  minOperator,
} from "./lib/iter/merge_operators.ts";
export type {
  CheckpointOptions,
  CheckpointRef,
} from "./lib/manifest/checkpoints.ts";
export type { HistoryFile } from "./lib/manifest/history.ts";
export {
  type HistogramValue,
  MemoryRecorder,
  type Metric,
  type MetricValue,
  type NumberValue,
} from "./lib/metrics/memory_recorder.ts";
export {
  type AddingInstrument,
  type MeterLike,
  OpenTelemetryRecorder,
  type RecordingInstrument,
} from "./lib/metrics/open_telemetry.ts";
export {
  PROMETHEUS_CONTENT_TYPE,
  toPrometheusText,
} from "./lib/metrics/prometheus.ts";
export {
  FileStore,
  type FileStoreOptions,
} from "./lib/object_store/file_store.ts";
export {
  MemoryStore,
  type MemoryStoreOptions,
} from "./lib/object_store/memory_store.ts";
export type {
  ByteRange,
  CallOptions,
  GetOptions,
  GetResult,
  ListOptions,
  ObjectMeta,
  ObjectStore,
  PutOptions as ObjectPutOptions,
  PutResult,
  SyncReads,
} from "./lib/object_store/object_store.ts";
export { PrefixStore } from "./lib/object_store/prefix_store.ts";
export {
  openStore,
  type OpenStoreOptions,
} from "./lib/object_store/store_url.ts";
export type {
  ExplainedSource,
  KeyExplanation,
  SourceAnswer,
} from "./lib/read/explain.ts";
export type { BlockTransformer } from "./lib/sst/block_transformer.ts";
export type {
  BloomFilterPolicy,
  CustomFilterPolicy,
  Filter,
  FilterBuilder,
  FilterPolicy,
} from "./lib/sst/filter_policy.ts";
export {
  delimiterPrefix,
  fixedPrefix,
  type PrefixExtractor,
} from "./lib/sst/prefix_extractor.ts";
export type { Pressure } from "./lib/write/backpressure.ts";
export type { TtlOptions } from "./lib/write/expiry.ts";
export { WriteBatch } from "./lib/write/write_batch.ts";
export type { WriteHandle } from "./lib/write/write_handle.ts";
export type {
  DirectoryEntry,
  EntryKind,
  FileStat,
  OpenMode,
  Vfs,
  VfsFile,
} from "./lib/vfs/vfs.ts";
