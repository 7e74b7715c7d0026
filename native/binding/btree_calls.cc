// The hot calls of a store, in raw node_api.h: bytes in memory that both sides know, numbers in and
// out. Arguments were checked in TypeScript.
#include <node_api.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "binding/btree_handles.h"
#include "btree/engine.h"
#include "core/little_endian.h"

namespace bedplate::binding {
namespace {

// What a raw call got. Arguments were checked in TypeScript.
template <size_t kCount>
struct Arguments {
  napi_env env;
  napi_value values[kCount == 0 ? 1 : kCount];
  void* data = nullptr;

  Arguments(napi_env called, napi_callback_info info) : env(called) {
    size_t count = kCount;
    napi_get_cb_info(env, info, &count, values, nullptr, &data);
  }
  [[nodiscard]] uint32_t Number(size_t i) const {
    uint32_t number = 0;
    napi_get_value_uint32(env, values[i], &number);
    return number;
  }
  [[nodiscard]] uint64_t Whole(size_t i) const {
    int64_t number = 0;
    napi_get_value_int64(env, values[i], &number);
    return static_cast<uint64_t>(number);
  }
  [[nodiscard]] std::span<uint8_t> Memory(size_t i) const {
    void* bytes = nullptr;
    size_t length = 0;
    napi_get_typedarray_info(env, values[i], nullptr, &length, &bytes, nullptr, nullptr);
    return {static_cast<uint8_t*>(bytes), length};
  }
};

napi_value Integer(napi_env env, int32_t number) {
  napi_value value = nullptr;
  napi_create_int32(env, number, &value);
  return value;
}

napi_value Whole(napi_env env, uint64_t number) {
  napi_value value = nullptr;
  napi_create_double(env, static_cast<double>(number), &value);
  return value;
}

napi_value Outcome(napi_env env, StoreHandle* store, Status status, uint64_t number) {
  if (status.ok()) return Whole(env, number);
  return Integer(env, store->Fail(std::move(status)));
}

Bytes KeyOf(const StoreHandle& store, uint32_t length) { return {store.memory, length}; }
Bytes ValueOf(const StoreHandle& store, uint32_t length) {
  return {store.memory + kKeyBytes, length};
}

Status GetFrom(const TreeHandle& tree, Bytes key, btree::ValueTarget* value) {
  StoreHandle* store = tree.store;
  if (tree.snapshot == nullptr) {
    return store->engine()->Get(store->attachment(), tree.slot, key, value);
  }
  return store->engine()->GetIn(store->attachment(), *tree.snapshot, tree.root, key, value);
}

napi_value GetTo(napi_env env, const TreeHandle& tree, uint32_t key_length,
                 std::span<uint8_t> space) {
  StoreHandle* store = tree.store;
  btree::ValueTarget value;
  value.space = space;
  Status status = GetFrom(tree, KeyOf(*store, key_length), &value);
  if (!status.ok()) return Integer(env, store->Fail(std::move(status)));
  if (!value.found) return Integer(env, kAbsent);
  if (!value.is_spilled) return Integer(env, static_cast<int32_t>(value.length));
  store->spill = std::move(value.spill);
  return Integer(env, kSpilled);
}

// The length of the value at the start of the value area; kAbsent, kSpilled or kFailed.
napi_value Get(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  const auto* tree = static_cast<TreeHandle*>(arguments.data);
  return GetTo(env, *tree, arguments.Number(0), {tree->store->memory + kKeyBytes, kValueBytes});
}

// getToPool(keyLength, pool: Uint8Array, start): the same for a value that goes to `pool`, from
// `start` on.
napi_value GetToPool(napi_env env, napi_callback_info info) {
  const Arguments<3> arguments(env, info);
  const auto* tree = static_cast<TreeHandle*>(arguments.data);
  const std::span<uint8_t> pool = arguments.Memory(1);
  return GetTo(env, *tree, arguments.Number(0),
               pool.subspan(std::min<size_t>(arguments.Number(2), pool.size())));
}

// getInto(keyLength, target: Uint8Array): the length of the value, which is copied to `target` if
// it fits there; kAbsent or kFailed.
napi_value GetInto(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  const auto* tree = static_cast<TreeHandle*>(arguments.data);
  StoreHandle* store = tree->store;
  btree::ValueTarget value;
  value.space = arguments.Memory(1);
  Status status = GetFrom(*tree, KeyOf(*store, arguments.Number(0)), &value);
  if (!status.ok()) return Integer(env, store->Fail(std::move(status)));
  return Integer(env, value.found ? static_cast<int32_t>(value.length) : kAbsent);
}

// 1, 0 or kFailed.
napi_value Has(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  const auto* tree = static_cast<TreeHandle*>(arguments.data);
  StoreHandle* store = tree->store;
  const Bytes key = KeyOf(*store, arguments.Number(0));
  bool found = false;
  Status status = Status::Ok();
  if (tree->snapshot == nullptr) {
    status = store->engine()->Has(store->attachment(), tree->slot, key, &found);
  } else {
    btree::ValueTarget value;
    status = GetFrom(*tree, key, &value);
    found = value.found;
  }
  if (!status.ok()) return Integer(env, store->Fail(std::move(status)));
  return Integer(env, found ? 1 : 0);
}

// getMany(keys: Uint8Array, count, target: Uint8Array): `keys` holds length u32 | key, behind each
// other. Writes length u32 (all ones: absent) | value, behind each other, to `target`: 0, or
// kSpilled if it does not fit there, or kFailed.
napi_value GetMany(napi_env env, napi_callback_info info) {
  const Arguments<3> arguments(env, info);
  const auto* tree = static_cast<TreeHandle*>(arguments.data);
  StoreHandle* store = tree->store;
  const uint8_t* at = arguments.Memory(0).data();
  std::vector<Bytes>& keys = store->keys;
  keys.resize(arguments.Number(1));
  for (Bytes& key : keys) {
    key = {at + 4, LoadU32(at)};
    at += 4 + key.size();
  }
  SpillBuffer answers(arguments.Memory(2));
  btree::ValueList values(&answers);
  btree::Engine* engine = store->engine();
  Status status =
      tree->snapshot == nullptr
          ? engine->GetMany(store->attachment(), tree->slot, keys, &values)
          : engine->GetManyIn(store->attachment(), *tree->snapshot, tree->root, keys, &values);
  if (!status.ok()) return Integer(env, store->Fail(std::move(status)));
  if (!answers.is_spilled()) return Integer(env, 0);
  store->spill = answers.TakeSpill();
  return Integer(env, kSpilled);
}

// spillLength(): number; takeSpill(target)
napi_value SpillLength(napi_env env, napi_callback_info info) {
  const Arguments<0> arguments(env, info);
  return Whole(env, static_cast<StoreHandle*>(arguments.data)->spill.size());
}

napi_value TakeSpill(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  auto* store = static_cast<StoreHandle*>(arguments.data);
  const std::span<uint8_t> target = arguments.Memory(0);
  std::copy_n(store->spill.begin(), std::min(target.size(), store->spill.size()), target.begin());
  // One large value is no reason to keep its memory.
  if (store->spill.capacity() > 4 * kValueBytes) store->spill = {};
  return nullptr;
}

// put(keyLength, valueLength): the position of the commit. put(keyLength, value) for what the area
// cannot hold.
napi_value Put(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  const auto* tree = static_cast<TreeHandle*>(arguments.data);
  StoreHandle* store = tree->store;
  uint64_t position = 0;
  const Bytes value = ValueOf(*store, arguments.Number(1));
  Status status = store->engine()->Put(store->attachment(), tree->slot,
                                       KeyOf(*store, arguments.Number(0)), value, &position);
  return Outcome(env, store, std::move(status), position);
}

napi_value PutLarge(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  const auto* tree = static_cast<TreeHandle*>(arguments.data);
  StoreHandle* store = tree->store;
  uint64_t position = 0;
  Status status =
      store->engine()->Put(store->attachment(), tree->slot, KeyOf(*store, arguments.Number(0)),
                           arguments.Memory(1), &position);
  return Outcome(env, store, std::move(status), position);
}

// flags: 1 lower bound, 2 it counts, 4 upper bound, 8 it counts.
btree::KeyRange RangeOf(Bytes lower, Bytes upper, uint32_t flags) {
  btree::KeyRange range;
  if ((flags & 1) != 0) range.lower = lower;
  range.lower_inclusive = (flags & 2) != 0;
  if ((flags & 4) != 0) range.upper = upper;
  range.upper_inclusive = (flags & 8) != 0;
  return range;
}

// Reads operations: kind u8 | tree u32 | flags u8 | first length u32 | second length u32 | first |
// second. put: key and value; delete: key; clear: bounds; drop: nothing. `tree` is an index into
// `slots`.
std::vector<btree::Operation> ReadOperations(Bytes bytes, uint32_t count,
                                             const std::vector<btree::TreeSlot*>& slots) {
  std::vector<btree::Operation> operations(count);
  const uint8_t* at = bytes.data();
  for (btree::Operation& operation : operations) {
    operation.kind = static_cast<btree::Operation::Kind>(at[0]);
    operation.tree = slots[LoadU32(at + 1)];
    const uint8_t flags = at[5];
    const uint32_t first_length = LoadU32(at + 6);
    const uint32_t second_length = LoadU32(at + 10);
    const Bytes first(at + 14, first_length);
    const Bytes second(at + 14 + first_length, second_length);
    operation.key = first;
    operation.value = second;
    operation.range = RangeOf(first, second, flags);
    at += 14 + size_t{first_length} + second_length;
  }
  return operations;
}

// apply(operations: Uint8Array, count, trees): the position. `trees` are the handles that
// operations count by.
// False if the thread is being terminated: then not even an array can be looked into.
[[nodiscard]] bool SlotsOf(napi_env env, napi_value trees, std::vector<btree::TreeSlot*>* slots) {
  uint32_t count = 0;
  if (napi_get_array_length(env, trees, &count) != napi_ok) return false;
  slots->resize(count);
  for (uint32_t i = 0; i < count; i++) {
    napi_value external = nullptr;
    void* tree = nullptr;
    napi_get_element(env, trees, i, &external);
    napi_get_value_external(env, external, &tree);
    if (tree == nullptr) return false;
    (*slots)[i] = static_cast<TreeHandle*>(tree)->slot;
  }
  return true;
}

napi_value Apply(napi_env env, napi_callback_info info) {
  const Arguments<3> arguments(env, info);
  auto* store = static_cast<StoreHandle*>(arguments.data);
  std::vector<btree::TreeSlot*> slots;
  if (!SlotsOf(env, arguments.values[2], &slots)) return nullptr;
  const std::vector<btree::Operation> operations =
      ReadOperations(arguments.Memory(0), arguments.Number(1), slots);
  uint64_t position = 0;
  Status status = store->engine()->Apply(store->attachment(), operations, &position);
  return Outcome(env, store, std::move(status), position);
}

// commit(operations, count, trees, snapshot, reads: Uint8Array, readCount): the position. `reads`
// are laid out as operations: a put is a key that was read, a clear a range.
napi_value Commit(napi_env env, napi_callback_info info) {
  const Arguments<6> arguments(env, info);
  auto* store = static_cast<StoreHandle*>(arguments.data);
  std::vector<btree::TreeSlot*> slots;
  if (!SlotsOf(env, arguments.values[2], &slots)) return nullptr;
  const std::vector<btree::Operation> operations =
      ReadOperations(arguments.Memory(0), arguments.Number(1), slots);
  btree::ReadSet reads;
  for (const btree::Operation& read :
       ReadOperations(arguments.Memory(4), arguments.Number(5), slots)) {
    if (read.kind == btree::Operation::Kind::kPut) {
      reads.keys.push_back({read.tree, read.key});
    } else {
      reads.ranges.push_back({read.tree, read.range});
    }
  }
  uint64_t position = 0;
  const btree::Snapshot& snapshot = *store->snapshots_.at(arguments.Number(3));
  Status status = store->engine()->CommitIfUnchanged(store->attachment(), snapshot, reads,
                                                     operations, &position);
  return Outcome(env, store, std::move(status), position);
}

// compareAndSwap(tree, key, expected | undefined, value | undefined): 1 or 0, then `lastPosition`.
napi_value CompareAndSwap(napi_env env, napi_callback_info info) {
  const Arguments<4> arguments(env, info);
  auto* store = static_cast<StoreHandle*>(arguments.data);
  void* tree = nullptr;
  napi_get_value_external(env, arguments.values[0], &tree);
  const auto optional_bytes = [&](size_t i) {
    bool is_given = false;
    napi_is_typedarray(env, arguments.values[i], &is_given);
    return is_given ? std::optional<Bytes>(arguments.Memory(i)) : std::nullopt;
  };
  uint64_t position = 0;
  bool swapped = false;
  Status status = store->engine()->CompareAndSwap(
      store->attachment(), static_cast<TreeHandle*>(tree)->slot, arguments.Memory(1),
      optional_bytes(2), optional_bytes(3), &swapped, &position);
  if (!status.ok()) return Integer(env, store->Fail(std::move(status)));
  return Integer(env, swapped ? 1 : 0);
}

// snapshot(): its id
napi_value OpenSnapshot(napi_env env, napi_callback_info info) {
  const Arguments<0> arguments(env, info);
  auto* store = static_cast<StoreHandle*>(arguments.data);
  std::shared_ptr<btree::Snapshot> snapshot;
  if (Status status = store->engine()->OpenSnapshot(&snapshot); !status.ok()) {
    return Integer(env, store->Fail(std::move(status)));
  }
  const uint32_t id = store->next_id++;
  store->snapshots_[id] = std::move(snapshot);
  return Whole(env, id);
}

napi_value SnapshotPosition(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  const auto* store = static_cast<StoreHandle*>(arguments.data);
  return Whole(env, store->snapshots_.at(arguments.Number(0))->position());
}

napi_value CloseSnapshot(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  auto* store = static_cast<StoreHandle*>(arguments.data);
  store->snapshots_.erase(arguments.Number(0));
  return nullptr;
}

constexpr uint32_t kReverseFlag = 16;

// The number of entries of a range and its bytes, in one number.
int32_t RangeOutcome(const btree::Block& block) {
  static_assert(kPoolBytes / btree::kEntryHeaderBytes < kRangeBytesUnit);
  return static_cast<int32_t>(block.bytes().size() * kRangeBytesUnit + block.count);
}

// readRange(lowerLength, upperLength, flags, limit, pool: Uint8Array, start): the RangeOutcome of a
// range that goes to `pool` as a whole, from `start` on; kNoRoom, kSpilled if it has to be walked,
// kFailed. flags: those of RangeOf, and 16 for reverse. The lower bound is in the key area, the
// upper one in the value area.
napi_value ReadRange(napi_env env, napi_callback_info info) {
  const Arguments<6> arguments(env, info);
  const auto* tree = static_cast<TreeHandle*>(arguments.data);
  StoreHandle* store = tree->store;
  if (tree->snapshot != nullptr) return Integer(env, kSpilled);
  const uint32_t flags = arguments.Number(2);
  const btree::KeyRange range =
      RangeOf(KeyOf(*store, arguments.Number(0)), ValueOf(*store, arguments.Number(1)), flags);
  const std::span<uint8_t> pool = arguments.Memory(4);
  const size_t start = std::min<size_t>(arguments.Number(5), pool.size());
  btree::Block& block = store->block;
  block.Reset(pool.subspan(start));
  bool is_whole = false;
  Status status = store->engine()->TryReadRange(
      store->attachment(), tree->slot, range, (flags & kReverseFlag) != 0,
      {arguments.Whole(3), kPoolBytes}, &block, &is_whole);
  if (!status.ok()) return Integer(env, store->Fail(std::move(status)));
  if (!is_whole || block.bytes().size() > kPoolBytes) return Integer(env, kSpilled);
  return Integer(env, block.buffer.is_spilled() ? kNoRoom : RangeOutcome(block));
}

// takeRange(pool: Uint8Array): what had no room.
napi_value TakeRange(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  const auto* store = static_cast<StoreHandle*>(arguments.data);
  const Bytes entries = store->block.bytes();
  const std::span<uint8_t> pool = arguments.Memory(0);
  std::ranges::copy(entries.first(std::min(entries.size(), pool.size())), pool.begin());
  return Integer(env, RangeOutcome(store->block));
}

// walk(lowerLength, upperLength, flags, limit): the id of a walk; kFailed. Bounds and flags as
// those of `readRange`.
napi_value OpenWalk(napi_env env, napi_callback_info info) {
  const Arguments<4> arguments(env, info);
  const auto* tree = static_cast<TreeHandle*>(arguments.data);
  StoreHandle* store = tree->store;
  const uint32_t flags = arguments.Number(2);
  auto walk = std::make_shared<Walk>();
  walk->snapshot = tree->snapshot;
  walk->root = tree->root;
  if (walk->snapshot == nullptr) {
    Status status = store->engine()->OpenSnapshot(&walk->snapshot);
    if (status.ok()) {
      status = store->engine()->RootIn(store->attachment(), *walk->snapshot, tree->slot->name,
                                       &walk->root);
    }
    if (!status.ok()) return Integer(env, store->Fail(std::move(status)));
  }
  const Bytes lower = KeyOf(*store, arguments.Number(0));
  const Bytes upper = ValueOf(*store, arguments.Number(1));
  walk->lower.assign(lower.begin(), lower.end());
  walk->upper.assign(upper.begin(), upper.end());
  walk->range = RangeOf(walk->lower, walk->upper, flags);
  walk->reverse = (flags & kReverseFlag) != 0;
  walk->limit = arguments.Whole(3);
  const uint32_t id = store->next_id++;
  store->walks_[id] = std::move(walk);
  return Whole(env, id);
}

// nextBlock(walk, maxBytes, target: Uint8Array): the number of entries, 0 at the end, with the
// block copied to `target`; kSpilled if it does not fit there: `blockLength` and `takeBlock` then
// give it.
napi_value NextBlock(napi_env env, napi_callback_info info) {
  const Arguments<3> arguments(env, info);
  auto* store = static_cast<StoreHandle*>(arguments.data);
  Walk* walk = store->walks_.at(arguments.Number(0)).get();
  Status status = ReadWalk(store->engine(), store->attachment(), walk, arguments.Number(1));
  if (!status.ok()) return Integer(env, store->Fail(std::move(status)));
  const std::span<uint8_t> target = arguments.Memory(2);
  const Bytes entries = walk->block.bytes();
  if (entries.size() > target.size()) return Integer(env, kSpilled);
  std::ranges::copy(entries, target.begin());
  return Whole(env, walk->block.count);
}

// blockLength(walk): the bytes of its block. takeBlock(walk, target): its number of entries.
napi_value BlockLength(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  const auto* store = static_cast<StoreHandle*>(arguments.data);
  return Whole(env, store->walks_.at(arguments.Number(0))->block.bytes().size());
}

napi_value TakeBlock(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  const auto* store = static_cast<StoreHandle*>(arguments.data);
  const Walk* walk = store->walks_.at(arguments.Number(0)).get();
  const Bytes block = walk->block.bytes();
  const std::span<uint8_t> target = arguments.Memory(1);
  std::copy_n(block.begin(), std::min(block.size(), target.size()), target.begin());
  return Whole(env, walk->block.count);
}

napi_value CloseWalk(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  static_cast<StoreHandle*>(arguments.data)->walks_.erase(arguments.Number(0));
  return nullptr;
}

// beginLoad(tree): its id. addToLoad(load, entries: Uint8Array, count). dropLoad(load).
napi_value BeginLoad(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  auto* store = static_cast<StoreHandle*>(arguments.data);
  void* tree = nullptr;
  napi_get_value_external(env, arguments.values[0], &tree);
  std::unique_ptr<btree::BulkLoad> load;
  Status status = store->engine()->BeginBulkLoad(static_cast<TreeHandle*>(tree)->slot, &load);
  if (!status.ok()) return Integer(env, store->Fail(std::move(status)));
  const uint32_t id = store->next_id++;
  store->loads_[id] = std::move(load);
  return Whole(env, id);
}

napi_value AddToLoad(napi_env env, napi_callback_info info) {
  const Arguments<3> arguments(env, info);
  auto* store = static_cast<StoreHandle*>(arguments.data);
  btree::BulkLoad* load = store->loads_.at(arguments.Number(0)).get();
  const uint8_t* at = arguments.Memory(1).data();
  for (uint32_t left = arguments.Number(2); left > 0; left--) {
    const uint32_t key_length = LoadU32(at);
    const uint32_t value_length = LoadU32(at + 4);
    const uint8_t* key = at + btree::kEntryHeaderBytes;
    at = key + key_length + value_length;
    Status status = load->Add({key, key_length}, {key + key_length, value_length});
    if (!status.ok()) return Integer(env, store->Fail(std::move(status)));
  }
  return Integer(env, 0);
}

napi_value DropLoad(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  static_cast<StoreHandle*>(arguments.data)->loads_.erase(arguments.Number(0));
  return nullptr;
}

// position(), durablePosition(), acknowledgedPosition(); submit(); requestSync(position)
napi_value Position(napi_env env, napi_callback_info info) {
  const Arguments<0> arguments(env, info);
  return Whole(env, static_cast<StoreHandle*>(arguments.data)->engine()->position());
}

napi_value DurablePosition(napi_env env, napi_callback_info info) {
  const Arguments<0> arguments(env, info);
  return Whole(env, static_cast<StoreHandle*>(arguments.data)->engine()->log()->durable_position());
}

napi_value AcknowledgedPosition(napi_env env, napi_callback_info info) {
  const Arguments<0> arguments(env, info);
  const auto* store = static_cast<StoreHandle*>(arguments.data);
  return Whole(env, store->engine()->log()->acknowledged_position());
}

napi_value Submit(napi_env env, napi_callback_info info) {
  const Arguments<0> arguments(env, info);
  static_cast<StoreHandle*>(arguments.data)->engine()->Submit();
  return nullptr;
}

napi_value RequestSync(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  static_cast<StoreHandle*>(arguments.data)->engine()->log()->RequestSync(arguments.Whole(0));
  return nullptr;
}

// keepsFigures(): true if this thread is the one that keeps the figures that onlookers read.
napi_value KeepsFigures(napi_env env, napi_callback_info info) {
  const Arguments<0> arguments(env, info);
  auto* store = static_cast<StoreHandle*>(arguments.data);
  return Integer(env, store->shared()->KeepsFigures(store) ? 1 : 0);
}

// readPage(snapshot, page, target: Uint8Array): the bytes that there are of the page; kFailed.
napi_value ReadPage(napi_env env, napi_callback_info info) {
  const Arguments<3> arguments(env, info);
  auto* store = static_cast<StoreHandle*>(arguments.data);
  size_t count = 0;
  const btree::Snapshot& snapshot = *store->snapshots_.at(arguments.Number(0));
  Status status = store->engine()->ReadPage(store->attachment(), snapshot, arguments.Whole(1),
                                            arguments.Memory(2), &count);
  return Outcome(env, store, std::move(status), count);
}

// hold(isHeld): an event loop with promises that wait for the log must not end.
napi_value Hold(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  const auto* store = static_cast<StoreHandle*>(arguments.data);
  bool is_held = false;
  napi_get_value_bool(env, arguments.values[0], &is_held);
  if (is_held) {
    napi_ref_threadsafe_function(env, store->progress());
  } else {
    napi_unref_threadsafe_function(env, store->progress());
  }
  return nullptr;
}

struct Call {
  const char* name;
  napi_callback call;
};

void AddCalls(napi_env env, napi_value object, std::span<const Call> calls, void* data) {
  for (const auto& [name, call] : calls) {
    napi_value function = nullptr;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, call, data, &function);
    napi_set_named_property(env, object, name, function);
  }
}

constexpr Call kTreeCalls[] = {
    {"get", Get},           {"getToPool", GetToPool}, {"getInto", GetInto},
    {"has", Has},           {"getMany", GetMany},     {"put", Put},
    {"putLarge", PutLarge}, {"walk", OpenWalk},       {"readRange", ReadRange},
};

constexpr Call kStoreCalls[] = {
    {"apply", Apply},
    {"commit", Commit},
    {"compareAndSwap", CompareAndSwap},
    {"snapshot", OpenSnapshot},
    {"snapshotPosition", SnapshotPosition},
    {"closeSnapshot", CloseSnapshot},
    {"nextBlock", NextBlock},
    {"blockLength", BlockLength},
    {"takeBlock", TakeBlock},
    {"closeWalk", CloseWalk},
    {"beginLoad", BeginLoad},
    {"addToLoad", AddToLoad},
    {"dropLoad", DropLoad},
    {"position", Position},
    {"durablePosition", DurablePosition},
    {"acknowledgedPosition", AcknowledgedPosition},
    {"submit", Submit},
    {"requestSync", RequestSync},
    {"keepsFigures", KeepsFigures},
    {"readPage", ReadPage},
    {"hold", Hold},
    {"takeRange", TakeRange},
    {"spillLength", SpillLength},
    {"takeSpill", TakeSpill},
};

}  // namespace

