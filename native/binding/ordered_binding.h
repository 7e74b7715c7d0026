// The cold calls of a store of named trees, with node-addon-api; ts/native/store.ts says what they
// are. `Api` names the types of the engine: see btree_api.h.
#ifndef BEDPLATE_BINDING_ORDERED_BINDING_H_
#define BEDPLATE_BINDING_ORDERED_BINDING_H_

#include <node_api.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "binding/job.h"
#include "binding/node_addon_api.h"
#include "binding/ordered_calls.h"
#include "binding/ordered_handles.h"
#include "binding/promised_work.h"
#include "binding/shared_engine.h"
#include "ordered/values.h"

namespace bedplate::binding {

template <typename Api>
class OrderedBinding {
 public:
  using Engine = typename Api::Engine;
  using Attachment = typename Api::Attachment;
  using Snapshot = typename Api::Snapshot;
  using Store = StoreHandle<Api>;
  using Tree = TreeHandle<Api>;
  // Adds to the object of a store what only stores of its kind have.
  using AddMore = void (*)(Napi::Env env, Napi::Object object, Store* store);

  // A promise of the object that stands for the store.
  static Napi::Value Open(Napi::Env env, typename Api::EngineOptions options,
                          Napi::Function on_progress, AddMore add_more) {
    return {env, PromisedWork::Start(
                     env, std::make_unique<Opening>(std::move(options), on_progress, add_more))};
  }

  static Store* StoreOf(const Napi::CallbackInfo& info) { return static_cast<Store*>(info.Data()); }

 private:
  // takeError(): { code, message, hint? } | undefined
  static Napi::Value TakeError(const Napi::CallbackInfo& info) {
    const Status status = StoreOf(info)->TakeError();
    if (status.ok()) return info.Env().Undefined();
    return Describe(info.Env(), status);
  }

  // failure(): why the store takes no more work, as takeError gives it; undefined while it is
  // sound.
  static Napi::Value Failure(const Napi::CallbackInfo& info) {
    Engine* engine = StoreOf(info)->engine();
    Status status = engine->log()->failure();
    if (status.ok()) status = engine->CheckOpen();
    if (status.ok()) return info.Env().Undefined();
    return Describe(info.Env(), status);
  }

  static void DropTree(const Napi::CallbackInfo& info) {
    StoreOf(info)->RemoveTree(info[0].As<Napi::External<Tree>>().Data());
  }

  static Napi::Value TreeNames(const Napi::CallbackInfo& info) {
    Store* store = StoreOf(info);
    const std::vector<std::string> names = store->engine()->TreeNames(store->attachment());
    Napi::Array array = Napi::Array::New(info.Env(), names.size());
    for (uint32_t i = 0; i < names.size(); i++) array.Set(i, names[i]);
    return array;
  }

  // getAsync(key: Uint8Array): Promise of the value as of this call, undefined if there is none.
  static Napi::Value GetAsync(const Napi::CallbackInfo& info) {
    const auto* tree = static_cast<const Tree*>(info.Data());
    Store* store = tree->store;
    const auto bytes = info[0].As<Napi::Uint8Array>();
    const std::vector<uint8_t> key(bytes.Data(), bytes.Data() + bytes.ByteLength());
    std::shared_ptr<Snapshot> snapshot = tree->snapshot;
    Status opened = Status::Ok();
    if (snapshot == nullptr) opened = store->engine()->OpenSnapshot(&snapshot);
    const bool is_live = tree->snapshot == nullptr;
    return RunAttached<MaybeBytes>(
        info.Env(), store,
        [opened, is_live, key, snapshot, slot = tree->slot, root = tree->root](
            Engine* engine, Attachment* attachment, MaybeBytes* result) {
          if (!opened.ok()) return opened;
          typename Api::Root from = root;
          if (is_live) {
            Status status = engine->RootIn(attachment, *snapshot, slot->name, &from);
            if (!status.ok()) return status;
          }
          ordered::ValueTarget value;
          Status status = engine->GetIn(attachment, *snapshot, from, key, &value);
          if (status.ok() && value.found) *result = std::move(value.spill);
          return status;
        });
  }

  static Napi::Object MakeTree(Napi::Env env, Tree* tree) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("handle", Napi::External<Tree>::New(env, tree));
    object.Set("getAsync", Napi::Function::New(env, GetAsync, "getAsync", tree));
    OrderedCalls<Api>::AddToTree(env, object, tree);
    return object;
  }

  // tree(name): NativeTree, of the current state
  static Napi::Value TreeNow(const Napi::CallbackInfo& info) {
    Store* store = StoreOf(info);
    const std::string name = info[0].As<Napi::String>().Utf8Value();
    Tree tree{};
    tree.store = store;
    tree.slot = store->engine()->TreeOf(name);
    return MakeTree(info.Env(), store->AddTree(std::move(tree)));
  }

