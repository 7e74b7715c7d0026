#include "lsm/tables.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace bedplate::lsm {
namespace {

// Where a table's filter and index are kept in the cache, beside its blocks.
constexpr uint64_t kMetaPlace = UINT64_MAX;

BlockCache::Key MetaKey(const TableInfo& info) { return {info.number, kMetaPlace}; }

}  // namespace

Tables::Tables(const Options& options)
    : files_(options.disk, options.path, options.max_open_files),
      cache_(options.cache_bytes),
      mutant_(options.mutant) {}

// -- filter, index, range tombstones --------------------------------------------------------------

std::shared_ptr<const TableMeta> Tables::MetaAtHand(const TableInfo& info) {
  return std::static_pointer_cast<const TableMeta>(cache_.Find(MetaKey(info)));
}

Status Tables::Meta(const TableInfo& info, std::shared_ptr<const TableMeta>* meta) {
  *meta = MetaAtHand(info);
  return *meta != nullptr ? Status::Ok() : LoadMeta(info, meta);
}

Status Tables::LoadMeta(const TableInfo& info, std::shared_ptr<const TableMeta>* meta) {
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

// -- data blocks ----------------------------------------------------------------------------------

std::shared_ptr<const DataBlock> Tables::BlockAtHand(const TableInfo& info, uint32_t block) {
  return std::static_pointer_cast<const DataBlock>(cache_.Find({info.number, block}));
}

Status Tables::Block(const TableInfo& info, const TableMeta& meta, uint32_t block,
                     std::shared_ptr<const DataBlock>* found) {
  *found = BlockAtHand(info, block);
  return *found != nullptr ? Status::Ok() : LoadBlock(info, meta, block, found);
}

Status Tables::LoadBlock(const TableInfo& info, const TableMeta& meta, uint32_t block,
                         std::shared_ptr<const DataBlock>* found) {
  const BlockHandle handle = meta.index().HandleAt(block);
  std::vector<uint8_t> bytes(handle.length);
  size_t count = 0;
  if (Status status = Read(info, handle.offset, bytes, &count); !status.ok()) return status;
  bytes.resize(count);
  Status status = OpenDataBlock(info, meta, block, std::move(bytes), found);
  if (status.ok()) {
    cache_.Insert({info.number, block}, *found, (*found)->memory_bytes());
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

// -- one key --------------------------------------------------------------------------------------

Status Tables::LookUpInRuns(std::span<const Run> runs, Loading loading, Lookup* lookup,
                            bool* missing) {
  *missing = false;
  for (; !runs.empty(); runs = runs.subspan(std::min(kRunsTogether, runs.size()))) {
    std::array<Search, kRunsTogether> searches;
    size_t count = 0;
    for (const Run& run : runs.first(std::min(kRunsTogether, runs.size()))) {
      const TableRef* table = TableFor(run, lookup->key());
      if (table == nullptr || (*table)->least_sequence() > lookup->sequence()) continue;
      Search* search = &searches[count++];
      *search = {lookup, table->get(), MetaAtHand(**table), 0, nullptr};
      if (search->meta != nullptr) search->meta->filter().Prefetch(lookup->hash());
    }
    for (size_t i = 0; i < count; i++) {
      Status status = SearchTable(&searches[i], loading, missing);
      if (!status.ok() || *missing || lookup->is_done()) return status;
    }
  }
  return Status::Ok();
}

Status Tables::LookUpMany(const Run& run, Loading loading, std::span<Lookup* const> lookups,
                          bool* missing) {
  *missing = false;
  for (size_t from = 0; from < lookups.size() && !*missing; from += kGroupSize) {
    const auto group = lookups.subspan(from, std::min(kGroupSize, lookups.size() - from));
    if (Status status = LookUpGroup(run, loading, group, missing); !status.ok()) return status;
  }
  return Status::Ok();
}

// All of the group take the same step before one takes the next.
Status Tables::LookUpGroup(const Run& run, Loading loading, std::span<Lookup* const> lookups,
                           bool* missing) {
  std::array<Search, kGroupSize> searches;
  size_t count = 0;
  for (Lookup* lookup : lookups) {
    const TableRef* table = lookup->is_done() ? nullptr : TableFor(run, lookup->key());
    if (table == nullptr || (*table)->least_sequence() > lookup->sequence()) continue;
    Search* search = &searches[count++];
    *search = {lookup, table->get(), nullptr, 0, nullptr};
    // Neighbours are often in the same table.
    if (count > 1 && search->table == searches[count - 2].table) {
      search->meta = searches[count - 2].meta;
    }
    Status status = search->meta == nullptr ? FindMeta(search, loading, missing) : Status::Ok();
    if (!status.ok() || *missing) return status;
    search->meta->filter().Prefetch(lookup->hash());
  }
  size_t held = 0;
  for (size_t i = 0; i < count; i++) {
    if (!FindIndex(&searches[i])) continue;
    std::swap(searches[held], searches[i]);
    cache_.Prefetch({searches[held].table->number, searches[held].index});
    held++;
  }
  for (size_t i = 0; i < held; i++) {
    Status status = FindBlock(&searches[i], loading, missing);
    if (!status.ok() || *missing) return status;
  }
  for (size_t i = 0; i < held; i++) {
    Status status = Finish(&searches[i], loading, missing);
    if (!status.ok() || *missing) return status;
  }
  return Status::Ok();
}

Status Tables::SearchTable(Search* search, Loading loading, bool* missing) {
  if (search->meta == nullptr) {
    if (Status status = FindMeta(search, loading, missing); !status.ok() || *missing) return status;
  }
  if (!FindIndex(search)) return Status::Ok();
  Status status = FindBlock(search, loading, missing);
  return !status.ok() || *missing ? status : Finish(search, loading, missing);
}

Status Tables::FindMeta(Search* search, Loading loading, bool* missing) {
  search->meta = MetaAtHand(*search->table);
  if (search->meta != nullptr) return Status::Ok();
  *missing = loading == Loading::kAtHand;
  return *missing ? Status::Ok() : LoadMeta(*search->table, &search->meta);
}

bool Tables::FindIndex(Search* search) {
  const auto& [lookup, table, meta, index, block] = *search;
  lookup->Hide(meta->tombstones().Covering(lookup->key(), lookup->sequence()));
  if (meta->filter().MayHold(lookup->hash())) {
    search->index = meta->index().Find(lookup->key());
    if (search->index < meta->index().count()) return true;
  }
  lookup->EndSource();
  return false;
}

Status Tables::FindBlock(Search* search, Loading loading, bool* missing) {
  const auto& [lookup, table, meta, index, block] = *search;
  search->block = BlockAtHand(*table, index);
  *missing = search->block == nullptr && loading == Loading::kAtHand;
  if (search->block == nullptr && !*missing) {
    if (Status status = LoadBlock(*table, *meta, index, &search->block); !status.ok()) {
      return status;
    }
  }
  if (search->block != nullptr) search->block->Prefetch();
  return Status::Ok();
}

// Searches the block that was found, and those behind it that may have older versions.
Status Tables::Finish(Search* search, Loading loading, bool* missing) {
  const auto& [lookup, table, meta, index, block] = *search;
  bool goes_on = true;
  while (true) {
    if (Status status = TakeVersions(*table, block, lookup, &goes_on); !status.ok()) return status;
    search->index++;
    if (!goes_on || index == meta->index().count()) break;
    Status status = FindBlock(search, loading, missing);
    if (!status.ok() || *missing) return status;
  }
  if (!lookup->is_done()) lookup->EndSource();
  return Status::Ok();
}

// Adds what a block knows of the key. `*goes_on` is false if no older block knows more.
Status Tables::TakeVersions(const TableInfo& table, const std::shared_ptr<const DataBlock>& block,
                            Lookup* lookup, bool* goes_on) {
  // What was ingested carries no sequence of its own, and all of it is visible by now.
  const bool was_ingested = table.sequence != 0;
  const uint64_t sequence = was_ingested ? kMaxSequence : lookup->sequence();
  uint32_t slot = 0;
  if (Status status = block->Search(lookup->key(), sequence, &slot); !status.ok()) return status;
  for (; *goes_on && slot < block->count(); slot++) {
    Entry entry;
    Status status = block->EntryOf(slot, lookup->key(), goes_on, &entry);
    if (!status.ok() || !*goes_on) return status;
    if (was_ingested) entry.sequence = table.sequence;
    lookup->Take(entry, block);
    *goes_on = !lookup->is_done();
  }
  return Status::Ok();
}

// -- the rest -------------------------------------------------------------------------------------

void Tables::Forget(const TableInfo& info) {
  files_.Forget(info);
  const std::shared_ptr<const TableMeta> meta = MetaAtHand(info);
  cache_.Erase(MetaKey(info));
  for (uint32_t i = 0; meta != nullptr && i < meta->index().count(); i++) {
    cache_.Erase({info.number, i});
  }
}

void Tables::Close() {
  files_.Close();
  cache_.Clear();
}

}  // namespace bedplate::lsm
