#include "binding/btree_calls.h"

#include <memory>
#include <utility>

#include "binding/ordered_calls.h"
#include "binding/raw_calls.h"

namespace bedplate::binding {
namespace {

using Store = StoreHandle<BTreeApi>;
using Tree = TreeHandle<BTreeApi>;

// beginLoad(tree): its id. addToLoad(load, entries: Uint8Array, count). dropLoad(load).
napi_value BeginLoad(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  auto* store = static_cast<Store*>(arguments.data);
  void* tree = nullptr;
  napi_get_value_external(env, arguments.values[0], &tree);
  std::unique_ptr<btree::BulkLoad> load;
  Status status = store->engine()->BeginBulkLoad(static_cast<Tree*>(tree)->slot, &load);
  if (!status.ok()) return Integer(env, store->Fail(std::move(status)));
  const uint32_t id = store->next_id++;
  store->extras.loads[id] = std::move(load);
  return Whole(env, id);
}

napi_value AddToLoad(napi_env env, napi_callback_info info) {
  const Arguments<3> arguments(env, info);
  auto* store = static_cast<Store*>(arguments.data);
  btree::BulkLoad* load = store->extras.loads.at(arguments.Number(0)).get();
  const uint8_t* at = arguments.Memory(1).data();
  for (uint32_t left = arguments.Number(2); left > 0; left--) {
    const uint32_t key_length = LoadU32(at);
    const uint32_t value_length = LoadU32(at + 4);
    const uint8_t* key = at + ordered::kEntryHeaderBytes;
    at = key + key_length + value_length;
    Status status = load->Add({key, key_length}, {key + key_length, value_length});
    if (!status.ok()) return Integer(env, store->Fail(std::move(status)));
  }
  return Integer(env, 0);
}

napi_value DropLoad(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  static_cast<Store*>(arguments.data)->extras.loads.erase(arguments.Number(0));
  return nullptr;
}

// readPage(snapshot, page, target: Uint8Array): the bytes that there are of the page; kFailed.
napi_value ReadPage(napi_env env, napi_callback_info info) {
  const Arguments<3> arguments(env, info);
  auto* store = static_cast<Store*>(arguments.data);
  size_t count = 0;
  const btree::Snapshot& snapshot = *store->snapshots.at(arguments.Number(0));
  Status status = store->engine()->ReadPage(store->attachment(), snapshot, arguments.Whole(1),
                                            arguments.Memory(2), &count);
  return OrderedCalls<BTreeApi>::Outcome(env, store, std::move(status), count);
}

constexpr Call kCalls[] = {
    {"beginLoad", BeginLoad},
    {"addToLoad", AddToLoad},
    {"dropLoad", DropLoad},
    {"readPage", ReadPage},
};

}  // namespace

void AddBTreeCalls(napi_env env, napi_value object, Store* store) {
  AddCalls(env, object, kCalls, store);
}

}  // namespace bedplate::binding
