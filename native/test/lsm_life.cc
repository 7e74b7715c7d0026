#include "test/lsm_life.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>

#include "core/little_endian.h"
#include "lsm/build_tables.h"
#include "lsm/internal_key.h"
#include "lsm/manifest.h"
#include "lsm/operands.h"

namespace bedplate::lsm {
namespace {

using OperationKind = ordered::OperationKind;

// How a complaint about an entry begins.
std::string Named(const std::string& tree, const std::string& key) {
  return std::string("key ").append(key).append(" of \"").append(tree).append("\" ");
}

bool IsOfTables(std::string_view path) {
  return path.ends_with(".sst") || path.ends_with("/manifest.new");
}

void ApplyTo(StoreModel* model, const Change& change) {
  switch (change.kind) {
    case OperationKind::kPut:
      (*model)[change.tree][change.key] = change.value;
      break;
    case OperationKind::kIncrement: {
      std::string& value = (*model)[change.tree][change.key];
      const auto by = static_cast<int64_t>(LoadU64(AsBytes(change.value).data()));
      value = std::to_string(NumberOf(AsBytes(value)) + by);
      break;
    }
    case OperationKind::kAppend:
      (*model)[change.tree][change.key] += change.value;
      break;
    case OperationKind::kDelete:
      if (model->contains(change.tree)) (*model)[change.tree].erase(change.key);
      break;
    case OperationKind::kClear:
      if (model->contains(change.tree)) {
        auto& entries = (*model)[change.tree];
        entries.erase(entries.lower_bound(change.key), entries.lower_bound(change.value));
      }
      break;
    case OperationKind::kDrop:
      model->erase(change.tree);
      break;
  }
}

// Views of `change`.
Operation OperationOf(Engine* engine, const Change& change) {
  Operation operation;
  operation.kind = change.kind;
  operation.tree = engine->TreeOf(change.tree);
  if (change.kind == OperationKind::kClear) {
    operation.range.lower = AsBytes(change.key);
    operation.range.upper = AsBytes(change.value);
    operation.range.upper_inclusive = false;
  } else {
    operation.key = AsBytes(change.key);
    operation.value = AsBytes(change.value);
  }
  return operation;
}

// Where two models differ, in words.
std::string Difference(const StoreModel& found, const StoreModel& expected) {
  for (const auto& [tree, entries] : expected) {
    const auto there = found.find(tree);
    if (there == found.end()) return "tree \"" + tree + "\" is missing";
    for (const auto& [key, value] : entries) {
      const auto entry = there->second.find(key);
      if (entry == there->second.end()) return Named(tree, key) + "is missing";
      if (entry->second != value) return Named(tree, key) + "has another value";
    }
    if (there->second.size() > entries.size()) return "tree \"" + tree + "\" has keys too many";
  }
  return "there are trees too many";
}

Complaint MustEqual(const StoreModel& found, const StoreModel& expected, const std::string& what) {
  if (found == expected) return Status::Ok();
  return Must(false, what + ": " + Difference(found, expected));
}

// Hands out the entries of a block.
template <typename Visit>
void VisitEntries(const ordered::Block& block, Visit visit) {
  const uint8_t* at = block.bytes().data();
  for (uint32_t i = 0; i < block.count; i++) {
    const uint32_t key_length = LoadU32(at);
    const uint32_t value_length = LoadU32(at + 4);
    const uint8_t* key = at + ordered::kEntryHeaderBytes;
    at = key + key_length + value_length;
    visit(std::string(AsText({key, key_length})),
          std::string(AsText({key + key_length, value_length})));
  }
}

}  // namespace

std::shared_ptr<vfs::SimulatedDisk> LsmLife::FreshDisk(const LifeSettings& settings) {
  Manifest manifest;
  manifest.uuid[0] = 7;
  manifest.shape = settings.shape;
  manifest.plan = settings.plan;
  // The log is made on a disk of its own: what is on the new disk is all durable.
  vfs::SimulatedDiskOptions options;
  options.image.directories.insert(vfs::CleanPath(kDirectory));
  options.image.files.emplace(vfs::CleanPath(std::string(kDirectory) + "/manifest"),
                              vfs::FileBytes(EncodeManifest(manifest)));
  vfs::SimulatedDisk maker(options);
  log::LogOptions log_options;
  log_options.disk = &maker;
  log_options.directory = kDirectory;
  log_options.uuid = manifest.uuid;
  log_options.first_segment_bytes = settings.first_segment_bytes;
  log_options.max_segment_bytes = settings.max_segment_bytes;
  log_options.manual = true;
  std::unique_ptr<log::Log> log;
  Status status = log::Log::Open(
      log_options, [](uint64_t, Bytes) { return Status::Ok(); }, &log);
  // An empty commit: a store has a log from its beginning.
  if (status.ok()) status = log->Reserve(0);
  if (status.ok()) {
    log->Append({});
    status = log->Close();
  }
  options.image = maker.CurrentImage();
  options.medium = settings.medium;
  return status.ok() ? std::make_shared<vfs::SimulatedDisk>(options) : nullptr;
}

Expectation LsmLife::Nothing() {
  Expectation nothing;
  nothing.states.resize(2);  // before and after the empty commit
  nothing.floor = 1;
  nothing.ceiling = 1;
  return nothing;
}

LsmLife::LsmLife(std::shared_ptr<vfs::SimulatedDisk> disk, const LifeSettings& settings,
                 const Expectation& before)
    : disk_(std::move(disk)),
      hooked_(std::make_unique<HookedDisk>(
          disk_.get(),
          [this](const std::string& path) {
            if (!IsOfTables(path) || !settings_.interrupts || is_interrupting_) return;
            // Only while it is open, and somebody else works on it.
            if (attachment_ == nullptr || on_interruption == nullptr) return;
            if (!interruption_.ok() || !engine_->CheckWritable().ok()) return;
            is_interrupting_ = true;
            interruption_ = on_interruption();
            is_interrupting_ = false;
          })),
      settings_(settings),
      before_(before) {}

LsmLife::~LsmLife() { Abandon(); }

Complaint LsmLife::Begin(std::shared_ptr<vfs::SimulatedDisk> disk, const LifeSettings& settings,
                         const Expectation& before, std::unique_ptr<LsmLife>* life) {
  std::unique_ptr<LsmLife> begun(new LsmLife(std::move(disk), settings, before));
  Complaint complaint = begun->Open(before);
  if (complaint.ok()) *life = std::move(begun);
  return complaint;
}

Expectation LsmLife::ExpectationAt(size_t point, vfs::CrashVariant variant) const {
  Expectation expected = before_;
  // With everything unsynced kept, it is as if the process had been killed; not so after a failed
  // sync that lost what had been acknowledged without it.
  const bool is_kill = variant == vfs::CrashVariant::kAll && !disk_->HasDroppedBefore(point);
  size_t committed = 0;
  for (const Event& event : events_) {
    if (event.at > point) break;
    switch (event.kind) {
      case Kind::kCommitted:
        expected.states.push_back(committed_[committed++]);
        expected.ceiling++;
        break;
      case Kind::kFound:
        expected.states = {expected.StateAt(event.position)};
        expected.first = event.position;
        expected.floor = event.position;
        expected.ceiling = event.position;
        break;
      case Kind::kAcknowledged:
        if (is_kill) expected.floor = std::max(expected.floor, event.position);
        break;
      case Kind::kDurable:
        expected.floor = std::max(expected.floor, event.position);
        break;
    }
  }
  return expected;
}

Complaint LsmLife::Commit(const StoreModel& after, const std::function<Status()>& commit) {
  const uint64_t before = position();
  Note(Kind::kCommitted, before + 1);
  const size_t event = events_.size() - 1;
  committed_.push_back(after);
  now_.states.push_back(after);
  Status status = commit();
  if (engine_->position() == before) {
    if (position() != before + 1) return Must(false, "others committed, but this did not");
    events_.erase(events_.begin() + static_cast<ptrdiff_t>(event));
    committed_.pop_back();
    now_.states.pop_back();
    if (status.ok() && after != model()) return Must(false, "a commit changed nothing");
  }
  NotePromises();
  if (!status.ok()) return status;
  return Must(engine_->position() == position(), "the store is at " +
                                                     std::to_string(engine_->position()) +
                                                     ", not at " + std::to_string(position()));
}

Complaint LsmLife::Apply(const std::vector<Change>& changes) {
  StoreModel after = model();
  std::vector<Operation> operations;
  for (const Change& change : changes) {
    ApplyTo(&after, change);
    operations.push_back(OperationOf(engine_.get(), change));
  }
  return Commit(after, [&] {
    uint64_t position = 0;
    return engine_->Apply(attachment_.get(), operations, &position);
  });
}

Complaint LsmLife::CompareAndSwap(const std::string& tree, const std::string& key,
                                  bool expects_right, const std::string& value) {
  StoreModel after = model();
  const auto entries = after.find(tree);
  std::optional<std::string> present;
  if (entries != after.end() && entries->second.contains(key)) present = entries->second[key];
  if (!expects_right) present = "what nobody ever wrote";
  std::optional<Bytes> expected;
  if (present) expected = AsBytes(*present);
  if (expects_right) ApplyTo(&after, {OperationKind::kPut, tree, key, value});
  bool swapped = false;
  Complaint complaint = Commit(after, [&] {
    uint64_t position = 0;
    return engine_->CompareAndSwap(attachment_.get(), engine_->TreeOf(tree), AsBytes(key), expected,
                                   AsBytes(value), &swapped, &position);
  });
  if (!complaint.ok()) return complaint;
  return Must(swapped == expects_right, "a swap had the wrong outcome");
}

namespace {

// Entries as versions that have no sequence yet.
class EntryCursor final : public VersionCursor {
 public:
  EntryCursor(uint32_t tree_id, const std::map<std::string, std::string>& entries)
      : tree_id_(tree_id), next_(entries.begin()), end_(entries.end()) {}

