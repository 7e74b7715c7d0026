// What the engine does for readers: memtables, then tables from the newest to the oldest, as of
// some commit.
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "core/clock.h"
#include "lsm/engine.h"
#include "lsm/internal_key.h"
#include "lsm/merge.h"
#include "lsm/range_walk.h"
#include "lsm/run_cursor.h"

namespace bedplate::lsm {
namespace {

void CopyTo(const FoundValue& found, ordered::ValueTarget* value) {
  value->found = false;
  if (!found.found) return;
  const std::span<uint8_t> target = value->Take(static_cast<uint32_t>(found.bytes.size()));
  if (!found.bytes.empty()) std::memcpy(target.data(), found.bytes.data(), found.bytes.size());
}

// One of the keys that are looked up together.
struct GroupedLookup {
  GroupedLookup(uint32_t tree_id, Bytes key, uint64_t sequence)
      : internal(tree_id, key), lookup(internal.bytes(), sequence) {}

  InternalKey internal;
  Lookup lookup;
};

// True if a table of the run shares a key with `span`, or could.
bool Reaches(const Run& run, const KeySpan& span) {
  const auto first = std::ranges::partition_point(
      run, [&](const TableRef& table) { return CompareBytes(table->end, span.start) <= 0; });
  return first != run.end() && CompareBytes((*first)->start, span.end) < 0;
}

}  // namespace

std::vector<std::string> Engine::TreeNames(Attachment* /*attachment*/) {
  const Moment now = states_->Now();
  std::vector<std::string> names;
  for (const auto& [name, id] : now.catalogue->ids) names.push_back(name);
  return names;
}

Status Engine::LookUp(const ReadState& state, Bytes key, uint64_t sequence, Reach* reach,
                      FoundValue* value) {
  Lookup lookup(key, sequence);
  for (const Layer& layer : state.layers) {
    if (layer.memtable != nullptr) {
      layer.memtable->LookUp(&lookup);
    } else if (Status status = LookUpIn({&layer.tables, 1}, reach, &lookup);
               !status.ok() || reach->missing) {
      return status;
    }
    if (lookup.is_done()) return lookup.Finish(value);
  }
  Status status = LookUpIn(state.version->runs(), reach, &lookup);
  return !status.ok() || reach->missing ? status : lookup.Finish(value);
}

Status Engine::LookUpIn(std::span<const Run> runs, Reach* reach, Lookup* lookup) {
  return tables_->LookUpInRuns(runs, reach->loading, lookup, &reach->missing);
}

Status Engine::LookUpAll(const Run& run, std::span<Lookup* const> lookups) {
  bool missing = false;
  return tables_->LookUpMany(run, Tables::Loading::kBlocking, lookups, &missing);
}

template <typename Take>
Status Engine::LookUpLive(const TreeSlot& tree, Bytes key, Reach* reach, Take take) {
  if (Status status = CheckOpen(); !status.ok()) return status;
  const uint32_t tree_id = tree.id.load(std::memory_order_acquire);
  FoundValue found;
  if (tree_id == 0) {
    take(found);
    return Status::Ok();
  }
  // The state first: what the position includes is in it, then.
  const std::shared_ptr<const ReadState> state = states_->Current();
  const InternalKey internal(tree_id, key);
  Status status = LookUp(*state, internal.bytes(), states_->position(), reach, &found);
  if (status.ok() && !reach->missing) take(found);
  return status;
}

Status Engine::Get(Attachment* /*attachment*/, const TreeSlot* tree, Bytes key,
                   ordered::ValueTarget* value) {
  Reach reach;
  return LookUpLive(*tree, key, &reach, [&](const FoundValue& found) { CopyTo(found, value); });
}

Status Engine::TryGet(Attachment* /*attachment*/, const TreeSlot* tree, Bytes key,
                      ordered::ValueTarget* value, bool* done) {
  Reach reach{Tables::Loading::kAtHand};
  Status status =
      LookUpLive(*tree, key, &reach, [&](const FoundValue& found) { CopyTo(found, value); });
  *done = !reach.missing;
  return status;
}

Status Engine::Has(Attachment* /*attachment*/, const TreeSlot* tree, Bytes key, bool* found) {
  Reach reach;
  return LookUpLive(*tree, key, &reach, [&](const FoundValue& value) { *found = value.found; });
}

Status Engine::GetMany(const ReadState& state, uint64_t sequence, uint32_t tree_id,
                       std::span<const Bytes> keys, ordered::ValueList* values) {
  for (size_t from = 0; from < keys.size(); from += Tables::kGroupSize) {
    const auto group = keys.subspan(from, std::min(Tables::kGroupSize, keys.size() - from));
    if (tree_id == 0) {
      for (size_t i = 0; i < group.size(); i++) values->AddNone();
      continue;
    }
    Status status = GetGroup(state, sequence, tree_id, group, values);
    if (!status.ok()) return status;
  }
  return Status::Ok();
}

Status Engine::GetGroup(const ReadState& state, uint64_t sequence, uint32_t tree_id,
                        std::span<const Bytes> keys, ordered::ValueList* values) {
  std::array<std::optional<GroupedLookup>, Tables::kGroupSize> group;
  std::array<Lookup*, Tables::kGroupSize> places{};
  for (size_t i = 0; i < keys.size(); i++) {
    places[i] = &group[i].emplace(tree_id, keys[i], sequence).lookup;
  }
  const std::span<Lookup* const> lookups(places.data(), keys.size());
  for (const Layer& layer : state.layers) {
    if (layer.memtable == nullptr) {
      if (Status status = LookUpAll(layer.tables, lookups); !status.ok()) return status;
      continue;
    }
    for (Lookup* lookup : lookups) {
      if (!lookup->is_done()) layer.memtable->LookUp(lookup);
    }
  }
  for (const Run& run : state.version->runs()) {
    if (std::ranges::all_of(lookups, [](const Lookup* each) { return each->is_done(); })) break;
    if (Status status = LookUpAll(run, lookups); !status.ok()) return status;
  }
  for (Lookup* lookup : lookups) {
    FoundValue found;
    if (Status status = lookup->Finish(&found); !status.ok()) return status;
    if (found.found) {
      values->Add(found.bytes);
    } else {
      values->AddNone();
    }
  }
  return Status::Ok();
}

Status Engine::GetMany(Attachment* /*attachment*/, const TreeSlot* tree,
                       std::span<const Bytes> keys, ordered::ValueList* values) {
  if (Status status = CheckOpen(); !status.ok()) return status;
  const uint32_t tree_id = tree->id.load(std::memory_order_acquire);
  const std::shared_ptr<const ReadState> state = states_->Current();
  return GetMany(*state, states_->position(), tree_id, keys, values);
}

Status Engine::OpenSnapshot(std::shared_ptr<Snapshot>* snapshot) {
  if (Status status = CheckOpen(); !status.ok()) return status;
  std::shared_ptr<Snapshot> opened(new Snapshot());
  opened->since_ms_ = MonotonicMs();
  Moment moment = states_->Pin(opened->since_ms_);
  opened->engine_ = this;
  opened->position_ = moment.position;
  opened->catalogue_ = std::move(moment.catalogue);
  *snapshot = std::move(opened);
  return Status::Ok();
}

Status Engine::RootIn(Attachment* /*attachment*/, const Snapshot& snapshot, std::string_view name,
                      uint32_t* tree_id) {
  *tree_id = snapshot.catalogue().IdOf(name);
  return Status::Ok();
}

Status Engine::GetIn(Attachment* /*attachment*/, const Snapshot& snapshot, uint32_t tree_id,
                     Bytes key, ordered::ValueTarget* value) {
  if (Status status = CheckOpen(); !status.ok()) return status;
  value->found = false;
  if (tree_id == 0) return Status::Ok();
  const std::shared_ptr<const ReadState> state = states_->Current();
  const InternalKey internal(tree_id, key);
  FoundValue found;
  Reach reach;
  Status status = LookUp(*state, internal.bytes(), snapshot.position(), &reach, &found);
  if (status.ok()) CopyTo(found, value);
  return status;
}

Status Engine::GetManyIn(Attachment* /*attachment*/, const Snapshot& snapshot, uint32_t tree_id,
                         std::span<const Bytes> keys, ordered::ValueList* values) {
  if (Status status = CheckOpen(); !status.ok()) return status;
  const std::shared_ptr<const ReadState> state = states_->Current();
  return GetMany(*state, snapshot.position(), tree_id, keys, values);
}

Status Engine::TryReadRange(Attachment* attachment, const TreeSlot* tree, const KeyRange& range,
                            bool reverse, const ordered::BlockLimits& limits, ordered::Block* block,
                            bool* done) {
  std::unique_ptr<RangeWalk> walk;
  Status status =
      RangeWalk::Open(this, attachment, *tree, nullptr, 0, range, reverse, limits.entries, &walk);
  if (status.ok()) status = walk->Fill(limits.bytes, block);
  *done = walk != nullptr && walk->is_done();
  return status;
}

Status Engine::OpenHold(std::shared_ptr<Hold>* hold) {
  if (Status status = CheckOpen(); !status.ok()) return status;
  open_holds_++;
  std::shared_ptr<Hold> opened(new Hold(this));
  opened->moment_ = states_->Now();
  *hold = std::move(opened);
  return Status::Ok();
}

Status Engine::OpenCursor(const Moment& moment, const KeySpan& span, bool reverse,
                          std::unique_ptr<VisibleCursor>* cursor) {
  VisibleCursor::View view;
  view.sequence = moment.position;
  view.reverse = reverse;
  view.mutant = options_.mutant;
  std::vector<std::unique_ptr<VersionCursor>> sources;
  std::vector<const Run*> runs;
  for (const auto& [memtable, tables] : moment.state->layers) {
    if (memtable == nullptr) runs.push_back(&tables);
    if (memtable == nullptr || memtable->is_empty()) continue;
    if (auto tombstones = memtable->tombstones()) view.tombstones.push_back(std::move(tombstones));
    sources.push_back(memtable->NewCursor(span, reverse));
  }
  for (const Run& run : moment.state->version->runs()) runs.push_back(&run);
  for (const Run* each : runs) {
    const Run& run = *each;
    if (!Reaches(run, span)) continue;
    for (const TableRef& table : run) {
      if (table->range_tombstone_count == 0 || !Overlap(table->span(), span)) continue;
      std::shared_ptr<const TableMeta> meta;
      if (Status status = tables_->Meta(*table, &meta); !status.ok()) return status;
      view.tombstones.push_back(TableMeta::TombstonesOf(meta));
    }
    sources.push_back(
        std::make_unique<RunCursor>(tables_.get(), run, span, reverse, ReadPath::kCache));
  }
  *cursor = std::make_unique<VisibleCursor>(
      std::make_unique<MergeCursor>(std::move(sources), reverse), std::move(view));
  return Status::Ok();
}

}  // namespace bedplate::lsm
