#include "binding/lsm_binding.h"

#include <unistd.h>
#if defined(__APPLE__)
#include <sys/random.h>
#endif

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "binding/job.h"
#include "binding/lsm_api.h"
#include "binding/ordered_binding.h"
#include "binding/ordered_calls.h"
#include "binding/ordered_handles.h"
#include "lsm/engine.h"
#include "lsm/manifest.h"

namespace bedplate::binding {
namespace {

using LsmBinding = OrderedBinding<LsmApi>;
using LsmStore = StoreHandle<LsmApi>;

Napi::Array LevelsOf(Napi::Env env, const std::vector<lsm::LevelStats>& levels) {
  Napi::Array array = Napi::Array::New(env, levels.size());
  for (uint32_t i = 0; i < levels.size(); i++) {
    Napi::Object level = Napi::Object::New(env);
    level.Set("level", static_cast<double>(levels[i].level));
    level.Set("tables", static_cast<double>(levels[i].tables));
    level.Set("bytes", static_cast<double>(levels[i].bytes));
    level.Set("entries", static_cast<double>(levels[i].entries));
    array.Set(i, level);
  }
  return array;
}

Napi::Value LsmFigures(const Napi::CallbackInfo& info) {
  const lsm::EngineStats stats = LsmBinding::StoreOf(info)->engine()->Stats();
  Napi::Object result = Napi::Object::New(info.Env());
  const auto set = [&](const char* name, uint64_t value) {
    result.Set(name, static_cast<double>(value));
  };
  result.Set("levels", LevelsOf(info.Env(), stats.levels));
  set("runs", stats.runs);
  set("memoryBytes", stats.memory_bytes);
  set("memtableBytes", stats.memtable_bytes);
  set("memtableEntries", stats.memtable_entries);
  set("frozenMemtables", stats.frozen_memtables);
  set("cacheCapacityBytes", stats.cache.capacity_bytes);
  set("cacheBytes", stats.cache.bytes);
  set("cacheHits", stats.cache.hits);
  set("cacheMisses", stats.cache.misses);
  set("openFiles", stats.open_files);
  set("appends", stats.log.appends);
  set("frames", stats.log.frames);
  set("syncs", stats.log.syncs);
  set("segmentBytes", stats.log.segment_bytes);
  set("segmentCount", stats.log.segment_count);
  set("position", stats.position);
  set("durablePosition", stats.durable_position);
  set("flushedPosition", stats.flushed_position);
  set("flushes", stats.background.flushes);
  set("compactions", stats.background.compactions);
  set("compactionDebtBytes", stats.compaction_debt_bytes);
  set("flushedBytes", stats.background.flushed_bytes);
  set("writtenBytes", stats.background.written_bytes);
  set("stallCount", stats.stall_count);
  set("stallMs", stats.stall_ms);
  set("openSnapshots", stats.open_snapshots);
  set("oldestSnapshotMs", stats.oldest_snapshot_ms);
  return result;
}

Napi::Value FlushLsm(const Napi::CallbackInfo& info) {
  return RunAttached<uint64_t>(
      info.Env(), LsmBinding::StoreOf(info),
      [](lsm::Engine* engine, lsm::Attachment*, uint64_t*) { return engine->Flush(); });
}

Napi::Value CompactLsm(const Napi::CallbackInfo& info) {
  return RunAttached<uint64_t>(
      info.Env(), LsmBinding::StoreOf(info),
      [](lsm::Engine* engine, lsm::Attachment*, uint64_t*) { return engine->Compact(); });
}

// compactRange(tree, lower: Uint8Array, upper: Uint8Array, flags)
Napi::Value CompactRange(const Napi::CallbackInfo& info) {
  const auto* tree = info[0].As<Napi::External<TreeHandle<LsmApi>>>().Data();
  const auto bytes_of = [](const Napi::Value& value) {
    const auto array = value.As<Napi::Uint8Array>();
    return std::vector<uint8_t>(array.Data(), array.Data() + array.ByteLength());
  };
  return RunAttached<uint64_t>(
      info.Env(), LsmBinding::StoreOf(info),
      [slot = tree->slot, lower = bytes_of(info[1]), upper = bytes_of(info[2]),
       flags = info[3].As<Napi::Number>().Uint32Value()](lsm::Engine* engine, lsm::Attachment*,
                                                         uint64_t*) {
        return engine->CompactRange(*slot, OrderedCalls<LsmApi>::RangeOf(lower, upper, flags));
      });
}

// holdTables(): an id; kFailed
Napi::Value HoldTables(const Napi::CallbackInfo& info) {
  LsmStore* store = LsmBinding::StoreOf(info);
  LsmApi::HeldTables held;
  if (Status status = store->engine()->OpenHold(&held.hold); !status.ok()) {
    return Napi::Number::New(info.Env(), store->Fail(std::move(status)));
  }
  held.manifest = store->engine()->manifest();
  const uint32_t id = store->next_id++;
  store->extras.holds[id] = std::move(held);
  return Napi::Number::New(info.Env(), id);
}

// heldManifest(held): Uint8Array
Napi::Value HeldManifest(const Napi::CallbackInfo& info) {
  LsmStore* store = LsmBinding::StoreOf(info);
  const auto& held = store->extras.holds.at(info[0].As<Napi::Number>().Uint32Value());
  const std::vector<uint8_t> bytes = lsm::EncodeManifest(held.manifest);
  return Napi::Buffer<uint8_t>::Copy(info.Env(), bytes.data(), bytes.size());
}

void ReleaseTables(const Napi::CallbackInfo& info) {
  LsmBinding::StoreOf(info)->extras.holds.erase(info[0].As<Napi::Number>().Uint32Value());
}

// treeFor(tree): the id of a tree, which is made if there is none; kFailed
Napi::Value TreeFor(const Napi::CallbackInfo& info) {
  LsmStore* store = LsmBinding::StoreOf(info);
  const auto* tree = info[0].As<Napi::External<TreeHandle<LsmApi>>>().Data();
  uint32_t id = 0;
  if (Status status = store->engine()->IdFor(tree->slot, &id); !status.ok()) {
    return Napi::Number::New(info.Env(), store->Fail(std::move(status)));
  }
  return Napi::Number::New(info.Env(), id);
}

// takeTableNumber()
Napi::Value TakeTableNumber(const Napi::CallbackInfo& info) {
  return ToJs(info.Env(), LsmBinding::StoreOf(info)->engine()->TakeTableNumber());
}

// ingest(tree, id, manifest: Uint8Array): the position; kFailed. The manifest names the tables, in
// level 1.
Napi::Value Ingest(const Napi::CallbackInfo& info) {
  LsmStore* store = LsmBinding::StoreOf(info);
  const auto* tree = info[0].As<Napi::External<TreeHandle<LsmApi>>>().Data();
  const uint32_t id = info[1].As<Napi::Number>().Uint32Value();
  const auto bytes = info[2].As<Napi::Uint8Array>();
  const auto make_table = [](lsm::TableInfo table) {
    return std::make_shared<const lsm::TableInfo>(std::move(table));
  };
  lsm::Manifest manifest;
  uint64_t position = 0;
  Status status = lsm::DecodeManifest({bytes.Data(), bytes.ByteLength()}, "what is ingested",
                                      make_table, nullptr, &manifest);
  if (status.ok()) {
    status = store->engine()->Ingest(*tree->slot, id, manifest.version->levels()[1], &position);
  }
  if (!status.ok()) return Napi::Number::New(info.Env(), store->Fail(std::move(status)));
  return ToJs(info.Env(), position);
}

// failedSync(message)
void FailedSync(const Napi::CallbackInfo& info) {
  LsmBinding::StoreOf(info)->engine()->NoteFailedSync(
      Status::Error(ErrorCode::kIo, info[0].As<Napi::String>().Utf8Value()));
}

Napi::Value FlushFrozen(const Napi::CallbackInfo& info) {
  return RunAttached<uint64_t>(
      info.Env(), LsmBinding::StoreOf(info),
      [](lsm::Engine* engine, lsm::Attachment*, uint64_t*) { return engine->FlushFrozen(); });
}

// heldFrom(): records from this one on are held back; Infinity if none are
Napi::Value HeldFrom(const Napi::CallbackInfo& info) {
  const uint64_t position = LsmBinding::StoreOf(info)->engine()->held_from();
  if (position != UINT64_MAX) return ToJs(info.Env(), position);
  return Napi::Number::New(info.Env(), std::numeric_limits<double>::infinity());
}

// waitsForSpace(): 1 or 0
Napi::Value WaitsForSpace(const Napi::CallbackInfo& info) {
  const bool waits = LsmBinding::StoreOf(info)->engine()->is_waiting_for_space();
  return Napi::Number::New(info.Env(), waits ? 1 : 0);
}

// By lsm::Event::Kind.
constexpr std::array kEventNames = {"flush", "merge", "move", "drop", "stall"};

// takeEvents(): what has ended since the last call; undefined if nothing has
Napi::Value TakeEvents(const Napi::CallbackInfo& info) {
  LsmStore* store = LsmBinding::StoreOf(info);
  const std::vector<lsm::Event> events =
      store->engine()->events().Since(&store->extras.events_seen);
  if (events.empty()) return info.Env().Undefined();
  Napi::Array array = Napi::Array::New(info.Env(), events.size());
  for (uint32_t i = 0; i < events.size(); i++) {
    const lsm::Event& event = events[i];
    Napi::Object object = Napi::Object::New(info.Env());
    object.Set("kind", kEventNames.at(static_cast<size_t>(event.kind)));
    object.Set("level", static_cast<double>(event.level));
    object.Set("inputBytes", static_cast<double>(event.input_bytes));
    object.Set("bytes", static_cast<double>(event.bytes));
    object.Set("milliseconds", event.milliseconds);
    array.Set(i, object);
  }
  return array;
}

void AddLsmCalls(Napi::Env env, Napi::Object object, LsmStore* store) {
  const auto add = [&](const char* name, auto call) {
    object.Set(name, Napi::Function::New(env, call, name, store));
  };
  add("stats", LsmFigures);
  add("flush", FlushLsm);
  add("compact", CompactLsm);
  add("compactRange", CompactRange);
  add("holdTables", HoldTables);
  add("heldManifest", HeldManifest);
  add("releaseTables", ReleaseTables);
  add("treeFor", TreeFor);
  add("takeTableNumber", TakeTableNumber);
  add("ingest", Ingest);
  add("failedSync", FailedSync);
  add("flushFrozen", FlushFrozen);
  add("heldFrom", HeldFrom);
  add("waitsForSpace", WaitsForSpace);
  add("takeEvents", TakeEvents);
  store->extras.events_seen = store->engine()->events().count();
}

uint64_t NowMs() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  return ms < 0 ? 0 : static_cast<uint64_t>(ms);
}

// Ids of tables tell them apart; they are no secrets, so a system that has no randomness to give
// gets what its clock says.
void FillRandom(std::span<uint8_t> target) {
  if (::getentropy(target.data(), target.size()) == 0) return;
  const auto ticks =
      static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  for (size_t i = 0; i < target.size(); i++) {
    target[i] = static_cast<uint8_t>(ticks >> (8 * (i % sizeof ticks)));
  }
}

}  // namespace

