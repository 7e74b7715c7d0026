#include "test/btree_life.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "btree/meta.h"

namespace bedplate::btree {
namespace {

// How a complaint about an entry begins.
std::string Named(const std::string& tree, const std::string& key) {
  return std::string("key ").append(key).append(" of \"").append(tree).append("\" ");
}

bool IsDataFile(std::string_view path) {
  return path.ends_with("/data") || path.ends_with("/data.compact");
}

void ApplyTo(Model* model, const Change& change) {
  switch (change.kind) {
    case Change::Kind::kPut:
      (*model)[change.tree][change.key] = change.value;
      break;
    case Change::Kind::kDelete:
      if (model->contains(change.tree)) (*model)[change.tree].erase(change.key);
      break;
    case Change::Kind::kClear:
      if (model->contains(change.tree)) {
        auto& entries = (*model)[change.tree];
        entries.erase(entries.lower_bound(change.key), entries.lower_bound(change.value));
      }
      break;
    case Change::Kind::kDrop:
      model->erase(change.tree);
      break;
  }
}

Operation OperationOf(Engine* engine, const Change& change) {
  Operation operation;
  operation.tree = engine->TreeOf(change.tree);
  switch (change.kind) {
    case Change::Kind::kPut:
      operation.key = BytesOf(change.key);
      operation.value = BytesOf(change.value);
      break;
    case Change::Kind::kDelete:
      operation.kind = Operation::Kind::kDelete;
      operation.key = BytesOf(change.key);
      break;
    case Change::Kind::kClear:
      operation.kind = Operation::Kind::kClear;
      operation.range.lower = BytesOf(change.key);
      operation.range.upper = BytesOf(change.value);
      operation.range.upper_inclusive = false;
      break;
    case Change::Kind::kDrop:
      operation.kind = Operation::Kind::kDrop;
      break;
  }
  return operation;
}

// Where two models differ, in words.
std::string Difference(const Model& found, const Model& expected) {
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

Complaint MustEqual(const Model& found, const Model& expected, const std::string& what) {
  if (found == expected) return Status::Ok();
  return Must(false, what + ": " + Difference(found, expected));
}

}  // namespace

std::shared_ptr<vfs::SimulatedDisk> StoreLife::FreshDisk(const StoreSettings& settings) {
  Meta meta;
  meta.page_size_bytes = settings.page_size_bytes;
  meta.uuid[0] = 7;
  std::vector<uint8_t> data(2 * size_t{settings.page_size_bytes});
  std::ranges::copy(EncodeMeta(meta), data.begin());
  meta.epoch = 1;
  std::ranges::copy(EncodeMeta(meta), data.begin() + settings.page_size_bytes);
  vfs::SimulatedDiskOptions options;
  options.medium = settings.medium;
  options.image.directories.insert(vfs::CleanPath(kDirectory));
  options.image.files.emplace(vfs::CleanPath(std::string(kDirectory) + "/data"),
                              vfs::FileBytes(data));
  return std::make_shared<vfs::SimulatedDisk>(options);
}

Expectation StoreLife::Nothing() {
  Expectation nothing;
  nothing.states.emplace_back();
  return nothing;
}

StoreLife::StoreLife(std::shared_ptr<vfs::SimulatedDisk> disk, const StoreSettings& settings,
                     const Expectation& before)
    : disk_(std::move(disk)),
      hooked_(std::make_unique<HookedDisk>(
          disk_.get(),
          [this](const std::string& path) {
            if (!IsDataFile(path) || !settings_.interrupts || is_interrupting_) return;
            // Only while it is open, and somebody else works on it.
            if (attachment_ == nullptr || on_interruption == nullptr) return;
            if (!interruption_.ok() || !engine_->CheckWritable().ok()) return;
            is_interrupting_ = true;
            interruption_ = on_interruption();
            is_interrupting_ = false;
          })),
      settings_(settings),
      before_(before) {}

StoreLife::~StoreLife() { Abandon(); }

Complaint StoreLife::Begin(std::shared_ptr<vfs::SimulatedDisk> disk, const StoreSettings& settings,
                           const Expectation& before, std::unique_ptr<StoreLife>* life) {
  std::unique_ptr<StoreLife> begun(new StoreLife(std::move(disk), settings, before));
  Complaint complaint = begun->Open(before);
  if (complaint.ok()) *life = std::move(begun);
  return complaint;
}

Expectation StoreLife::ExpectationAt(size_t point, vfs::CrashVariant variant) const {
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
      case Kind::kLoadBegins:
        expected.is_loading = true;
        break;
      case Kind::kLoadEnds:
        expected.is_loading = false;
        break;
    }
  }
  return expected;
}