  // treeIn(snapshot, name): NativeTree of that moment; undefined and an error to take if it cannot
  // be read. dropTree(tree) when it is of no more use.
  static Napi::Value TreeIn(const Napi::CallbackInfo& info) {
    Store* store = StoreOf(info);
    const auto id = info[0].As<Napi::Number>().Uint32Value();
    const std::string name = info[1].As<Napi::String>().Utf8Value();
    Tree tree{};
    tree.store = store;
    tree.slot = store->engine()->TreeOf(name);
    tree.snapshot = store->snapshots.at(id);
    Status status = store->engine()->RootIn(store->attachment(), *tree.snapshot, name, &tree.root);
    if (!status.ok()) {
      store->Fail(std::move(status));
      return info.Env().Undefined();
    }
    return MakeTree(info.Env(), store->AddTree(std::move(tree)));
  }

  // nextBlockAsync(walk, maxBytes): Promise of the number of entries, 0 at the end; `blockLength`
  // and `takeBlock` then give the block. Nothing else may be done with the walk meanwhile but
  // closing it.
  static Napi::Value NextBlockAsync(const Napi::CallbackInfo& info) {
    Store* store = StoreOf(info);
    const std::shared_ptr<Walk<Api>> walk =
        store->walks.at(info[0].As<Napi::Number>().Uint32Value());
    const uint32_t max_bytes = info[1].As<Napi::Number>().Uint32Value();
    return RunAttached<uint64_t>(
        info.Env(), store,
        [walk, max_bytes](Engine* engine, Attachment* attachment, uint64_t* count) {
          Status status = walk->range->Read(engine, attachment, max_bytes, &walk->block);
          *count = walk->block.count;
          return status;
        });
  }

  // close(): Promise. Calls on the store must have ended; those that come later crash, so
  // TypeScript refuses them.
  static Napi::Value Close(const Napi::CallbackInfo& info) {
    std::shared_ptr<SharedEngine<Api>> shared = StoreOf(info)->Detach();
    // Moved, not copied: `Release` closes the engine only if no other share is left.
    return Job<uint64_t>::Run(info.Env(), [shared = std::move(shared)](uint64_t*) mutable {
      return SharedEngine<Api>::Release(&shared);
    });
  }

  static void CallProgress(napi_env env, napi_value callback, void* context, void*) {
    if (env == nullptr) return;  // the environment is on its way down
    static_cast<Store*>(context)->ProgressIsSeen();
    napi_value undefined = nullptr;
    napi_get_undefined(env, &undefined);
    napi_call_function(env, undefined, callback, 0, nullptr, nullptr);
  }

  // Makes the object that stands for an open store.
  static Napi::Object MakeStore(Napi::Env env, Store* store, Napi::Function on_progress,
                                AddMore add_more) {
    Napi::Object object = Napi::Object::New(env);
    Napi::Uint8Array memory = Napi::Uint8Array::New(env, kKeyBytes + kValueBytes);
    store->memory = memory.Data();
    object.Set("memory", memory);
    object.Set("keyBytes", kKeyBytes);
    OrderedCalls<Api>::AddToStore(env, object, store);
    const auto add = [&](const char* name, auto call) {
      object.Set(name, Napi::Function::New(env, call, name, store));
    };
    add("takeError", TakeError);
    add("failure", Failure);
    add("tree", TreeNow);
    add("treeIn", TreeIn);
    add("dropTree", DropTree);
    add("treeNames", TreeNames);
    add("nextBlockAsync", NextBlockAsync);
    add("close", Close);
    add_more(env, object, store);

    napi_threadsafe_function progress = nullptr;
    napi_create_threadsafe_function(env, on_progress, nullptr, Napi::String::New(env, "bedplate"),
                                    0, 1, nullptr, nullptr, store, CallProgress, &progress);
    if (progress == nullptr) return object;  // see node_addon_api.h
    napi_unref_threadsafe_function(env, progress);
    store->Listen(progress);
    return object;
  }

  // Ends what a dying environment has not closed. What it wrote is in the log; no work in the
  // background is waited for.
  static void CleanUp(Store* store) {
    std::shared_ptr<SharedEngine<Api>> shared = store->Detach();
    if (shared != nullptr) (void)SharedEngine<Api>::Release(&shared);
    delete store;
  }

  class Opening : public PromisedWork {
   public:
    Opening(typename Api::EngineOptions options, Napi::Function on_progress, AddMore add_more)
        : options_(std::move(options)),
          on_progress_(Napi::Persistent(on_progress)),
          add_more_(add_more) {}

   protected:
    Status Execute() override { return SharedEngine<Api>::Open(std::move(options_), &shared_); }

    Status Finish(Napi::Env env, Napi::Value* value) override {
      std::unique_ptr<Store> handle;
      if (Status status = Store::Make(std::move(shared_), &handle); !status.ok()) return status;
      // From here on the environment owns it: it ends with the environment, closed or not.
      Store* store = handle.release();
      env.AddCleanupHook(CleanUp, store);
      *value = MakeStore(env, store, on_progress_.Value(), add_more_);
      return Status::Ok();
    }

   private:
    typename Api::EngineOptions options_;
    Napi::FunctionReference on_progress_;
    const AddMore add_more_;
    std::shared_ptr<SharedEngine<Api>> shared_;
  };
};

}  // namespace bedplate::binding

#endif  // BEDPLATE_BINDING_ORDERED_BINDING_H_
