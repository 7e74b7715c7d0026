#include "lsm/tables.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/compare.h"

namespace bedplate::lsm {
namespace {

// Where a table's filter and index are kept in the cache, beside its blocks.
constexpr uint64_t kMetaOffset = UINT64_MAX;

BlockCache::Key MetaKey(const TableInfo& info) { return {info.number, kMetaOffset}; }

}  // namespace

Tables::Tables(const Options& options)
    : files_(options.disk, options.path, options.max_open_files),
      cache_(options.cache_bytes),
      mutant_(options.mutant) {}

// -- filter, index, range tombstones
// ------------------------------------------------------------------

std::shared_ptr<const TableMeta> Tables::MetaAtHand(const TableInfo& info) {
  return std::static_pointer_cast<const TableMeta>(cache_.Find(MetaKey(info)));
}

Status Tables::Meta(const TableInfo& info, std::shared_ptr<const TableMeta>* meta) {
  *meta = MetaAtHand(info);
  if (*meta != nullptr) return Status::Ok();
  std::shared_ptr<vfs::File> file;  // first: it is as long as the manifest says
  if (Status status = files_.Get(info, &file); !status.ok()) return status;
  TailMemory tail(info.file_bytes - std::min(info.data_bytes, info.file_bytes));
  size_t count = 0;
  Status status = file->Read(tail.bytes(), info.data_bytes, &count);
  if (!status.ok()) return status;
  tail.Cut(count);
  status = TableMeta::Open(std::move(tail), info, PathOf(info), mutant_, meta);
  if (status.ok()) cache_.Insert(MetaKey(info), *meta, (*meta)->memory_bytes());
  return status;
}

// -- data blocks
// --------------------------------------------------------------------------------------

std::shared_ptr<const DataBlock> Tables::BlockAtHand(const TableInfo& info, const TableMeta& meta,
                                                     uint32_t block) {
  const BlockCache::Key key{info.number, meta.index().HandleAt(block).offset};
  return std::static_pointer_cast<const DataBlock>(cache_.Find(key));
}

Status Tables::Block(const TableInfo& info, const TableMeta& meta, uint32_t block,
                     std::shared_ptr<const DataBlock>* found) {
  *found = BlockAtHand(info, meta, block);
  if (*found != nullptr) return Status::Ok();
  const BlockHandle handle = meta.index().HandleAt(block);
  std::vector<uint8_t> bytes(handle.length);
  size_t count = 0;
  if (Status status = Read(info, handle.offset, bytes, &count); !status.ok()) return status;
  bytes.resize(count);
  Status status = OpenDataBlock(info, meta, block, std::move(bytes), found);
  if (status.ok()) {
    cache_.Insert({info.number, handle.offset}, *found, (*found)->memory_bytes());
  }
  return status;
}

Status Tables::OpenDataBlock(const TableInfo& info, const TableMeta& meta, uint32_t block,
                             std::vector<uint8_t> bytes,
                             std::shared_ptr<const DataBlock>* opened) const {
  const std::string path = PathOf(info);
  const BlockPlace place{meta.index().HandleAt(block).offset, meta.seed(), path, mutant_};
  Bytes payload;
  std::vector<uint8_t> unpacked;
  Status status = OpenBlock(BlockType::kData, bytes, place, &payload, &unpacked);
  if (!status.ok()) return status;
  // A vector keeps its place when it moves, so the payload stays where it is.
  std::vector<uint8_t> memory = std::move(unpacked.empty() ? bytes : unpacked);
  return DataBlock::Open(std::move(memory), payload, path, place.offset, opened);
}

Status Tables::Read(const TableInfo& info, uint64_t offset, std::span<uint8_t> target,
                    size_t* count) {
  std::shared_ptr<vfs::File> file;
  if (Status status = files_.Get(info, &file); !status.ok()) return status;
  return file->Read(target, offset, count);
}

// -- one key
// ------------------------------------------------------------------------------------------

Status Tables::LookUp(const TableInfo& table, Loading loading, Lookup* lookup, bool* missing) {
  *missing = false;
  if (table.least_sequence() > lookup->sequence()) return Status::Ok();
  std::shared_ptr<const TableMeta> meta = MetaAtHand(table);
  if (meta == nullptr) {
    *missing = loading == Loading::kAtHand;
    if (*missing) return Status::Ok();
    if (Status status = Meta(table, &meta); !status.ok()) return status;
  }
  const Bytes key = lookup->key();
  lookup->Hide(meta->tombstones().Covering(key, lookup->sequence()));
  bool goes_on = meta->filter().MayHold(lookup->hash());
  const BlockIndex& index = meta->index();
  DataBlock::KeyBuffer buffer;
  for (uint32_t i = goes_on ? index.Find(key) : 0; goes_on && i < index.count(); i++) {
    std::shared_ptr<const DataBlock> block = BlockAtHand(table, *meta, i);
    if (block == nullptr) {
      *missing = loading == Loading::kAtHand;
      if (*missing) return Status::Ok();
      if (Status status = Block(table, *meta, i, &block); !status.ok()) return status;
    }
    // What was ingested carries no sequence of its own, and is visible: see above.
    const uint64_t sequence = table.sequence == 0 ? lookup->sequence() : kMaxSequence;
    uint32_t slot = 0;
    if (Status status = block->Search(key, sequence, &slot); !status.ok()) return status;
    // Older versions may be in the next block.
    for (; goes_on && slot < block->count(); slot++) {
      Entry entry;
      if (Status status = block->EntryAt(slot, &buffer, &entry); !status.ok()) return status;
      goes_on = AreEqual(entry.key, key);
      if (!goes_on) break;
      if (table.sequence != 0) entry.sequence = table.sequence;
      lookup->Take(entry, block);
      goes_on = !lookup->is_done();
    }
  }
  if (!lookup->is_done()) lookup->EndSource();
  return Status::Ok();
}

// -- the rest
// -----------------------------------------------------------------------------------------

void Tables::Forget(const TableInfo& info) {
  files_.Forget(info);
  const std::shared_ptr<const TableMeta> meta = MetaAtHand(info);
  cache_.Erase(MetaKey(info));
  for (uint32_t i = 0; meta != nullptr && i < meta->index().count(); i++) {
    cache_.Erase({info.number, meta->index().HandleAt(i).offset});
  }
}

void Tables::Close() {
  files_.Close();
  cache_.Clear();
}

}  // namespace bedplate::lsm
