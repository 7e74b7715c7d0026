#include "binding/btree_binding.h"

#include <node_api.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "binding/btree_api.h"
#include "binding/btree_calls.h"
#include "binding/job.h"
#include "binding/ordered_binding.h"
#include "btree/engine.h"

namespace bedplate::binding {
namespace {

using btree::Engine;
using Binding = OrderedBinding<BTreeApi>;
using Store = StoreHandle<BTreeApi>;
using Tree = TreeHandle<BTreeApi>;

// measure(tree): { keyCount, depth } | undefined and an error to take
Napi::Value Measure(const Napi::CallbackInfo& info) {
  Store* store = Binding::StoreOf(info);
  const Tree* tree = info[0].As<Napi::External<Tree>>().Data();
  uint64_t key_count = 0;
  uint32_t depth = 0;
  Status status = store->engine()->Measure(store->attachment(), tree->slot, &key_count, &depth);
  if (!status.ok()) {
    store->Fail(std::move(status));
    return info.Env().Undefined();
  }
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("keyCount", static_cast<double>(key_count));
  result.Set("depth", depth);
  return result;
}

Napi::Value Stats(const Napi::CallbackInfo& info) {
  const btree::EngineStats stats = Binding::StoreOf(info)->engine()->Stats();
  Napi::Object result = Napi::Object::New(info.Env());
  const auto set = [&](const char* name, uint64_t value) {
    result.Set(name, static_cast<double>(value));
  };
  set("capacityPages", stats.cache.capacity_pages);
  set("residentPages", stats.cache.resident_pages);
  set("dirtyPages", stats.cache.dirty_pages);
  set("hits", stats.cache_hits);
  set("misses", stats.cache.misses);
  set("appends", stats.log.appends);
  set("frames", stats.log.frames);
  set("syncs", stats.log.syncs);
  set("segmentBytes", stats.log.segment_bytes);
  set("segmentCount", stats.log.segment_count);
  set("dataFileBytes", stats.data_file_bytes);
  set("pageCount", stats.page_count);
  set("freePages", stats.free_pages);
  set("retiredPages", stats.retired_pages);
  set("position", stats.position);
  set("durablePosition", stats.durable_position);
  set("checkpointPosition", stats.checkpoint_position);
  set("checkpoints", stats.checkpoints);
  set("openSnapshots", stats.open_snapshots);
  set("oldestSnapshotMs", stats.oldest_snapshot_ms);
  return result;
}

Napi::Value Checkpoint(const Napi::CallbackInfo& info) {
  return RunAttached<uint64_t>(
      info.Env(), Binding::StoreOf(info),
      [](Engine* engine, btree::Attachment*, uint64_t*) { return engine->Checkpoint(); });
}

Napi::Value Compact(const Napi::CallbackInfo& info) {
  return RunAttached<uint64_t>(info.Env(), Binding::StoreOf(info),
                               [](Engine* engine, btree::Attachment* attachment, uint64_t*) {
                                 return engine->Compact(attachment);
                               });
}

// copyTo(snapshot, path, uuid: Uint8Array)
Napi::Value CopyTo(const Napi::CallbackInfo& info) {
  const std::shared_ptr<btree::Snapshot> snapshot =
      Binding::StoreOf(info)->snapshots.at(info[0].As<Napi::Number>().Uint32Value());
  const std::string path = info[1].As<Napi::String>().Utf8Value();
  const auto bytes = info[2].As<Napi::Uint8Array>();
  std::array<uint8_t, 16> uuid{};
  std::copy_n(bytes.Data(), std::min<size_t>(uuid.size(), bytes.ByteLength()), uuid.begin());
  return RunAttached<uint64_t>(
      info.Env(), Binding::StoreOf(info),
      [snapshot, path, uuid](Engine* engine, btree::Attachment* attachment, uint64_t*) {
        return engine->CopyTo(attachment, *snapshot, path, uuid);
      });
}

// finishLoad(load): Promise<number of entries>
Napi::Value FinishLoad(const Napi::CallbackInfo& info) {
  Store* store = Binding::StoreOf(info);
  const auto found = store->extras.loads.find(info[0].As<Napi::Number>().Uint32Value());
  std::shared_ptr<btree::BulkLoad> load = std::move(found->second);
  store->extras.loads.erase(found);
  return Job<uint64_t>::Run(info.Env(), [shared = store->shared(), load](uint64_t* count) mutable {
    Status status = load->Finish(count);
    load.reset();  // before the engine may go
    return status;
  });
}

// examine(): { snapshot, cataloguePage, catalogueBirth, pageCount, unused, listPages: page and
// birth of each } | undefined and an error to take. The snapshot is to be closed.
Napi::Value Examine(const Napi::CallbackInfo& info) {
  Store* store = Binding::StoreOf(info);
  std::shared_ptr<btree::Snapshot> snapshot;
  btree::StoreState state;
  Status status = store->engine()->OpenSnapshotAndState(&snapshot, &state);
  if (!status.ok()) {
    store->Fail(std::move(status));
    return info.Env().Undefined();
  }
  const auto number = [&](uint64_t value) {
    return Napi::Number::New(info.Env(), static_cast<double>(value));
  };
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("cataloguePage", number(snapshot->catalogue().page));
  result.Set("catalogueBirth", number(snapshot->catalogue().birth));
  result.Set("pageCount", number(state.page_count));
  auto unused = Napi::Float64Array::New(info.Env(), state.unused.size());
  auto list_pages = Napi::Float64Array::New(info.Env(), 2 * state.list_pages.size());
  if (unused.IsEmpty() || list_pages.IsEmpty()) {
    return info.Env().Undefined();  // see node_addon_api.h
  }
  std::ranges::copy(state.unused, unused.Data());
  for (size_t i = 0; i < state.list_pages.size(); i++) {
    list_pages[2 * i] = static_cast<double>(state.list_pages[i].page);
    list_pages[2 * i + 1] = static_cast<double>(state.list_pages[i].birth);
  }
  result.Set("unused", unused);
  result.Set("listPages", list_pages);
  const uint32_t id = store->next_id++;
  store->snapshots[id] = std::move(snapshot);
  result.Set("snapshot", number(id));
  return result;
}

void AddMore(Napi::Env env, Napi::Object object, Store* store) {
  object.Set("pageSizeBytes", store->engine()->page_size_bytes());
  AddBTreeCalls(env, object, store);
  const auto add = [&](const char* name, auto call) {
    object.Set(name, Napi::Function::New(env, call, name, store));
  };
  add("measure", Measure);
  add("stats", Stats);
  add("checkpoint", Checkpoint);
  add("compact", Compact);
  add("copyTo", CopyTo);
  add("finishLoad", FinishLoad);
  add("examine", Examine);
}

}  // namespace

Napi::Value OpenBTree(const Napi::CallbackInfo& info) {
  const Napi::Object options = info[1].As<Napi::Object>();
  const auto number = [&](const char* name) {
    return static_cast<uint64_t>(options.Get(name).As<Napi::Number>().Int64Value());
  };
  btree::EngineOptions engine_options;
  engine_options.path = info[0].As<Napi::String>().Utf8Value();
  engine_options.cache_bytes = number("cacheBytes");
  engine_options.submits_apart = true;
  engine_options.read_only = options.Get("readOnly").As<Napi::Boolean>().Value();
  engine_options.durability = static_cast<log::Durability>(number("durability"));
  engine_options.interval_ms = static_cast<uint32_t>(number("intervalMs"));
  engine_options.checkpoint_log_bytes = number("checkpointLogBytes");
  engine_options.dense_close_bytes = number("denseCloseBytes");
  engine_options.first_segment_bytes = number("firstSegmentBytes");
  engine_options.max_segment_bytes = number("maxSegmentBytes");
  return Binding::Open(info.Env(), std::move(engine_options), info[2].As<Napi::Function>(),
                       AddMore);
}

}  // namespace bedplate::binding