  Status Step(bool* found) override {
    *found = next_ != end_;
    if (!*found) return Status::Ok();
    const InternalKey internal(tree_id_, AsBytes(next_->first));
    key_.assign(internal.bytes().begin(), internal.bytes().end());
    version_ = {key_, 0, EntryKind::kPut, AsBytes(next_->second)};
    entry_ = &version_;
    next_++;
    return Status::Ok();
  }

 private:
  const uint32_t tree_id_;
  std::map<std::string, std::string>::const_iterator next_;
  const std::map<std::string, std::string>::const_iterator end_;
  std::vector<uint8_t> key_;
  Entry version_;
};

}  // namespace

Complaint LsmLife::IdFor(const std::string& tree, uint32_t* id) {
  StoreModel with_tree = model();
  const auto make = [&] { return engine_->IdFor(engine_->TreeOf(tree), id); };
  if (!with_tree.try_emplace(tree).second) return make();
  Complaint complaint = Commit(with_tree, make);
  if (complaint.ok()) tree_made_at_ = position();
  return complaint;
}

Status LsmLife::BuildTablesOf(uint32_t tree_id, const std::map<std::string, std::string>& entries,
                              std::vector<TableInfo>* made) {
  Workshop workshop;
  workshop.disk = hooked_.get();
  workshop.path = kDirectory;
  workshop.shape = settings_.shape;
  workshop.mutant = settings_.mutant;
  workshop.new_identity = [this] {
    TableIdentity identity;
    identity.number = engine_->TakeTableNumber();
    for (uint8_t& byte : identity.id) byte = static_cast<uint8_t>(ids_.Below(256));
    identity.created_at_ms = 1'000'000;
    return identity;
  };
  workshop.on_failed_sync = [this](const Status& cause) { engine_->NoteFailedSync(cause); };
  EntryCursor versions(tree_id, entries);
  Batch batch;
  batch.versions = &versions;
  batch.table_bytes = settings_.plan.style == CompactionStyle::kLeveled ? 1024 : UINT64_MAX;
  return BuildTables(workshop, batch, made);
}

Complaint LsmLife::Ingest(const std::string& tree,
                          const std::map<std::string, std::string>& entries) {
  uint32_t id = 0;
  if (Complaint complaint = IdFor(tree, &id); !complaint.ok()) return complaint;
  std::vector<TableInfo> made;
  if (Status status = Settled(BuildTablesOf(id, entries, &made)); !status.ok()) return status;
  Run tables;
  for (const TableInfo& table : made) tables.push_back(std::make_shared<const TableInfo>(table));
  const TreeSlot& slot = *engine_->TreeOf(tree);
  const bool is_there = slot.id == id;
  StoreModel after = model();
  if (is_there) {
    for (const auto& [key, value] : entries) after[tree][key] = value;
  }
  const Complaint complaint = Commit(after, [&] {
    uint64_t position = 0;
    return engine_->Ingest(slot, id, tables, &position);
  });
  if (complaint.ok()) {
    ingested_at_ = position();
    return Must(is_there, "entries were ingested into a tree that was dropped");
  }
  for (const TableInfo& table : made) {
    Discard(hooked_.get(), std::string(kDirectory) + "/" + TableName(table.number));
  }
  return complaint.Is(ErrorCode::kConflict) && !is_there ? Status::Ok() : complaint;
}

Complaint LsmLife::FlushFrozen() {
  const uint64_t ingested = ingested_at_;
  Complaint complaint = Settled(engine_->FlushFrozen());
  if (!complaint.ok()) return complaint;
  return Must(engine_->Stats().flushed_position >= ingested, "what was ingested waits still");
}

void LsmLife::Turn() {
  engine_->log()->RequestSync(0);
  NotePromises();
}

Complaint LsmLife::Sync() {
  if (engine_->held_from() != UINT64_MAX) {
    if (Complaint complaint = FlushFrozen(); !complaint.ok()) return complaint;
  }
  const uint64_t last = position();
  if (Status status = engine_->log()->SyncTo(std::min(last, engine_->held_from() - 1));
      !status.ok()) {
    return status;
  }
  if (engine_->held_from() <= last) return Status::Ok();  // others have ingested meanwhile
  NotePromises();
  return Must(engine_->log()->durable_position() >= last, "SyncTo succeeded too early");
}

// What work on the whole store comes to.
Complaint LsmLife::Settled(const Status& status) {
  NotePromises();
  return interruption_.ok() ? status : interruption_;
}

Complaint LsmLife::Flush() {
  const uint64_t last = position();
  Complaint complaint = Settled(engine_->Flush());
  if (!complaint.ok()) return complaint;
  // With nothing in memory there is nothing to do; at first there is an empty commit.
  const bool has_something = last != 1 && last != tree_made_at_;
  return Must(engine_->Stats().flushed_position >= last || !has_something,
              "a flush ended too early");
}

Complaint LsmLife::Compact() { return Settled(engine_->Compact()); }

Complaint LsmLife::Work() { return Settled(engine_->DoBackgroundWork()); }

Complaint LsmLife::Pin() {
  std::shared_ptr<Snapshot> snapshot;
  if (Status status = engine_->OpenSnapshot(&snapshot); !status.ok()) return status;
  // Inside of a commit that is under way, the last one that counts is the one before it.
  Complaint complaint =
      Must(snapshot->position() == position(), "a snapshot is of another position");
  pinned_.emplace_back(std::move(snapshot), model());
  return complaint;
}

Complaint LsmLife::Unpin() {
  if (pinned_.empty()) return Status::Ok();
  StoreModel found;
  Status status = ReadAll(pinned_.front().first, /*reverse=*/false, &found);
  if (status.ok()) status = MustEqual(found, pinned_.front().second, "a snapshot changed");
  pinned_.erase(pinned_.begin());
  return status;
}

Complaint LsmLife::BeginWalk(const std::string& tree, bool reverse) {
  Walking walking{nullptr, reverse, {}};
  if (const auto entries = model().find(tree); entries != model().end()) {
    walking.left = entries->second;
  }
  Status status = RangeWalk::Open(engine_.get(), attachment_.get(), *engine_->TreeOf(tree), nullptr,
                                  0, {}, reverse, UINT64_MAX, &walking.walk);
  bool has_ended = false;
  if (status.ok()) status = GoOn(&walking, 100, &has_ended);
  if (status.ok()) walking_.push_back(std::move(walking));
  return status;
}

Complaint LsmLife::EndWalk() {
  if (walking_.empty()) return Status::Ok();
  Walking walking = std::move(walking_.front());
  walking_.erase(walking_.begin());
  bool has_ended = false;
  while (!has_ended) {
    if (Complaint complaint = GoOn(&walking, 1000, &has_ended); !complaint.ok()) return complaint;
  }
  return Must(walking.left.empty(), "a walk has missed a key");
}

Complaint LsmLife::GoOn(Walking* walking, size_t max_bytes, bool* has_ended) {
  ordered::Block block;
  Status status = walking->walk->Read(engine_.get(), attachment_.get(), max_bytes, &block);
  if (!status.ok()) return status;
  *has_ended = block.count == 0;
  bool is_right = true;
  VisitEntries(block, [&](const std::string& key, const std::string& value) {
    auto& left = walking->left;
    if (left.empty()) {
      is_right = false;
      return;
    }
    const auto next = walking->reverse ? std::prev(left.end()) : left.begin();
    is_right = is_right && next->first == key && next->second == value;
    left.erase(next);
  });
  return Must(is_right, "a walk shows another state than that of its beginning");
}

Complaint LsmLife::Read(const std::string& tree, const std::string& key) {
  ordered::ValueTarget value;
  Status status = engine_->Get(attachment_.get(), engine_->TreeOf(tree), AsBytes(key), &value);
  if (!status.ok()) return status;
  const auto entries = model().find(tree);
  const bool is_there = entries != model().end() && entries->second.contains(key);
  if (value.found != is_there) return Must(false, "key " + key + " is there, or not, wrongly");
  return Must(!is_there || AsText(value.bytes()) == entries->second.at(key),
              "key " + key + " has another value");
}

Complaint LsmLife::ReadAll(const std::shared_ptr<Snapshot>& snapshot, bool reverse,
                           StoreModel* model) {
  for (const auto& [tree, id] : snapshot->catalogue().ids) {
    auto& entries = (*model)[tree];
    std::unique_ptr<RangeWalk> walk;
    Status status = RangeWalk::OpenIn(engine_.get(), *snapshot, id, {}, reverse, UINT64_MAX, &walk);
    ordered::Block block;
    while (status.ok()) {
      status = walk->Read(engine_.get(), attachment_.get(), 5000, &block);
      if (!status.ok() || block.count == 0) break;
      VisitEntries(block,
                   [&](const std::string& key, const std::string& value) { entries[key] = value; });
    }
    if (!status.ok()) return status;
  }
  return Status::Ok();
}

Complaint LsmLife::Check() {
  std::shared_ptr<Snapshot> snapshot;
  if (Status status = engine_->OpenSnapshot(&snapshot); !status.ok()) return status;
  for (const bool reverse : {false, true}) {
    StoreModel found;
    Status status = ReadAll(snapshot, reverse, &found);
    if (status.ok()) status = MustEqual(found, model(), "the store differs");
    if (!status.ok()) return status;
  }
  return Status::Ok();
}

Complaint LsmLife::CheckFiles() {
  std::shared_ptr<Hold> hold;
  if (Status status = engine_->OpenHold(&hold); !status.ok()) return status;
  std::set<std::string> named;
  for (const TableRef& table : hold->moment().state->version->Tables()) {
    named.insert(TableName(table->number));
  }
  std::vector<std::string> names;
  if (Status status = disk_->List(kDirectory, &names); !status.ok()) return status;
  for (const std::string& name : names) {
    uint64_t number = 0;
    const bool is_orphan = ParseTableName(name, &number) && !named.contains(name);
    if (is_orphan) return Must(false, name + " is left, and nothing names it");
  }
  return Status::Ok();
}

Complaint LsmLife::Close() {
  while (!pinned_.empty()) {
    if (Complaint complaint = Unpin(); !complaint.ok()) return complaint;
  }
  while (!walking_.empty()) {
    if (Complaint complaint = EndWalk(); !complaint.ok()) return complaint;
  }
  attachment_.reset();
  const Status status = engine_->Close();
  // What fails while it is closed costs only what was acknowledged to nobody.
  const uint64_t kept =
      std::max(engine_->log()->durable_position(), engine_->Stats().flushed_position);
  if (status.ok()) Note(Kind::kDurable, kept);
  engine_.reset();
  return interruption_.ok() ? status : interruption_;
}

void LsmLife::Abandon() {
  pinned_.clear();
  walking_.clear();
  attachment_.reset();
  engine_.reset();
}

Complaint LsmLife::Reopen() {
  Abandon();
  return Open(ExpectationNow());
}

Complaint LsmLife::Open(const Expectation& expected) {
  interruption_ = Status::Ok();
  EngineOptions options;
  options.disk = hooked_.get();
  options.path = kDirectory;
  options.memtable_bytes = settings_.memtable_bytes;
  options.memory_bytes = settings_.memory_bytes;
  options.max_open_files = 3;
  options.table_bytes = 1024;
  options.limits = {2, 4096};
  options.durability = settings_.durability;
  options.interval_ms = 1;
  options.first_segment_bytes = settings_.first_segment_bytes;
  options.max_segment_bytes = settings_.max_segment_bytes;
  options.now_ms = [] { return uint64_t{1'000'000}; };
  options.random = [this](std::span<uint8_t> target) {
    for (uint8_t& byte : target) byte = static_cast<uint8_t>(ids_.Below(256));
  };
  options.manual = true;
  options.mutant = settings_.mutant;
  if (Status status = Engine::Open(options, &engine_); !status.ok()) return status;
  if (Status status = engine_->Attach(&attachment_); !status.ok()) return status;
  const uint64_t found = engine_->position();
  const std::string came_back = "position " + std::to_string(found) + " came back";
  Complaint complaint =
      Must(found >= expected.floor,
           "lost: up to " + std::to_string(expected.floor) + " was promised, " + came_back);
  if (complaint.ok()) {
    complaint = Must(found <= expected.ceiling,
                     "invented: " + came_back + " of " + std::to_string(expected.ceiling));
  }
  if (!complaint.ok()) return complaint;
  now_ = {};
  ingested_at_ = 0;
  now_.first = found;
  now_.states = {expected.StateAt(found)};
  Note(Kind::kFound, found);
  if (!settings_.may_keep_files) complaint = CheckFiles();
  return complaint.ok() ? Check() : complaint;
}

void LsmLife::NotePromises() {
  Note(Kind::kDurable, engine_->log()->durable_position());
  // What is only in memory is promised to nobody.
  if (settings_.durability != log::Durability::kMemory) {
    Note(Kind::kAcknowledged, engine_->acknowledged_position());
  }
}

void LsmLife::Note(Kind kind, uint64_t position) {
  events_.push_back({kind, disk_->history_length(), position});
}

}  // namespace bedplate::lsm
