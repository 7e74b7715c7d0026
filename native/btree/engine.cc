#include "btree/engine.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "btree/overflow.h"
#include "btree/replay.h"
#include "core/clock.h"

namespace bedplate::btree {
namespace {

constexpr const char* kDataFile = "data";

}  // namespace

Attachment::~Attachment() {
  const std::lock_guard lock(engine_->attachments_mutex_);
  engine_->attachments_.erase(this);
  engine_->detached_hits_ += hits_;
  engine_->gate_.Detach(reader_);
}

Snapshot::~Snapshot() {
  if (engine_ != nullptr) engine_->CloseSnapshot(this);
}

// -- opening and closing --------------------------------------------------------------------------

Status Engine::Open(EngineOptions options, std::unique_ptr<Engine>* engine) {
  std::unique_ptr<Engine> opened(new Engine(std::move(options)));
  if (Status status = opened->OpenFiles(); !status.ok()) return status;
  *engine = std::move(opened);
  return Status::Ok();
}

Status Engine::OpenFiles() {
  const auto mode = options_.read_only ? vfs::OpenMode::kRead : vfs::OpenMode::kWrite;
  std::unique_ptr<vfs::File> file;
  const std::string path = options_.path + "/" + kDataFile;
  if (Status status = options_.disk->Open(path, mode, &file); !status.ok()) return status;
  if (Status status =
          OpenPager(std::move(file), {options_.cache_bytes, options_.read_only, options_.mutant},
                    &pager_, &metas_);
      !status.ok()) {
    return status;
  }
  const Meta& current = metas_.current;
  page_size_bytes_ = current.page_size_bytes;
  if (Status status = catalogue_.Load(pager_.get(), current.catalogue, current.next_tree_id);
      !status.ok()) {
    return status;
  }
  log::LogOptions log_options;
  log_options.disk = options_.disk;
  log_options.directory = options_.path;
  log_options.uuid = current.uuid;
  log_options.durability = options_.durability;
  log_options.interval_ms = options_.interval_ms;
  log_options.kept_elsewhere = Lacks(options_.mutant, Rule::kReplayFromL) ? 0 : current.position;
  log_options.read_only = options_.read_only;
  log_options.first_segment_bytes = options_.first_segment_bytes;
  log_options.max_segment_bytes = options_.max_segment_bytes;
  log_options.manual = options_.manual;
  log_options.on_progress = options_.on_progress;
  Replayer replayer(&catalogue_, pager_.get());
  const auto replay = [&](uint64_t, Bytes record) {
    log_bytes_since_checkpoint_ += record.size();
    Status status = VisitRecord(record, &replayer);
    if (status.ok()) (void)MakeRoom();
    return status;
  };
  return log::Log::Open(log_options, replay, &log_);
}

Engine::~Engine() { StopMaintenance(); }

Status Engine::Attach(std::unique_ptr<Attachment>* attachment) {
  Gate::Reader* reader = gate_.Attach();
  if (reader == nullptr) {
    return Status::Error(ErrorCode::kUnavailable,
                         "more than " + std::to_string(Gate::kMaxReaders) +
                             " threads have the store " + path() + " open",
                         "close it in some of them");
  }
  attachment->reset(new Attachment(this, reader));
  const std::lock_guard lock(attachments_mutex_);
  attachments_.insert(attachment->get());
  return Status::Ok();
}

Status Engine::Close() {
  Status rewritten = RewriteIfWasteful();
  is_open_ = false;
  StopMaintenance();
  const std::lock_guard maintenance(maintenance_);
  std::unique_lock writer(writer_);
  if (options_.read_only || has_failed_) return rewritten;
  if (position() > metas_.current.position) {
    // A checkpoint that a full disk may put off: the log has everything.
    Status status = WriteCheckpoint(&writer, std::nullopt);
    if (!status.ok() && !status.Is(ErrorCode::kDiskFull)) return status;
  }
  return log_->Close();
}

Status Engine::RewriteIfWasteful() {
  {
    const std::lock_guard writer(writer_);
    if (options_.read_only || has_failed_ || position() == metas_.current.position) {
      return Status::Ok();
    }
    const FreeList& free_list = *pager_->free_list();
    const uint64_t unused =
        free_list.free_count() + free_list.retired_count() + metas_.free_list_pages.size();
    const uint64_t used = free_list.page_count() - unused;
    const bool gives_back_much =
        unused >= used && unused * page_size_bytes_ >= options_.dense_close_bytes;
    if (!gives_back_much || pager_->dirty_bytes() * 2 < used * page_size_bytes_) {
      return Status::Ok();
    }
  }
  std::unique_ptr<Attachment> attachment;
  Status status = Attach(&attachment);
  if (status.ok()) status = Compact(attachment.get());
  // Refused, it has changed nothing; failed half way, it has said so.
  return has_failed_ ? status : Status::Ok();
}

Status Engine::CheckOpen() const {
  if (!is_open_.load(std::memory_order_relaxed)) {
    return Status::Error(ErrorCode::kClosed, "the store " + path() + " is closed");
  }
  return CheckSound();
}

Status Engine::CheckSound() const {
  if (!has_failed_.load(std::memory_order_relaxed)) return Status::Ok();
  const std::lock_guard lock(failure_mutex_);
  return failure_;
}

Status Engine::CheckWritable() const {
  if (Status status = CheckOpen(); !status.ok()) return status;
  if (options_.read_only) {
    return Status::Error(ErrorCode::kReadOnly,
                         "the store " + path() + " was opened for reading only");
  }
  return Status::Ok();
}

// Takes no more work: what is on disk is unknown until the store is reopened.
void Engine::Fail(const Status& cause) {
  if (Lacks(options_.mutant, Rule::kFailureIsFinal)) return;
  const std::lock_guard lock(failure_mutex_);
  if (has_failed_) return;
  failure_ = Status::Error(
      ErrorCode::kIo,
      "the store " + path() +
          " failed and takes no more work until it is reopened: " + cause.message(),
      "close it, see to the disk, and open it again: what was acknowledged is recovered");
  has_failed_ = true;
}

Status Engine::Failed(Status status, ErrorCode harmless) {
  if (!status.ok() && !status.Is(ErrorCode::kDiskFull) && !status.Is(ErrorCode::kUnavailable) &&
      !status.Is(harmless)) {
    Fail(status);
  }
  return status;
}

Status Engine::FailedHalfWay(const Status& status) {
  Fail(status);
  return NoRefusal(status);
}

// -- writing --------------------------------------------------------------------------------------

Status Engine::Put(Attachment* attachment, TreeSlot* tree, Bytes key, Bytes value,
                   uint64_t* position) {
  Operation operation;
  operation.tree = tree;
  operation.key = key;
  operation.value = value;
  return Apply(attachment, {&operation, 1}, position);
}

Status Engine::Apply(Attachment* attachment, std::span<const Operation> operations,
                     uint64_t* position) {
  const std::lock_guard lock(writer_);
  return Commit(attachment, operations, position);
}

Status Engine::CompareAndSwap(Attachment* attachment, TreeSlot* tree, Bytes key,
                              const std::optional<Bytes>& expected,
                              const std::optional<Bytes>& value, bool* swapped,
                              uint64_t* position) {
  const std::lock_guard lock(writer_);
  if (Status status = CheckWritable(); !status.ok()) return status;
  ValueTarget found;
  if (Status status = Get(attachment, tree, key, &found); !status.ok()) return status;
  *swapped = found.found ? expected && CompareBytes(*expected, found.spill) == 0 : !expected;
  *position = this->position();
  if (!*swapped) return Status::Ok();
  Operation operation;
  operation.kind = value ? Operation::Kind::kPut : Operation::Kind::kDelete;
  operation.tree = tree;
  operation.key = key;
  if (value) operation.value = *value;
  return Commit(attachment, {&operation, 1}, position);
}

Status Engine::Commit(Attachment* attachment, std::span<const Operation> operations,
                      uint64_t* position) {
  if (Status status = CheckWritable(); !status.ok()) return status;
  std::vector<uint32_t> ids;
  Encode(operations, &ids);
  *position = this->position();
  if (record_.bytes().empty()) return Status::Ok();  // nothing to remove
  if (Status status = Reserve(); !status.ok()) return status;
  if (Status status = Warm(attachment, operations); !status.ok()) return status;
  std::vector<LeafValue> cells;
  if (Status status = Prepare(operations, ids, &cells); !status.ok()) return status;

  Status status = Status::Ok();
  size_t done = 0;
  {
    const ExclusiveGuard guard(&gate_);
    size_t awaited = 0;
    while (status.ok() && done < operations.size()) {
      if (done == awaited && operations.size() > 1) awaited += Prefetch(operations.subspan(done));
      status = Perform(operations[done], ids[done], cells[done]);
      if (status.ok()) done++;
    }
    if (status.ok()) *position = log_->Append(record_.bytes());
  }
  if (!options_.submits_apart) log_->Submit();
  if (!status.ok()) {
    // One operation that failed on its way down has changed nothing; a batch may be half done.
    const bool is_neutral = operations.size() == 1 && status.Is(ErrorCode::kCorruption) &&
                            operations.front().kind != Operation::Kind::kClear &&
                            operations.front().kind != Operation::Kind::kDrop;
    if (!is_neutral) return FailedHalfWay(status);
    DropPrepared(cells);
    return status;
  }
  NoteRecord();
  (void)MakeRoom();
  WakeMaintenanceIfDue();
  return Status::Ok();
}

void Engine::NoteRecord() {
  const Bytes record = record_.bytes();
  log_bytes_since_checkpoint_ += record.size();
  if (!is_compacting_) return;
  compaction_tail_bytes_ += record.size();
  if (compaction_tail_bytes_ > kMaxCompactionTailBytes) return;
  compaction_tail_.emplace_back(record.begin(), record.end());
}

void Engine::Encode(std::span<const Operation> operations, std::vector<uint32_t>* ids) {
  record_.Begin();
  ids->reserve(operations.size());
  uint32_t next_id = catalogue_.next_tree_id();
  std::map<const TreeSlot*, uint32_t> created;
  for (const Operation& operation : operations) {
    const TreeSlot* slot = operation.tree;
    uint32_t id = slot->tree ? slot->tree->id() : 0;
    if (id == 0 && !created.empty()) {
      const auto found = created.find(slot);
      if (found != created.end()) id = found->second;
    }
    if (id == 0 && operation.kind == Operation::Kind::kPut) {
      id = next_id++;
      created[slot] = id;
      record_.CreateTree(id, BytesOf(slot->name));
    }
    ids->push_back(id);
    if (id == 0) continue;  // there is nothing to remove in a tree that does not exist
    switch (operation.kind) {
      case Operation::Kind::kPut:
        record_.Put(id, operation.key, operation.value);
        break;
      case Operation::Kind::kDelete:
        record_.Delete(id, operation.key);
        break;
      case Operation::Kind::kClear:
        record_.Clear(id, operation.range);
        break;
      case Operation::Kind::kDrop:
        record_.DropTree(id);
        break;
      case Operation::Kind::kIncrement:
      case Operation::Kind::kAppend:
        break;  // TypeScript refuses these: only an LSM store has them
    }
  }
}

Status Engine::Reserve() {
  // Readers hold pages for as long as they look for something, a checkpoint those that it writes:
  // what they left may go now. What they still hold is no reason to refuse: it was within the bound
  // when they took it, and all that came after it can be written back.
  if (pager_->is_starved()) {
    Status status = MakeRoom();
    if (status.Is(ErrorCode::kDiskFull)) {
      return Status::Error(ErrorCode::kDiskFull, path() + ": no space to write back changed pages",
                           "free some space on the disk; nothing was changed");
    }
    if (!status.ok()) return status;
  }
  const size_t bytes = record_.bytes().size();
  if (bytes > log::kMaxRecordBytes) {
    return Status::Error(ErrorCode::kInvalidInput,
                         "a commit of " + std::to_string(bytes) + " bytes is larger than the " +
                             std::to_string(log::kMaxRecordBytes) + " that the log takes",
                         "write in smaller batches");
  }
  return Failed(log_->Reserve(bytes));
}

Status Engine::Prepare(std::span<const Operation> operations, const std::vector<uint32_t>& ids,
                       std::vector<LeafValue>* cells) {
  cells->resize(operations.size());
  for (size_t i = 0; i < operations.size(); i++) {
    const Operation& operation = operations[i];
    if (operation.kind != Operation::Kind::kPut) continue;
    LeafValue& cell = (*cells)[i];
    cell.length = static_cast<uint32_t>(operation.value.size());
    if (operation.value.size() <= MaxInlineBytes(page_size_bytes_, operation.key.size())) {
      cell.inline_bytes = operation.value;
      continue;
    }
    if (Status status = PrepareLong(ids[i], operation.value, &cell); !status.ok()) {
      DropPrepared(*cells);
      return Failed(status);
    }
  }
  return Status::Ok();
}

Status Engine::PrepareLong(uint32_t tree_id, Bytes value, LeafValue* cell) {
  Chain chain{PageType::kOverflow, tree_id, 0, {}};
  {
    const ExclusiveGuard guard(&gate_);
    chain.birth = pager_->TakeBirth();
    const uint64_t pages = ChainPageCount(value.size(), page_size_bytes_);
    for (uint64_t i = 0; i < pages; i++) chain.numbers.push_back(pager_->free_list()->Allocate());
  }
  if (Status status = WriteChain(pager_.get(), chain, value); !status.ok()) {
    if (Lacks(options_.mutant, Rule::kRefusedPagesBack)) return status;
    const ExclusiveGuard guard(&gate_);
    for (const uint64_t number : chain.numbers) pager_->free_list()->Release(number);
    return status;
  }
  cell->is_overflow = true;
  cell->overflow = {chain.numbers.front(), chain.birth};
  return Status::Ok();
}

void Engine::DropPrepared(const std::vector<LeafValue>& cells) {
  const ExclusiveGuard guard(&gate_);
  for (const LeafValue& cell : cells) btree::DropPrepared(pager_.get(), cell);
}

Status Engine::Warm(Attachment* attachment, std::span<const Operation> operations) {
  while (!operations.empty()) {
    if (pager_->is_complete()) return Status::Ok();
    KeyGroup keys;
    const size_t count = TakeGroup(operations, &keys);
    const TreeSlot* tree = operations.front().tree;
    size_t found = 0;
    {
      const SharedGuard guard(&gate_, attachment->reader_);
      if (Status status = FindKeys(*tree, {keys.data(), count}, &found); !status.ok()) {
        return status;
      }
    }
    for (; found < count; found++) {
      bool is_there = false;
      if (Status status = Has(attachment, tree, keys[found], &is_there); !status.ok()) {
        return status;
      }
    }
    operations = operations.subspan(std::max<size_t>(count, 1));
  }
  return Status::Ok();
}

size_t Engine::Prefetch(std::span<const Operation> operations) {
  KeyGroup keys;
  const size_t count = TakeGroup(operations, &keys);
  const TreeSlot* slot = operations.front().tree;
  if (slot->tree && slot->tree->is_appending()) return std::max<size_t>(count, 1);
  size_t found = 0;
  // Whatever is wrong will show when the operation is performed.
  (void)FindKeys(*slot, {keys.data(), count}, &found);
  return std::max<size_t>(count, 1);
}

Status Engine::FindKeys(const TreeSlot& tree, std::span<const Bytes> keys, size_t* count) {
  *count = keys.size();
  if (keys.empty()) return Status::Ok();
  std::array<GroupedLook, kGroupedKeys> looks;
  uint64_t hits = 0;
  return FindGroup(pager_.get(), tree.root(), keys, &looks, count, &hits);
}

size_t Engine::TakeGroup(std::span<const Operation> operations, KeyGroup* keys) {
  size_t count = 0;
  for (const Operation& operation : operations.first(std::min(operations.size(), kGroupedKeys))) {
    const bool is_for_key =
        operation.kind == Operation::Kind::kPut || operation.kind == Operation::Kind::kDelete;
    if (!is_for_key || operation.tree != operations.front().tree) break;
    (*keys)[count++] = operation.key;
  }
  return count;
}

Status Engine::Perform(const Operation& operation, uint32_t id, const LeafValue& cell) {
  TreeSlot* slot = operation.tree;
  if (operation.kind == Operation::Kind::kPut) {
    if (!slot->tree) {
      if (Status status = catalogue_.Create(id, slot); !status.ok()) return status;
    }
    return slot->tree->Put(operation.key, cell);
  }
  if (!slot->tree) return Status::Ok();
  switch (operation.kind) {
    case Operation::Kind::kDelete:
      return slot->tree->Delete(operation.key);
    case Operation::Kind::kClear:
      return slot->tree->DeleteRange(operation.range);
    case Operation::Kind::kDrop:
      return catalogue_.Drop(slot);
    default:
      return Status::Ok();
  }
}

// A full disk leaves them in memory: see `Reserve`.
Status Engine::MakeRoom() { return Failed(MakeRoomIn(pager_.get())); }

Status Engine::MakeRoomIn(Pager* pager) {
  while (pager->is_over()) {
    std::vector<FrameHandle> dirty;
    {
      const ExclusiveGuard guard(&gate_);
      dirty = pager->Trim(kTrimPages);
      if (dirty.empty()) break;
      pager->BeginWriting();
    }
    Status status = pager->WritePages(dirty);
    const ExclusiveGuard guard(&gate_);
    pager->EndWriting();
    if (!status.ok()) return status;
    pager->MarkClean(dirty);
  }
  return Status::Ok();
}

// -- checkpoints ----------------------------------------------------------------------------------
//
// The state at one log position, written beside everything that is still needed, then one meta
// flipped. Each step is durable before the next begins:
//   1. the log up to L
//   2. the pages of the state, to places that neither meta nor an open snapshot needs, and the free
//   list
//   3. the meta block that holds the older state
//   4. only then: pages and log segments that the older meta needed are free

struct Engine::Captured {
  std::shared_ptr<Pager> pager;
  uint64_t epoch = 0;
  Meta meta;
  std::vector<FrameHandle> dirty;
  Chain list{PageType::kFreeList, 0, 0, {}};
  std::vector<uint8_t> list_bytes;
};

Status Engine::Checkpoint() {
  const std::lock_guard maintenance(maintenance_);
  if (Status status = CheckWritable(); !status.ok()) return status;
  std::unique_lock writer(writer_);
  if (position() == metas_.current.position) return Status::Ok();
  return WriteCheckpoint(&writer, std::nullopt);
}

// Gives `writer` back as soon as the state is captured.
Status Engine::WriteCheckpoint(std::unique_lock<std::mutex>* writer,
                               std::optional<uint64_t> flush_to) {
  // A commit that failed half way has left a state in memory that must never become a checkpoint.
  if (Status status = CheckSound(); !status.ok()) return status;
  Captured captured;
  {
    const ExclusiveGuard guard(&gate_);
    CaptureState(&captured);
  }
  log_bytes_since_checkpoint_ = 0;
  writer->unlock();
  const Status status = WriteState(&captured, flush_to);
  writer->lock();
  const ExclusiveGuard guard(&gate_);
  Pager* pager = captured.pager.get();
  if (status.ok()) {
    metas_.older = metas_.current;
    metas_.current = captured.meta;
    metas_.current_slot = 1 - metas_.current_slot;
    pager->set_meta_epochs(metas_.epochs(options_.mutant));
    checkpoints_++;
  } else if (status.Is(ErrorCode::kDiskFull)) {
    // Whoever gets DISK_FULL goes on with the old metas: the list's pages are nobody's then.
    for (const uint64_t page : captured.list.numbers) pager->free_list()->Release(page);
    metas_.free_list_pages.clear();
  }
  pager->EndWriting();
  pager->CloseEpoch(captured.epoch);
  if (!status.ok()) return Failed(status);
  pager->Reclaim();
  const bool keeps_less = Lacks(options_.mutant, Rule::kLogOfTheOlderMeta);
  log_->DiscardUpTo(keeps_less ? metas_.current.position : metas_.oldest_position());
  return Status::Ok();
}

// The meta of this moment, and its list of free pages laid out: one instant of the writer, no I/O.
void Engine::CaptureState(Captured* captured) {
  FreeList* free_list = pager_->free_list();
  captured->pager = pager_;
  captured->epoch = pager_->OpenEpoch();
  pager_->BeginCheckpoint(captured->epoch);
  for (const Reference& page : metas_.free_list_pages) {
    free_list->Retire({page.page, page.birth, captured->epoch});
  }
  // Taking pages for the list can only make the list shorter, so the first count is enough.
  const size_t bytes_before = EncodePageNumbers(UnusedPages()).size();
  const uint32_t per_page = ChainPageBytes(page_size_bytes_);
  Chain& list = captured->list;
  list.birth = captured->epoch;
  for (size_t i = 0; i * per_page < bytes_before; i++) {
    list.numbers.push_back(free_list->Allocate());
  }
  metas_.free_list_pages.clear();
  for (const uint64_t page : list.numbers) metas_.free_list_pages.push_back({page, list.birth});
  const std::vector<uint64_t> unused = UnusedPages();
  captured->list_bytes = EncodePageNumbers(unused);
  pager_->BeginWriting();
  captured->dirty = pager_->DirtyPages(captured->epoch);

  Meta& meta = captured->meta;
  meta.page_size_bytes = page_size_bytes_;
  meta.epoch = captured->epoch;
  meta.position = position();
  meta.page_count = free_list->page_count();
  meta.catalogue = catalogue_.root();
  if (!list.numbers.empty()) meta.free_list = {list.numbers.front(), list.birth};
  meta.uuid = metas_.current.uuid;
  meta.free_count = unused.size();
  meta.next_tree_id = catalogue_.next_tree_id();
}

// What the current state does not use: free, waiting, or taken by loads under way.
std::vector<uint64_t> Engine::UnusedPages() {
  std::vector<uint64_t> unused = pager_->free_list()->UnusedPages();
  if (unattached_.empty() || Lacks(options_.mutant, Rule::kLoadingPages)) return unused;
  const auto middle = static_cast<ptrdiff_t>(unused.size());
  unused.insert(unused.end(), unattached_.begin(), unattached_.end());
  std::inplace_merge(unused.begin(), unused.begin() + middle, unused.end());
  return unused;
}

Status Engine::WriteState(Captured* captured, std::optional<uint64_t> flush_to) {
  Pager* pager = captured->pager.get();
  Mutant* mutant = options_.mutant;
  if (!Lacks(mutant, Rule::kLogBeforeMeta)) {
    if (Status status = log_->SyncTo(flush_to.value_or(captured->meta.position)); !status.ok()) {
      return status;
    }
  }
  const uint64_t other_slot = 1 - metas_.current_slot;
  // What is left of a damaged meta must not become whole again as a part of a torn write of the new
  // one.
  if (!metas_.older) {
    Status status = EraseMeta(pager->file(), other_slot * page_size_bytes_);
    if (!status.ok()) return status;
  }
  // In portions: commits that go on meanwhile copy what they change, and the originals make room.
  for (size_t from = 0; from < captured->dirty.size(); from += kTrimPages) {
    const size_t count = std::min(kTrimPages, captured->dirty.size() - from);
    const std::span<FrameHandle> portion = std::span(captured->dirty).subspan(from, count);
    if (Status status = pager->WritePages(portion); !status.ok()) return status;
    const ExclusiveGuard guard(&gate_);
    pager->MarkClean(portion);
    for (FrameHandle& handle : portion) handle = FrameHandle();
  }
  if (Status status = WriteChain(pager, captured->list, captured->list_bytes); !status.ok()) {
    return status;
  }
  if (!Lacks(mutant, Rule::kPagesBeforeMeta)) {
    if (Status status = pager->Sync(); !status.ok()) return status;
  }
  const uint64_t slot = Lacks(mutant, Rule::kOtherSlot) ? metas_.current_slot : other_slot;
  // A meta that could not be written may be there all the same, so that is no refusal either.
  if (Status status = pager->file()->Write(EncodeMeta(captured->meta), slot * page_size_bytes_);
      !status.ok()) {
    return NoRefusal(status);
  }
  return Lacks(mutant, Rule::kMetaBeforeReuse) ? Status::Ok() : pager->Sync();
}

uint64_t Engine::DueLogBytes() const {
  const uint64_t usual = options_.checkpoint_log_bytes;
  const uint64_t dirty = pager_->dirty_bytes();
  if (pager_->is_full() && dirty * 2 > pager_->capacity_pages() * page_size_bytes_) {
    return usual / 4;
  }
  return std::min(std::max(usual, dirty / 2), 4 * usual);
}

void Engine::WakeMaintenanceIfDue() {
  if (options_.manual || log_bytes_since_checkpoint_ < DueLogBytes()) return;
  const std::lock_guard lock(maintenance_signal_mutex_);
  if (checkpoint_wanted_ || is_stopping_) return;
  checkpoint_wanted_ = true;
  if (!maintenance_thread_.joinable()) {
    maintenance_thread_ = std::thread([this] { MaintenanceLoop(); });
  }
  maintenance_signal_.notify_one();
}

void Engine::MaintenanceLoop() {
  std::unique_lock lock(maintenance_signal_mutex_);
  while (true) {
    maintenance_signal_.wait(lock, [this] { return checkpoint_wanted_ || is_stopping_; });
    if (is_stopping_) return;
    lock.unlock();
    // A full disk: tried again after as much log. All else is kept in `failure_`.
    (void)Checkpoint();
    lock.lock();
    checkpoint_wanted_ = false;
  }
}

void Engine::StopMaintenance() {
  {
    const std::lock_guard lock(maintenance_signal_mutex_);
    is_stopping_ = true;
    maintenance_signal_.notify_one();
  }
  if (maintenance_thread_.joinable()) maintenance_thread_.join();
}

EngineStats Engine::Stats() {
  EngineStats stats;
  {
    const std::lock_guard lock(attachments_mutex_);
    stats.cache_hits = detached_hits_;
    for (const Attachment* attachment : attachments_) stats.cache_hits += attachment->hits();
  }
  stats.log = log_->stats();
  stats.durable_position = log_->durable_position();
  const ExclusiveGuard guard(&gate_);
  stats.cache = pager_->stats();
  (void)pager_->file()->Size(&stats.data_file_bytes);
  FreeList* free_list = pager_->free_list();
  stats.page_count = free_list->page_count();
  stats.free_pages = free_list->free_count();
  stats.retired_pages = free_list->retired_count();
  stats.position = position();
  stats.checkpoint_position = metas_.current.position;
  stats.checkpoints = checkpoints_;
  stats.open_snapshots = open_snapshots_.size();
  uint64_t oldest = MonotonicMs();
  const uint64_t now = oldest;
  for (const Snapshot* snapshot : open_snapshots_) oldest = std::min(oldest, snapshot->since_ms_);
  stats.oldest_snapshot_ms = now - oldest;
  return stats;
}

}  // namespace bedplate::btree