Napi::Value OpenLsm(const Napi::CallbackInfo& info) {
  const Napi::Object options = info[1].As<Napi::Object>();
  const auto number = [&](const char* name) {
    return static_cast<uint64_t>(options.Get(name).As<Napi::Number>().Int64Value());
  };
  lsm::EngineOptions engine_options;
  engine_options.path = info[0].As<Napi::String>().Utf8Value();
  engine_options.read_only = options.Get("readOnly").As<Napi::Boolean>().Value();
  engine_options.durability = static_cast<log::Durability>(number("durability"));
  engine_options.interval_ms = static_cast<uint32_t>(number("intervalMs"));
  engine_options.memtable_bytes = number("memtableBytes");
  engine_options.memory_bytes = number("memoryBytes");
  engine_options.max_open_files = number("maxOpenFiles");
  engine_options.table_bytes = number("tableBytes");
  engine_options.limits.level0_tables = static_cast<uint32_t>(number("level0Tables"));
  engine_options.limits.level_bytes = number("levelBytes");
  engine_options.first_segment_bytes = number("firstSegmentBytes");
  engine_options.max_segment_bytes = number("maxSegmentBytes");
  engine_options.submits_apart = true;
  engine_options.now_ms = NowMs;
  engine_options.random = FillRandom;
  return LsmBinding::Open(info.Env(), std::move(engine_options), info[2].As<Napi::Function>(),
                          AddLsmCalls);
}

}  // namespace bedplate::binding
