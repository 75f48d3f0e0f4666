//! What a database is opened with besides settings: merge operators, extractors,
//! filters, a transformer.
use crate::request::{nonsense, Failure};
use bytes::{BufMut, Bytes};
use serde_json::Value;
use slatedb::{
    BlockTransformer, BloomFilterPolicy, Filter, FilterBuilder, FilterPolicy, FilterQuery,
    MergeOperator, MergeOperatorError, PrefixExtractor, PrefixTarget, RowEntry,
};
use std::sync::Arc;

/// Puts the operand after what is there.
struct Concat;

impl MergeOperator for Concat {
    fn merge(
        &self,
        _key: &Bytes,
        existing: Option<Bytes>,
        operand: Bytes,
    ) -> Result<Bytes, MergeOperatorError> {
        let mut value = existing.map(|bytes| bytes.to_vec()).unwrap_or_default();
        value.extend_from_slice(&operand);
        Ok(value.into())
    }
}

/// Adds little-endian numbers of 8 bytes.
struct Sum;

impl MergeOperator for Sum {
    fn merge(
        &self,
        _key: &Bytes,
        existing: Option<Bytes>,
        operand: Bytes,
    ) -> Result<Bytes, MergeOperatorError> {
        let number = |bytes: &Bytes| {
            let mut number = [0; 8];
            number.copy_from_slice(&bytes[..8]);
            u64::from_le_bytes(number)
        };
        let before = existing.as_ref().map(number).unwrap_or_default();
        let sum = before.wrapping_add(number(&operand));
        Ok(Bytes::copy_from_slice(&sum.to_le_bytes()))
    }
}

/// Keeps the greatest operand.
struct Greatest;

impl MergeOperator for Greatest {
    fn merge(
        &self,
        _key: &Bytes,
        existing: Option<Bytes>,
        operand: Bytes,
    ) -> Result<Bytes, MergeOperatorError> {
        Ok(existing.map_or(operand.clone(), |known| known.max(operand)))
    }
}

/// The request's merge operator: `concat` (which is the default), `sum` or `max`.
pub fn merge_operator(request: &Value) -> Result<Arc<dyn MergeOperator + Send + Sync>, Failure> {
    match request["merge"].as_str().unwrap_or("concat") {
        "concat" => Ok(Arc::new(Concat)),
        "sum" => Ok(Arc::new(Sum)),
        "max" => Ok(Arc::new(Greatest)),
        other => Err(nonsense(format!("unknown merge operator {other}"))),
    }
}

/// The first so many bytes of a key.
pub struct FixedPrefix {
    bytes: usize,
    name: String,
}

impl FixedPrefix {
    pub fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            bytes,
            name: format!("fixed{bytes}"),
        })
    }
}

impl PrefixExtractor for FixedPrefix {
    fn name(&self) -> &str {
        &self.name
    }

    fn prefix_len(&self, target: &PrefixTarget) -> Option<usize> {
        let length = match target {
            PrefixTarget::Point(key) => key.len(),
            PrefixTarget::Prefix(prefix) => prefix.len(),
        };
        (length >= self.bytes).then_some(self.bytes)
    }
}

/// Adds one to every byte.
pub struct PlusOne;

#[async_trait::async_trait]
impl BlockTransformer for PlusOne {
    async fn encode(&self, data: Bytes) -> Result<Bytes, slatedb::Error> {
        Ok(data
            .iter()
            .map(|byte| byte.wrapping_add(1))
            .collect::<Vec<_>>()
            .into())
    }

    async fn decode(&self, data: Bytes) -> Result<Bytes, slatedb::Error> {
        Ok(data
            .iter()
            .map(|byte| byte.wrapping_sub(1))
            .collect::<Vec<_>>()
            .into())
    }
}

/// A policy of one's own: which bytes the keys of an SST end with.
struct LastBytes;

#[derive(Clone, Default)]
struct LastByteSet([u8; 32]);

impl LastByteSet {
    fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte / 8)] & (1 << (byte % 8)) != 0
    }
}

impl FilterPolicy for LastBytes {
    fn name(&self) -> &str {
        "last-byte"
    }

    fn builder(&self) -> Box<dyn FilterBuilder> {
        Box::new(LastByteSet::default())
    }

    fn decode(&self, data: &[u8]) -> Arc<dyn Filter> {
        let mut bits = [0; 32];
        bits.copy_from_slice(data);
        Arc::new(LastByteSet(bits))
    }

    fn estimate_size(&self, _num_keys: usize) -> usize {
        32
    }
}

impl FilterBuilder for LastByteSet {
    fn add_entry(&mut self, entry: &RowEntry) {
        if let Some(byte) = entry.key.last() {
            self.0[usize::from(byte / 8)] |= 1 << (byte % 8);
        }
    }

    fn build(&mut self) -> Arc<dyn Filter> {
        Arc::new(self.clone())
    }
}

impl Filter for LastByteSet {
    fn might_match(&self, query: &FilterQuery) -> bool {
        match &query.target {
            PrefixTarget::Point(key) => key.last().is_none_or(|byte| self.has(*byte)),
            PrefixTarget::Prefix(_) => true,
        }
    }

    fn encode(&self, writer: &mut dyn BufMut) {
        writer.put_slice(&self.0);
    }

    fn size(&self) -> usize {
        self.0.len()
    }

    fn clamp_allocated_size(&self) -> Arc<dyn Filter> {
        Arc::new(self.clone())
    }
}

/// `bloom:10,prefix:4,only:4,last`: whole keys; whole keys and prefixes; prefixes
/// alone; last bytes.
pub fn filter_policies(request: &Value) -> Result<Option<Vec<Arc<dyn FilterPolicy>>>, Failure> {
    let Some(text) = request["filters"].as_str() else {
        return Ok(None);
    };
    let mut policies: Vec<Arc<dyn FilterPolicy>> = Vec::new();
    for part in text.split(',') {
        let (kind, number) = part.split_once(':').unwrap_or((part, "0"));
        let number: usize = number.parse().map_err(nonsense)?;
        let by_prefix =
            || BloomFilterPolicy::new(10).with_prefix_extractor(FixedPrefix::new(number));
        match kind {
            "bloom" => policies.push(Arc::new(BloomFilterPolicy::new(number as u32))),
            "prefix" => policies.push(Arc::new(by_prefix())),
            "only" => policies.push(Arc::new(by_prefix().with_whole_key_filtering(false))),
            "last" => policies.push(Arc::new(LastBytes)),
            other => return Err(nonsense(format!("unknown filter {other}"))),
        }
    }
    Ok(Some(policies))
}
