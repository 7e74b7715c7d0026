#include "binding/btree_binding.h"

#include <node_api.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "binding/btree_handles.h"
#include "binding/promised_work.h"
#include "binding/shared_engine.h"
#include "btree/engine.h"

namespace bedplate::binding {
namespace {

using btree::Engine;

StoreHandle* StoreOf(const Napi::CallbackInfo& info) {
  return static_cast<StoreHandle*>(info.Data());
}

// takeError(): { code, message, hint? } | undefined
Napi::Value TakeError(const Napi::CallbackInfo& info) {
  const Status status = StoreOf(info)->TakeError();
  if (status.ok()) return info.Env().Undefined();
  return Describe(info.Env(), status);
}

// failure(): why the store takes no more work, as takeError gives it; undefined while it is sound.
Napi::Value Failure(const Napi::CallbackInfo& info) {
  Engine* engine = StoreOf(info)->engine();
  Status status = engine->log()->failure();
  if (status.ok()) status = engine->CheckOpen();
  if (status.ok()) return info.Env().Undefined();
  return Describe(info.Env(), status);
}

void DropTree(const Napi::CallbackInfo& info) {
  StoreOf(info)->RemoveTree(info[0].As<Napi::External<TreeHandle>>().Data());
}

Napi::Value TreeNames(const Napi::CallbackInfo& info) {
  StoreHandle* store = StoreOf(info);
  const std::vector<std::string> names = store->engine()->TreeNames(store->attachment());
  Napi::Array array = Napi::Array::New(info.Env(), names.size());
  for (uint32_t i = 0; i < names.size(); i++) array.Set(i, names[i]);
  return array;
}

// measure(tree): { keyCount, depth } | undefined and an error to take
Napi::Value Measure(const Napi::CallbackInfo& info) {
  StoreHandle* store = StoreOf(info);
  const TreeHandle* tree = info[0].As<Napi::External<TreeHandle>>().Data();
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
  const btree::EngineStats stats = StoreOf(info)->engine()->Stats();
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

using MaybeBytes = std::optional<std::vector<uint8_t>>;

Napi::Value ToJs(Napi::Env env, uint64_t number) {
  return Napi::Number::New(env, static_cast<double>(number));
}

Napi::Value ToJs(Napi::Env env, const MaybeBytes& bytes) {
  if (!bytes) return env.Undefined();
  return Napi::Buffer<uint8_t>::Copy(env, bytes->data(), bytes->size());
}

// Runs `work`, which may take long, on a thread of libuv's pool; resolves with its result. What it
// works on stays alive meanwhile.
template <typename Result>
class Job : public PromisedWork {
 public:
  using Work = std::function<Status(Result* result)>;

  static Napi::Value Run(Napi::Env env, Work work) {
    return {env, Start(env, std::unique_ptr<Job>(new Job(std::move(work))))};
  }

 protected:
  Status Execute() override { return work_(&result_); }
  Status Finish(Napi::Env env, Napi::Value* value) override {
    *value = ToJs(env, result_);
    return Status::Ok();
  }

 private:
  explicit Job(Work work) : work_(std::move(work)) {}

  Work work_;
  Result result_{};
};

// Runs `work` with an attachment of its own.
template <typename Result, typename Work>
Napi::Value RunAttached(Napi::Env env, const StoreHandle* store, Work work) {
  return Job<Result>::Run(env, [shared = store->shared(), work = std::move(work)](Result* result) {
    std::unique_ptr<btree::Attachment> attachment;
    if (Status status = shared->engine()->Attach(&attachment); !status.ok()) return status;
    return work(shared->engine(), attachment.get(), result);
  });
}

Napi::Value Checkpoint(const Napi::CallbackInfo& info) {
  return RunAttached<uint64_t>(
      info.Env(), StoreOf(info),
      [](Engine* engine, btree::Attachment*, uint64_t*) { return engine->Checkpoint(); });
}

Napi::Value Compact(const Napi::CallbackInfo& info) {
  return RunAttached<uint64_t>(info.Env(), StoreOf(info),
                               [](Engine* engine, btree::Attachment* attachment, uint64_t*) {
                                 return engine->Compact(attachment);
                               });
}

// copyTo(snapshot, path, uuid: Uint8Array)
Napi::Value CopyTo(const Napi::CallbackInfo& info) {
  const std::shared_ptr<btree::Snapshot> snapshot =
      StoreOf(info)->snapshots_.at(info[0].As<Napi::Number>().Uint32Value());
  const std::string path = info[1].As<Napi::String>().Utf8Value();
  const auto bytes = info[2].As<Napi::Uint8Array>();
  std::array<uint8_t, 16> uuid{};
  std::copy_n(bytes.Data(), std::min<size_t>(uuid.size(), bytes.ByteLength()), uuid.begin());
  return RunAttached<uint64_t>(
      info.Env(), StoreOf(info),
      [snapshot, path, uuid](Engine* engine, btree::Attachment* attachment, uint64_t*) {
        return engine->CopyTo(attachment, *snapshot, path, uuid);
      });
}

// finishLoad(load): Promise<number of entries>
Napi::Value FinishLoad(const Napi::CallbackInfo& info) {
  StoreHandle* store = StoreOf(info);
  const auto found = store->loads_.find(info[0].As<Napi::Number>().Uint32Value());
  std::shared_ptr<btree::BulkLoad> load = std::move(found->second);
  store->loads_.erase(found);
  return Job<uint64_t>::Run(info.Env(), [shared = store->shared(), load](uint64_t* count) mutable {
    Status status = load->Finish(count);
    load.reset();  // before the engine may go
    return status;
  });
}

// getAsync(key: Uint8Array): Promise of the value as of this call, undefined if there is none.
Napi::Value GetAsync(const Napi::CallbackInfo& info) {
  const auto* tree = static_cast<const TreeHandle*>(info.Data());
  StoreHandle* store = tree->store;
  const auto bytes = info[0].As<Napi::Uint8Array>();
  const std::vector<uint8_t> key(bytes.Data(), bytes.Data() + bytes.ByteLength());
  std::shared_ptr<btree::Snapshot> snapshot = tree->snapshot;
  Status opened = Status::Ok();
  if (snapshot == nullptr) opened = store->engine()->OpenSnapshot(&snapshot);
  const bool is_live = tree->snapshot == nullptr;
  return RunAttached<MaybeBytes>(
      info.Env(), store,
      [opened, is_live, key, snapshot, slot = tree->slot, root = tree->root](
          Engine* engine, btree::Attachment* attachment, MaybeBytes* result) {
        if (!opened.ok()) return opened;
        btree::Reference from = root;
        if (is_live) {
          Status status = engine->RootIn(attachment, *snapshot, slot->name, &from);
          if (!status.ok()) return status;
        }
        btree::ValueTarget value;
        Status status = engine->GetIn(attachment, *snapshot, from, key, &value);
        if (status.ok() && value.found) *result = std::move(value.spill);
        return status;
      });
}

Napi::Object MakeTree(Napi::Env env, TreeHandle* tree) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("handle", Napi::External<TreeHandle>::New(env, tree));
  object.Set("getAsync", Napi::Function::New(env, GetAsync, "getAsync", tree));
  AddTreeCalls(env, object, tree);
  return object;
}

// tree(name): NativeTree, of the current state
Napi::Value Tree(const Napi::CallbackInfo& info) {
  StoreHandle* store = StoreOf(info);
  const std::string name = info[0].As<Napi::String>().Utf8Value();
  TreeHandle tree{};
  tree.store = store;
  tree.slot = store->engine()->TreeOf(name);
  return MakeTree(info.Env(), store->AddTree(std::move(tree)));
}

// treeIn(snapshot, name): NativeTree of that moment; undefined and an error to take if its pages
// cannot be read. dropTree(tree) when it is of no more use.
Napi::Value TreeIn(const Napi::CallbackInfo& info) {
  StoreHandle* store = StoreOf(info);
  const auto id = info[0].As<Napi::Number>().Uint32Value();
  const std::string name = info[1].As<Napi::String>().Utf8Value();
  TreeHandle tree{};
  tree.store = store;
  tree.slot = store->engine()->TreeOf(name);
  tree.snapshot_id = id;
  tree.snapshot = store->snapshots_.at(id);
  Status status = store->engine()->RootIn(store->attachment(), *tree.snapshot, name, &tree.root);
  if (!status.ok()) {
    store->Fail(std::move(status));
    return info.Env().Undefined();
  }
  return MakeTree(info.Env(), store->AddTree(std::move(tree)));
}

// nextBlockAsync(walk, maxBytes): Promise of the number of entries, 0 at the end; `blockLength` and
// `takeBlock` then give the block. Nothing else may be done with the walk meanwhile but closing it.
Napi::Value NextBlockAsync(const Napi::CallbackInfo& info) {
  StoreHandle* store = StoreOf(info);
  const std::shared_ptr<Walk> walk = store->walks_.at(info[0].As<Napi::Number>().Uint32Value());
  const uint32_t max_bytes = info[1].As<Napi::Number>().Uint32Value();
  return RunAttached<uint64_t>(
      info.Env(), store,
      [walk, max_bytes](Engine* engine, btree::Attachment* attachment, uint64_t* count) {
        Status status = ReadWalk(engine, attachment, walk.get(), max_bytes);
        *count = walk->block.count;
        return status;
      });
}

// examine(): { snapshot, cataloguePage, catalogueBirth, pageCount, unused, listPages: page and
// birth of each } | undefined and an error to take. The snapshot is to be closed.
Napi::Value Examine(const Napi::CallbackInfo& info) {
  StoreHandle* store = StoreOf(info);
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
  store->snapshots_[id] = std::move(snapshot);
  result.Set("snapshot", number(id));
  return result;
}

// close(): Promise. Calls on the store must have ended; those that come later crash, so TypeScript
// refuses them.
Napi::Value Close(const Napi::CallbackInfo& info) {
  std::shared_ptr<SharedEngine> shared = StoreOf(info)->Detach();
  // Moved, not copied: `Release` closes the engine only if no other share is left.
  return Job<uint64_t>::Run(info.Env(), [shared = std::move(shared)](uint64_t*) mutable {
    return SharedEngine::Release(&shared);
  });
}

void CallProgress(napi_env env, napi_value callback, void* context, void*) {
  if (env == nullptr) return;  // the environment is on its way down
  static_cast<StoreHandle*>(context)->ProgressIsSeen();
  napi_value undefined = nullptr;
  napi_get_undefined(env, &undefined);
  napi_call_function(env, undefined, callback, 0, nullptr, nullptr);
}

// Makes the object that stands for an open store.
Napi::Object MakeStore(Napi::Env env, StoreHandle* store, Napi::Function on_progress) {
  Napi::Object object = Napi::Object::New(env);
  Napi::Uint8Array memory = Napi::Uint8Array::New(env, kKeyBytes + kValueBytes);
  store->memory = memory.Data();
  object.Set("memory", memory);
  object.Set("keyBytes", kKeyBytes);
  object.Set("pageSizeBytes", store->engine()->page_size_bytes());
  AddStoreCalls(env, object, store);
  const auto add = [&](const char* name, auto call) {
    object.Set(name, Napi::Function::New(env, call, name, store));
  };
  add("takeError", TakeError);
  add("failure", Failure);
  add("tree", Tree);
  add("treeIn", TreeIn);
  add("dropTree", DropTree);
  add("treeNames", TreeNames);
  add("measure", Measure);
  add("stats", Stats);
  add("checkpoint", Checkpoint);
  add("compact", Compact);
  add("copyTo", CopyTo);
  add("finishLoad", FinishLoad);
  add("nextBlockAsync", NextBlockAsync);
  add("examine", Examine);
  add("close", Close);

  napi_threadsafe_function progress = nullptr;
  napi_create_threadsafe_function(env, on_progress, nullptr, Napi::String::New(env, "bedplate"), 0,
                                  1, nullptr, nullptr, store, CallProgress, &progress);
  if (progress == nullptr) return object;  // see node_addon_api.h
  napi_unref_threadsafe_function(env, progress);
  store->Listen(progress);
  return object;
}

// Ends what a dying environment has not closed. What it wrote is in the log; a checkpoint is not
// waited for.
void CleanUp(StoreHandle* store) {
  std::shared_ptr<SharedEngine> shared = store->Detach();
  if (shared != nullptr) (void)SharedEngine::Release(&shared);
  delete store;
}

class Opening : public PromisedWork {
 public:
  Opening(btree::EngineOptions options, Napi::Function on_progress)
      : options_(std::move(options)), on_progress_(Napi::Persistent(on_progress)) {}

 protected:
  Status Execute() override { return SharedEngine::Open(std::move(options_), &shared_); }

  Status Finish(Napi::Env env, Napi::Value* value) override {
    std::unique_ptr<StoreHandle> handle;
    if (Status status = StoreHandle::Make(std::move(shared_), &handle); !status.ok()) return status;
    // From here on the environment owns it: it ends with the environment, closed or not.
    StoreHandle* store = handle.release();
    env.AddCleanupHook(CleanUp, store);
    *value = MakeStore(env, store, on_progress_.Value());
    return Status::Ok();
  }

 private:
  btree::EngineOptions options_;
  Napi::FunctionReference on_progress_;
  std::shared_ptr<SharedEngine> shared_;
};

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
  auto opening = std::make_unique<Opening>(std::move(engine_options), info[2].As<Napi::Function>());
  return {info.Env(), PromisedWork::Start(info.Env(), std::move(opening))};
}

}  // namespace bedplate::binding