Complaint StoreLife::Commit(const Model& after, const std::function<Status()>& commit) {
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
  return Must(engine_->position() == position(), "the log is at " +
                                                     std::to_string(engine_->position()) +
                                                     ", not at " + std::to_string(position()));
}

Complaint StoreLife::Apply(const std::vector<Change>& changes) {
  Model after = model();
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

Complaint StoreLife::CompareAndSwap(const std::string& tree, const std::string& key,
                                    bool expects_right, const std::string& value) {
  Model after = model();
  const auto entries = after.find(tree);
  std::optional<std::string> present;
  if (entries != after.end() && entries->second.contains(key)) present = entries->second[key];
  if (!expects_right) present = "what nobody ever wrote";
  std::optional<Bytes> expected;
  if (present) expected = BytesOf(*present);
  if (expects_right) ApplyTo(&after, {Change::Kind::kPut, tree, key, value});
  bool swapped = false;
  Complaint complaint = Commit(after, [&] {
    uint64_t position = 0;
    return engine_->CompareAndSwap(attachment_.get(), engine_->TreeOf(tree), BytesOf(key), expected,
                                   BytesOf(value), &swapped, &position);
  });
  if (!complaint.ok()) return complaint;
  return Must(swapped == expects_right, "a swap had the wrong outcome");
}

void StoreLife::Turn() {
  engine_->log()->RequestSync(0);
  NotePromises();
}

Complaint StoreLife::Sync() {
  const uint64_t last = position();
  if (Status status = engine_->log()->SyncTo(last); !status.ok()) return status;
  NotePromises();
  return Must(engine_->log()->durable_position() >= last, "SyncTo succeeded too early");
}

Complaint StoreLife::Checkpoint() {
  Status status = engine_->Checkpoint();
  NotePromises();
  if (!interruption_.ok()) return interruption_;
  return status;
}

Complaint StoreLife::Compact() {
  Status status = engine_->Compact(attachment_.get());
  NotePromises();
  if (!interruption_.ok()) return interruption_;
  return status;
}

Complaint StoreLife::Load(const std::string& tree,
                          const std::map<std::string, std::string>& entries,
                          const std::function<Complaint()>& between, bool gives_up) {
  std::unique_ptr<BulkLoad> load;
  Status status = engine_->BeginBulkLoad(engine_->TreeOf(tree), &load);
  size_t added = 0;
  for (const auto& [key, value] : entries) {
    if (!status.ok()) return status;
    if (added++ == entries.size() / 2) status = between();
    if (status.ok()) status = load->Add(BytesOf(key), BytesOf(value));
  }
  if (!status.ok() || gives_up || entries.empty()) return status;
  Model after = model();
  after[tree] = entries;
  const uint64_t loaded = position() + 1;
  const uint64_t checkpoints = engine_->Stats().checkpoints;
  Note(Kind::kLoadBegins, loaded);
  Complaint complaint = Commit(after, [&] {
    uint64_t count = 0;
    Status finished = load->Finish(&count);
    if (finished.ok()) finished = Must(count == entries.size(), "a load lost entries");
    return finished;
  });
  const bool is_put_off = settings_.may_be_full && engine_->Stats().checkpoints < checkpoints + 2;
  if (complaint.ok() && !is_put_off) Note(Kind::kLoadEnds, loaded);
  if (complaint.ok()) complaint = interruption_;
  // A load is durable when it is finished.
  if (complaint.ok()) {
    complaint =
        Must(engine_->log()->durable_position() >= loaded, "a finished load is not durable");
  }
  return complaint;
}

Complaint StoreLife::Pin() {
  std::shared_ptr<Snapshot> snapshot;
  if (Status status = engine_->OpenSnapshot(&snapshot); !status.ok()) return status;
  Complaint complaint =
      Must(snapshot->position() == position(), "a snapshot is of another position");
  pinned_.emplace_back(std::move(snapshot), model());
  return complaint;
}

Complaint StoreLife::Unpin() {
  if (pinned_.empty()) return Status::Ok();
  Model found;
  Status status = ReadAll(engine_.get(), attachment_.get(), *pinned_.front().first, &found);
  if (status.ok()) status = MustEqual(found, pinned_.front().second, "a snapshot changed");
  pinned_.erase(pinned_.begin());
  return status;
}

Complaint StoreLife::Read(const std::string& tree, const std::string& key) {
  ValueTarget value;
  Status status = engine_->Get(attachment_.get(), engine_->TreeOf(tree), BytesOf(key), &value);
  if (!status.ok()) return status;
  const auto entries = model().find(tree);
  const bool is_there = entries != model().end() && entries->second.contains(key);
  if (value.found != is_there) return Must(false, "key " + key + " is there, or not, wrongly");
  return Must(!is_there || AsText(value.spill) == entries->second.at(key),
              "key " + key + " has another value");
}

Complaint StoreLife::Check() {
  std::shared_ptr<Snapshot> snapshot;
  if (Status status = engine_->OpenSnapshot(&snapshot); !status.ok()) return status;
  Model found;
  Status status = ReadAll(engine_.get(), attachment_.get(), *snapshot, &found);
  if (status.ok()) status = MustEqual(found, model(), "the store differs");
  snapshot.reset();
  return status.ok() ? CheckStructure(engine_.get(), attachment_.get()) : status;
}

Complaint StoreLife::Close() {
  while (!pinned_.empty()) {
    if (Complaint complaint = Unpin(); !complaint.ok()) return complaint;
  }
  attachment_.reset();
  const bool is_sound = engine_->CheckOpen().ok();
  const Status status = engine_->Close();
  if (status.ok() && is_sound) Note(Kind::kDurable, position());
  engine_.reset();
  return interruption_.ok() ? status : interruption_;
}

void StoreLife::Abandon() {
  pinned_.clear();
  attachment_.reset();
  engine_.reset();
}

Complaint StoreLife::Reopen() {
  Abandon();
  return Open(ExpectationNow());
}

Complaint StoreLife::Open(const Expectation& expected) {
  interruption_ = Status::Ok();
  EngineOptions options;
  options.disk = hooked_.get();
  options.path = kDirectory;
  options.cache_bytes = settings_.cache_bytes;
  options.durability = settings_.durability;
  options.interval_ms = 1;
  options.first_segment_bytes = settings_.first_segment_bytes;
  options.max_segment_bytes = settings_.max_segment_bytes;
  options.dense_close_bytes = settings_.dense_close_bytes;
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
  now_.first = found;
  now_.states = {expected.StateAt(found)};
  Note(Kind::kFound, found);
  return Check();
}

void StoreLife::NotePromises() {
  Note(Kind::kDurable, engine_->log()->durable_position());
  // What is only in memory is promised to nobody.
  if (settings_.durability != log::Durability::kMemory) {
    Note(Kind::kAcknowledged, engine_->log()->acknowledged_position());
  }
}

void StoreLife::Note(Kind kind, uint64_t position) {
  events_.push_back({kind, disk_->history_length(), position});
}

}  // namespace bedplate::btree
