// Work on a store as a whole: bulk load, copy, compaction. The twin is
// ts/storage/btree/maintenance.ts.
#include <optional>
#include <utility>

#include "btree/builder.h"
#include "btree/engine.h"
#include "btree/replay.h"
#include "core/little_endian.h"

namespace bedplate::btree {
namespace {

constexpr const char* kDataName = "/data";
constexpr const char* kCompactedFile = "/data.compact";
// The epoch in which the pages of a copy are born.
constexpr uint64_t kCopyEpoch = 1;
constexpr size_t kCopyBlockBytes = size_t{256} << 10;

// Hands out the entries of a block.
template <typename Visit>
Status VisitEntries(const Block& block, Visit visit) {
  const uint8_t* at = block.bytes().data();
  for (uint32_t i = 0; i < block.count; i++) {
    const uint32_t key_length = LoadU32(at);
    const uint32_t value_length = LoadU32(at + 4);
    const uint8_t* key = at + kEntryHeaderBytes;
    at = key + key_length + value_length;
    if (Status status = visit(Bytes(key, key_length), Bytes(key + key_length, value_length));
        !status.ok()) {
      return status;
    }
  }
  return Status::Ok();
}

// Reads everything below a root of a snapshot, block by block.
template <typename Visit>
Status VisitTree(Engine* engine, Attachment* attachment, const Snapshot& snapshot,
                 const Reference& root, Visit visit) {
  std::vector<uint8_t> last_key;
  KeyRange rest;
  Block block;
  bool done = false;
  while (!done) {
    block.Reset();
    const BlockLimits limits{UINT64_MAX, kCopyBlockBytes};
    if (Status status = engine->ReadBlock(attachment, snapshot, root, rest, /*reverse=*/false,
                                          limits, &block, &done);
        !status.ok()) {
      return status;
    }
    Bytes last;
    Status status = VisitEntries(block, [&](Bytes key, Bytes value) {
      last = key;
      return visit(key, value);
    });
    if (!status.ok()) return status;
    last_key.assign(last.begin(), last.end());
    rest.lower = Bytes(last_key);
    rest.lower_inclusive = false;
  }
  return Status::Ok();
}

}  // namespace

// -- checks ---------------------------------------------------------------------------------------

Status Engine::OpenSnapshotAndState(std::shared_ptr<Snapshot>* snapshot, StoreState* state) {
  // A writer has taken pages that are part of no state before it has done.
  const std::lock_guard lock(writer_);
  if (Status status = OpenSnapshot(snapshot); !status.ok()) return status;
  const ExclusiveGuard guard(&gate_);
  state->page_count = pager_->free_list()->page_count();
  state->unused = UnusedPages();
  state->list_pages = metas_.free_list_pages;
  return Status::Ok();
}

Status Engine::ReadPage(Attachment* attachment, const Snapshot& snapshot, uint64_t page,
                        std::span<uint8_t> target, size_t* count) {
  if (Status status = CheckOpen(); !status.ok()) return status;
  *count = target.size();
  {
    const SharedGuard guard(&gate_, attachment->reader_);
    if (snapshot.pager()->CopyIfDirty(page, target)) return Status::Ok();
  }
  return snapshot.pager()->ReadUnchecked(page, target, count);
}

// -- bulk load ------------------------------------------------------------------------------------
//
// The pages are written where nothing refers to. Then, at one instant, the tree takes them over and
// a marker is logged. The log is held until a checkpoint has made the pages part of the durable
// state, so what is logged behind the marker can never be durable without them.

Status Engine::BeginBulkLoad(TreeSlot* tree, std::unique_ptr<BulkLoad>* load) {
  const std::lock_guard lock(writer_);
  if (Status status = CheckWritable(); !status.ok()) return status;
  if (tree->root().page != 0) {
    return Status::Error(ErrorCode::kInvalidInput,
                         "bulk load needs an empty tree; " +
                             (tree->name.empty() ? "this one" : '"' + tree->name + '"') +
                             " has keys",
                         "clear() it first, or use batch()");
  }
  if (is_compacting_) {
    return Status::Error(ErrorCode::kUnavailable,
                         path() + " is being compacted: load again when that is done");
  }
  loads_++;
  const ExclusiveGuard guard(&gate_);
  load->reset(new BulkLoad(this, tree));
  return Status::Ok();
}

BulkLoad::BulkLoad(Engine* engine, TreeSlot* tree)
    : engine_(engine), tree_(tree), pager_(engine->pager_) {
  const auto allocate = [this] {
    const std::lock_guard lock(engine_->writer_);
    const ExclusiveGuard guard(&engine_->gate_);
    const uint64_t page = pager_->free_list()->Allocate();
    pages_.push_back(page);
    engine_->unattached_.insert(page);
    return page;
  };
  const uint32_t id = engine->catalogue_.IdFor(*tree);
  builder_ = std::make_unique<TreeBuilder>(pager_.get(), id, pager_->TakeBirth(), allocate);
}

BulkLoad::~BulkLoad() {
  const std::lock_guard lock(engine_->writer_);
  const ExclusiveGuard guard(&engine_->gate_);
  for (const uint64_t page : pages_) {
    if (engine_->unattached_.erase(page) > 0) pager_->free_list()->Release(page);
  }
  engine_->loads_--;
}

Status BulkLoad::Add(Bytes key, Bytes value) {
  if (Status status = engine_->CheckWritable(); !status.ok()) return status;
  return engine_->Failed(builder_->Add(key, value), ErrorCode::kInvalidInput);
}

Status BulkLoad::Finish(uint64_t* count) {
  *count = builder_->key_count();
  return *count == 0 ? Status::Ok() : engine_->AttachLoad(this);
}

Status Engine::AttachLoad(BulkLoad* load) {
  const std::lock_guard maintenance(maintenance_);
  TreeBuilder* builder = load->builder_.get();
  TreeSlot* slot = load->tree_;
  Reference root;
  if (Status status = Failed(builder->Finish(&root)); !status.ok()) return status;
  std::unique_lock writer(writer_);
  if (Status status = CheckWritable(); !status.ok()) return status;
  const bool exists = slot->tree != nullptr;
  if (slot->root().page != 0 || (exists && slot->tree->id() != builder->tree_id())) {
    return Status::Error(ErrorCode::kConflict,
                         "others wrote to the tree while it was being loaded");
  }
  record_.Begin();
  if (!exists) record_.CreateTree(builder->tree_id(), BytesOf(slot->name));
  record_.BulkLoad(builder->tree_id());
  if (Status status = Reserve(); !status.ok()) return status;
  const uint64_t before = position();
  if (!Lacks(options_.mutant, Rule::kHeldMarker)) log_->Hold();
  {
    const ExclusiveGuard guard(&gate_);
    Status status = exists ? Status::Ok() : catalogue_.Create(builder->tree_id(), slot);
    if (status.ok()) status = slot->tree->ReplaceRoot(root);
    if (!status.ok()) return FailedHalfWay(status);
    for (const uint64_t page : load->pages_) unattached_.erase(page);
    log_->Append(record_.bytes());
  }
  NoteRecord();
  if (!Lacks(options_.mutant, Rule::kLoadCheckpoint)) {
    if (Status status = WriteCheckpoint(&writer, before); !status.ok()) {
      // The marker must never be written without the pages: from here only reopening helps.
      return FailedHalfWay(status);
    }
  }
  log_->Release();
  writer.unlock();
  if (Status status = Failed(log_->SyncTo(log_->last_position())); !status.ok()) return status;
  writer.lock();
  // So that the fallback meta knows of the load too. A full disk may put it off: the log has
  // everything.
  if (Lacks(options_.mutant, Rule::kLoadInBothMetas)) return Status::Ok();
  Status status = WriteCheckpoint(&writer, std::nullopt);
  return status.Is(ErrorCode::kDiskFull) ? Status::Ok() : status;
}

// -- copy and compaction --------------------------------------------------------------------------

Status Engine::CopyTo(Attachment* attachment, const Snapshot& snapshot, const std::string& path,
                      const std::array<uint8_t, 16>& uuid) {
  std::unique_ptr<vfs::File> created;
  if (Status status = options_.disk->Open(path, vfs::OpenMode::kCreate, &created); !status.ok()) {
    return status;
  }
  vfs::File* file = created.get();
  Pager::Options options;
  options.page_size_bytes = page_size_bytes_;
  options.epoch = kCopyEpoch;
  Pager target(std::move(created), std::move(options));
  const auto allocate = [&] { return target.free_list()->Allocate(); };

  Meta meta;
  meta.next_tree_id = kFirstTreeId;
  TreeBuilder catalogue(&target, kCatalogueTreeId, kCopyEpoch, allocate);
  const auto copy_tree = [&](Bytes name, Bytes value) {
    TreeEntry entry;
    if (!DecodeEntry(value, &entry)) {
      return snapshot.pager()->Corruption(snapshot.catalogue().page, "the catalogue is broken");
    }
    meta.next_tree_id = std::max(meta.next_tree_id, entry.id + 1);
    TreeBuilder builder(&target, entry.id, kCopyEpoch, allocate);
    Status status = VisitTree(this, attachment, snapshot, entry.root,
                              [&](Bytes key, Bytes copied) { return builder.Add(key, copied); });
    if (!status.ok()) return status;
    if (status = builder.Finish(&entry.root); !status.ok()) return status;
    return catalogue.Add(name, EncodeEntry(entry));
  };
  Status status = VisitTree(this, attachment, snapshot, snapshot.catalogue(), copy_tree);
  if (!status.ok()) return status;
  if (status = catalogue.Finish(&meta.catalogue); !status.ok()) return status;

  meta.page_size_bytes = page_size_bytes_;
  meta.epoch = kCopyEpoch;
  meta.position = snapshot.position();
  meta.page_count = target.free_list()->page_count();
  meta.uuid = uuid;
  if (status = file->Write(EncodeMeta(meta), 0); !status.ok()) return status;
  // The same state under both metas: losing one block loses nothing.
  meta.epoch = kCopyEpoch + 1;
  if (status = file->Write(EncodeMeta(meta), page_size_bytes_); !status.ok()) return status;
  uint64_t size = 0;
  if (status = file->Size(&size); !status.ok()) return status;
  const uint64_t wanted = meta.page_count * page_size_bytes_;
  if (size < wanted) {
    if (status = file->Truncate(wanted); !status.ok()) return status;
  }
  return Lacks(options_.mutant, Rule::kCopySync) ? Status::Ok() : file->Sync();
}

// Copies a moment beside the data file, applies what was written meanwhile, gives the copy the
// file's name. Until that rename a crash finds the old file, after it the new one; the log has the
// rest in both cases.
Status Engine::Compact(Attachment* attachment) {
  const std::lock_guard maintenance(maintenance_);
  std::shared_ptr<Snapshot> snapshot;
  {
    const std::lock_guard lock(writer_);
    if (Status status = CheckWritable(); !status.ok()) return status;
    if (loads_ > 0) {
      return Status::Error(ErrorCode::kUnavailable,
                           "a bulk load of " + path() + " is under way: compact when it is done");
    }
    if (Status status = OpenSnapshot(&snapshot); !status.ok()) return status;
    is_compacting_ = true;
  }
  const std::string copy = path() + kCompactedFile;
  Status status = Status::Ok();
  vfs::Kind kind = vfs::Kind::kAbsent;
  if (status = options_.disk->KindOf(copy, &kind); status.ok() && kind != vfs::Kind::kAbsent) {
    status = options_.disk->Unlink(copy);
  }
  if (status.ok()) status = CopyTo(attachment, *snapshot, copy, metas_.current.uuid);
  snapshot.reset();
  std::unique_lock writer(writer_);
  bool adopted = false;
  if (status.ok()) status = CatchUpAndAdopt(copy, &adopted);
  is_compacting_ = false;
  compaction_tail_.clear();
  compaction_tail_bytes_ = 0;
  if (!adopted) {
    (void)options_.disk->Unlink(copy);  // or it is removed at the next opening
    return status;
  }
  if (status.ok() && !Lacks(options_.mutant, Rule::kCompactedNameSync)) {
    status = options_.disk->SyncDirectory(path());
  }
  if (!status.ok()) return FailedHalfWay(status);
  return WriteCheckpoint(&writer, std::nullopt);
}

// With `maintenance_` and `writer_` held: brings the copy up to the present and goes on with it.
Status Engine::CatchUpAndAdopt(const std::string& copy, bool* adopted) {
  if (Status status = CheckWritable(); !status.ok()) return status;
  if (compaction_tail_bytes_ > kMaxCompactionTailBytes) {
    return Status::Error(ErrorCode::kUnavailable,
                         "more than " + std::to_string(kMaxCompactionTailBytes) +
                             " bytes were written during the compaction",
                         "compact again at a quieter time; nothing was lost");
  }
  std::unique_ptr<vfs::File> file;
  if (Status status = options_.disk->Open(copy, vfs::OpenMode::kWrite, &file); !status.ok()) {
    return status;
  }
  std::shared_ptr<Pager> pager;
  MetaState metas;
  if (Status status = OpenPager(std::move(file), {options_.cache_bytes, false, options_.mutant},
                                &pager, &metas);
      !status.ok()) {
    return status;
  }
  Catalogue catalogue;
  if (Status status =
          catalogue.Load(pager.get(), metas.current.catalogue, metas.current.next_tree_id);
      !status.ok()) {
    return status;
  }
  Replayer replayer(&catalogue, pager.get());
  if (Lacks(options_.mutant, Rule::kCompactionCatchesUp)) compaction_tail_.clear();
  for (const std::vector<uint8_t>& record : compaction_tail_) {
    if (Status status = VisitRecord(record, &replayer); !status.ok()) return status;
    if (Status status = MakeRoomIn(pager.get()); !status.ok()) return status;
  }
  if (Status status = options_.disk->Rename(copy, path() + kDataName); !status.ok()) return status;
  *adopted = true;
  const ExclusiveGuard guard(&gate_);
  pager_ = pager;
  metas_ = std::move(metas);
  return catalogue_.Load(pager_.get(), catalogue.root(),
                         std::max(catalogue.next_tree_id(), catalogue_.next_tree_id()));
}

}  // namespace bedplate::btree