Status ReadWalk(btree::Engine* engine, btree::Attachment* attachment, Walk* walk,
                uint32_t max_bytes) {
  walk->block.Reset();
  if (walk->is_done || walk->limit == 0) return Status::Ok();
  const btree::BlockLimits limits{walk->limit, max_bytes};
  Status status = engine->ReadBlock(attachment, *walk->snapshot, walk->root, walk->range,
                                    walk->reverse, limits, &walk->block, &walk->is_done);
  if (!status.ok() || walk->block.count == 0) return status;
  walk->limit -= walk->block.count;
  const uint8_t* at = walk->block.bytes().data() + walk->block.last_entry_at;
  const Bytes last_key(at + btree::kEntryHeaderBytes, LoadU32(at));
  std::vector<uint8_t>& bound = walk->reverse ? walk->upper : walk->lower;
  bound.assign(last_key.begin(), last_key.end());
  (walk->reverse ? walk->range.upper : walk->range.lower) = Bytes(bound);
  (walk->reverse ? walk->range.upper_inclusive : walk->range.lower_inclusive) = false;
  return status;
}

void AddTreeCalls(napi_env env, napi_value object, TreeHandle* tree) {
  AddCalls(env, object, kTreeCalls, tree);
}

void AddStoreCalls(napi_env env, napi_value object, StoreHandle* store) {
  AddCalls(env, object, kStoreCalls, store);
}

}  // namespace bedplate::binding
