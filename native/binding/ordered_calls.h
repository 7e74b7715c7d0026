// The hot calls of a store of named trees, in raw node_api.h: bytes in memory that both sides know,
// numbers in and out. Arguments were checked in TypeScript; ts/native/store.ts says what they are.
#ifndef BEDPLATE_BINDING_ORDERED_CALLS_H_
#define BEDPLATE_BINDING_ORDERED_CALLS_H_

#include <node_api.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "binding/ordered_handles.h"
#include "binding/raw_calls.h"
#include "core/little_endian.h"
#include "ordered/block.h"
#include "ordered/operation.h"
#include "ordered/values.h"

namespace bedplate::binding {

template <typename Api>
struct OrderedCalls {
  using Engine = typename Api::Engine;
  using Snapshot = typename Api::Snapshot;
  using TreeSlot = typename Api::TreeSlot;
  using Operation = ordered::Operation<TreeSlot>;
  using Store = StoreHandle<Api>;
  using Tree = TreeHandle<Api>;

  static napi_value Outcome(napi_env env, Store* store, Status status, uint64_t number) {
    if (status.ok()) return Whole(env, number);
    return Integer(env, store->Fail(std::move(status)));
  }

  static Bytes KeyOf(const Store& store, uint32_t length) { return {store.memory, length}; }
  static Bytes ValueOf(const Store& store, uint32_t length) {
    return {store.memory + kKeyBytes, length};
  }

  static Status GetFrom(const Tree& tree, Bytes key, ordered::ValueTarget* value) {
    Store* store = tree.store;
    if (tree.snapshot == nullptr) {
      return store->engine()->Get(store->attachment(), tree.slot, key, value);
    }
    return store->engine()->GetIn(store->attachment(), *tree.snapshot, tree.root, key, value);
  }

  static napi_value GetTo(napi_env env, const Tree& tree, uint32_t key_length,
                          std::span<uint8_t> space) {
    ordered::ValueTarget value;
    value.space = space;
    Status status = GetFrom(tree, KeyOf(*tree.store, key_length), &value);
    return Told(env, tree.store, std::move(status), &value);
  }

  static napi_value Told(napi_env env, Store* store, Status status, ordered::ValueTarget* value) {
    if (!status.ok()) return Integer(env, store->Fail(std::move(status)));
    if (!value->found) return Integer(env, kAbsent);
    if (!value->is_spilled) return Integer(env, static_cast<int32_t>(value->length));
    store->spill = std::move(value->spill);
    return Integer(env, kSpilled);
  }

  // The length of the value at the start of the value area; kAbsent, kSpilled or kFailed.
  static napi_value Get(napi_env env, napi_callback_info info) {
    const Arguments<1> arguments(env, info);
    const auto* tree = static_cast<Tree*>(arguments.data);
    return GetTo(env, *tree, arguments.Number(0), {tree->store->memory + kKeyBytes, kValueBytes});
  }

  // tryGet(keyLength): the same of what is in memory, else kNotAtHand; of a snapshot always that.
  static napi_value TryGet(napi_env env, napi_callback_info info) {
    const Arguments<1> arguments(env, info);
    const auto* tree = static_cast<Tree*>(arguments.data);
    Store* store = tree->store;
    if (tree->snapshot != nullptr) return Integer(env, kNotAtHand);
    ordered::ValueTarget value;
    value.space = {store->memory + kKeyBytes, kValueBytes};
    bool done = true;
    Status status = store->engine()->TryGet(store->attachment(), tree->slot,
                                            KeyOf(*store, arguments.Number(0)), &value, &done);
    if (status.ok() && !done) return Integer(env, kNotAtHand);
    return Told(env, store, std::move(status), &value);
  }

  // getToPool(keyLength, pool: Uint8Array, start): the same for a value that goes to `pool`, from
  // `start` on.
  static napi_value GetToPool(napi_env env, napi_callback_info info) {
    const Arguments<3> arguments(env, info);
    const auto* tree = static_cast<Tree*>(arguments.data);
    const std::span<uint8_t> pool = arguments.Memory(1);
    return GetTo(env, *tree, arguments.Number(0),
                 pool.subspan(std::min<size_t>(arguments.Number(2), pool.size())));
  }

  // getInto(keyLength, target: Uint8Array): the length of the value, which is copied to `target` if
  // it fits there; kAbsent or kFailed.
  static napi_value GetInto(napi_env env, napi_callback_info info) {
    const Arguments<2> arguments(env, info);
    const auto* tree = static_cast<Tree*>(arguments.data);
    Store* store = tree->store;
    ordered::ValueTarget value;
    value.space = arguments.Memory(1);
    Status status = GetFrom(*tree, KeyOf(*store, arguments.Number(0)), &value);
    if (!status.ok()) return Integer(env, store->Fail(std::move(status)));
    return Integer(env, value.found ? static_cast<int32_t>(value.length) : kAbsent);
  }

  // 1, 0 or kFailed.
  static napi_value Has(napi_env env, napi_callback_info info) {
    const Arguments<1> arguments(env, info);
    const auto* tree = static_cast<Tree*>(arguments.data);
    Store* store = tree->store;
    const Bytes key = KeyOf(*store, arguments.Number(0));
    bool found = false;
    Status status = Status::Ok();
    if (tree->snapshot == nullptr) {
      status = store->engine()->Has(store->attachment(), tree->slot, key, &found);
    } else {
      ordered::ValueTarget value;
      status = GetFrom(*tree, key, &value);
      found = value.found;
    }
    if (!status.ok()) return Integer(env, store->Fail(std::move(status)));
    return Integer(env, found ? 1 : 0);
  }

  // getMany(keys: Uint8Array, count, target: Uint8Array): `keys` holds length u32 | key, behind
  // each other. Writes length u32 (all ones: absent) | value, behind each other, to `target`: 0, or
  // kSpilled if it does not fit there, or kFailed.
  static napi_value GetMany(napi_env env, napi_callback_info info) {
    const Arguments<3> arguments(env, info);
    const auto* tree = static_cast<Tree*>(arguments.data);
    Store* store = tree->store;
    const uint8_t* at = arguments.Memory(0).data();
    std::vector<Bytes>& keys = store->keys;
    keys.resize(arguments.Number(1));
    for (Bytes& key : keys) {
      key = {at + 4, LoadU32(at)};
      at += 4 + key.size();
    }
    SpillBuffer answers(arguments.Memory(2));
    ordered::ValueList values(&answers);
    Engine* engine = store->engine();
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
  static napi_value SpillLength(napi_env env, napi_callback_info info) {
    const Arguments<0> arguments(env, info);
    return Whole(env, static_cast<Store*>(arguments.data)->spill.size());
  }

  static napi_value TakeSpill(napi_env env, napi_callback_info info) {
    const Arguments<1> arguments(env, info);
    auto* store = static_cast<Store*>(arguments.data);
    const std::span<uint8_t> target = arguments.Memory(0);
    std::copy_n(store->spill.begin(), std::min(target.size(), store->spill.size()), target.begin());
    // One large value is no reason to keep its memory.
    if (store->spill.capacity() > 4 * kValueBytes) store->spill = {};
    return nullptr;
  }

  // put(keyLength, valueLength): the position of the commit. put(keyLength, value) for what the
  // area cannot hold.
  static napi_value Put(napi_env env, napi_callback_info info) {
    const Arguments<2> arguments(env, info);
    const auto* tree = static_cast<Tree*>(arguments.data);
    Store* store = tree->store;
    uint64_t position = 0;
    const Bytes value = ValueOf(*store, arguments.Number(1));
    Status status = store->engine()->Put(store->attachment(), tree->slot,
                                         KeyOf(*store, arguments.Number(0)), value, &position);
    return Outcome(env, store, std::move(status), position);
  }

  static napi_value PutLarge(napi_env env, napi_callback_info info) {
    const Arguments<2> arguments(env, info);
    const auto* tree = static_cast<Tree*>(arguments.data);
    Store* store = tree->store;
    uint64_t position = 0;
    Status status =
        store->engine()->Put(store->attachment(), tree->slot, KeyOf(*store, arguments.Number(0)),
                             arguments.Memory(1), &position);
    return Outcome(env, store, std::move(status), position);
  }

  // flags: 1 lower bound, 2 it counts, 4 upper bound, 8 it counts.
  static KeyRange RangeOf(Bytes lower, Bytes upper, uint32_t flags) {
    KeyRange range;
    if ((flags & 1) != 0) range.lower = lower;
    range.lower_inclusive = (flags & 2) != 0;
    if ((flags & 4) != 0) range.upper = upper;
    range.upper_inclusive = (flags & 8) != 0;
    return range;
  }

  // Reads operations: kind u8 | tree u32 | flags u8 | first length u32 | second length u32 | first
  // | second. put: key and value; delete: key; clear: bounds; drop: nothing. `tree` is an index
  // into `slots`.
  static std::vector<Operation> ReadOperations(Bytes bytes, uint32_t count,
                                               const std::vector<TreeSlot*>& slots) {
    std::vector<Operation> operations(count);
    const uint8_t* at = bytes.data();
    for (Operation& operation : operations) {
      operation.kind = static_cast<ordered::OperationKind>(at[0]);
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

  // False if the thread is being terminated: then not even an array can be looked into.
  [[nodiscard]] static bool SlotsOf(napi_env env, napi_value trees, std::vector<TreeSlot*>* slots) {
    uint32_t count = 0;
    if (napi_get_array_length(env, trees, &count) != napi_ok) return false;
    slots->resize(count);
    for (uint32_t i = 0; i < count; i++) {
      napi_value external = nullptr;
      void* tree = nullptr;
      napi_get_element(env, trees, i, &external);
      napi_get_value_external(env, external, &tree);
      if (tree == nullptr) return false;
      (*slots)[i] = static_cast<Tree*>(tree)->slot;
    }
    return true;
  }

  // apply(operations: Uint8Array, count, trees): the position. `trees` are the handles that
  // operations count by.
  static napi_value Apply(napi_env env, napi_callback_info info) {
    const Arguments<3> arguments(env, info);
    auto* store = static_cast<Store*>(arguments.data);
    std::vector<TreeSlot*> slots;
    if (!SlotsOf(env, arguments.values[2], &slots)) return nullptr;
    const std::vector<Operation> operations =
        ReadOperations(arguments.Memory(0), arguments.Number(1), slots);
    uint64_t position = 0;
    Status status = store->engine()->Apply(store->attachment(), operations, &position);
    return Outcome(env, store, std::move(status), position);
  }

  // commit(operations, count, trees, snapshot, reads: Uint8Array, readCount): the position. `reads`
  // are laid out as operations: a put is a key that was read, a clear a range.
  static napi_value Commit(napi_env env, napi_callback_info info) {
    const Arguments<6> arguments(env, info);
    auto* store = static_cast<Store*>(arguments.data);
    std::vector<TreeSlot*> slots;
    if (!SlotsOf(env, arguments.values[2], &slots)) return nullptr;
    const std::vector<Operation> operations =
        ReadOperations(arguments.Memory(0), arguments.Number(1), slots);
    ordered::ReadSet<TreeSlot> reads;
    for (const Operation& read : ReadOperations(arguments.Memory(4), arguments.Number(5), slots)) {
      if (read.kind == ordered::OperationKind::kPut) {
        reads.keys.push_back({read.tree, read.key});
      } else {
        reads.ranges.push_back({read.tree, read.range});
      }
    }
    uint64_t position = 0;
    const Snapshot& snapshot = *store->snapshots.at(arguments.Number(3));
    Status status = store->engine()->CommitIfUnchanged(store->attachment(), snapshot, reads,
                                                       operations, &position);
    return Outcome(env, store, std::move(status), position);
  }

  // compareAndSwap(tree, key, expected | undefined, value | undefined): 1 or 0, then
  // `lastPosition`.
  static napi_value CompareAndSwap(napi_env env, napi_callback_info info) {
    const Arguments<4> arguments(env, info);
    auto* store = static_cast<Store*>(arguments.data);
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
        store->attachment(), static_cast<Tree*>(tree)->slot, arguments.Memory(1), optional_bytes(2),
        optional_bytes(3), &swapped, &position);
    if (!status.ok()) return Integer(env, store->Fail(std::move(status)));
    return Integer(env, swapped ? 1 : 0);
  }

  // snapshot(): its id
  static napi_value OpenSnapshot(napi_env env, napi_callback_info info) {
    const Arguments<0> arguments(env, info);
    auto* store = static_cast<Store*>(arguments.data);
    std::shared_ptr<Snapshot> snapshot;
    if (Status status = store->engine()->OpenSnapshot(&snapshot); !status.ok()) {
      return Integer(env, store->Fail(std::move(status)));
    }
    const uint32_t id = store->next_id++;
    store->snapshots[id] = std::move(snapshot);
    return Whole(env, id);
  }

  static napi_value SnapshotPosition(napi_env env, napi_callback_info info) {
    const Arguments<1> arguments(env, info);
    const auto* store = static_cast<Store*>(arguments.data);
    return Whole(env, store->snapshots.at(arguments.Number(0))->position());
  }

  static napi_value CloseSnapshot(napi_env env, napi_callback_info info) {
    const Arguments<1> arguments(env, info);
    auto* store = static_cast<Store*>(arguments.data);
    store->snapshots.erase(arguments.Number(0));
    return nullptr;
  }

  static constexpr uint32_t kReverseFlag = 16;

  // The number of entries of a range and its bytes, in one number.
  static int32_t RangeOutcome(const ordered::Block& block) {
    static_assert(kPoolBytes / ordered::kEntryHeaderBytes < kRangeBytesUnit);
    return static_cast<int32_t>(block.bytes().size() * kRangeBytesUnit + block.count);
  }

  // readRange(lowerLength, upperLength, flags, limit, pool: Uint8Array, start): the RangeOutcome of
  // a range that goes to `pool` as a whole, from `start` on; kNoRoom, kSpilled if it has to be
  // walked, kFailed. flags: those of RangeOf, and 16 for reverse. The lower bound is in the key
  // area, the upper one in the value area.
  static napi_value ReadRange(napi_env env, napi_callback_info info) {
    const Arguments<6> arguments(env, info);
    const auto* tree = static_cast<Tree*>(arguments.data);
    Store* store = tree->store;
    if (tree->snapshot != nullptr) return Integer(env, kSpilled);
    const uint32_t flags = arguments.Number(2);
    const KeyRange range =
        RangeOf(KeyOf(*store, arguments.Number(0)), ValueOf(*store, arguments.Number(1)), flags);
    const std::span<uint8_t> pool = arguments.Memory(4);
    const size_t start = std::min<size_t>(arguments.Number(5), pool.size());
    ordered::Block& block = store->block;
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
  static napi_value TakeRange(napi_env env, napi_callback_info info) {
    const Arguments<1> arguments(env, info);
    const auto* store = static_cast<Store*>(arguments.data);
    const Bytes entries = store->block.bytes();
    const std::span<uint8_t> pool = arguments.Memory(0);
    std::ranges::copy(entries.first(std::min(entries.size(), pool.size())), pool.begin());
    return Integer(env, RangeOutcome(store->block));
  }

  // walk(lowerLength, upperLength, flags, limit): the id of a walk; kFailed. Bounds and flags as
  // those of `readRange`.
  static napi_value OpenWalk(napi_env env, napi_callback_info info) {
    const Arguments<4> arguments(env, info);
    const auto* tree = static_cast<Tree*>(arguments.data);
    Store* store = tree->store;
    const uint32_t flags = arguments.Number(2);
    const KeyRange range =
        RangeOf(KeyOf(*store, arguments.Number(0)), ValueOf(*store, arguments.Number(1)), flags);
    auto walk = std::make_shared<Walk<Api>>();
    Status status = Api::RangeWalk::Open(
        store->engine(), store->attachment(), *tree->slot, tree->snapshot, tree->root, range,
        (flags & kReverseFlag) != 0, arguments.Whole(3), &walk->range);
    if (!status.ok()) return Integer(env, store->Fail(std::move(status)));
    const uint32_t id = store->next_id++;
    store->walks[id] = std::move(walk);
    return Whole(env, id);
  }

  // nextBlock(walk, maxBytes, target: Uint8Array): the number of entries, 0 at the end, with the
  // block copied to `target`; kSpilled if it does not fit there: `blockLength` and `takeBlock` then
  // give it.
  static napi_value NextBlock(napi_env env, napi_callback_info info) {
    const Arguments<3> arguments(env, info);
    auto* store = static_cast<Store*>(arguments.data);
    Walk<Api>* walk = store->walks.at(arguments.Number(0)).get();
    Status status =
        walk->range->Read(store->engine(), store->attachment(), arguments.Number(1), &walk->block);
    if (!status.ok()) return Integer(env, store->Fail(std::move(status)));
    const std::span<uint8_t> target = arguments.Memory(2);
    const Bytes entries = walk->block.bytes();
    if (entries.size() > target.size()) return Integer(env, kSpilled);
    std::ranges::copy(entries, target.begin());
    return Whole(env, walk->block.count);
  }

  // blockLength(walk): the bytes of its block. takeBlock(walk, target): its number of entries.
  static napi_value BlockLength(napi_env env, napi_callback_info info) {
    const Arguments<1> arguments(env, info);
    const auto* store = static_cast<Store*>(arguments.data);
    return Whole(env, store->walks.at(arguments.Number(0))->block.bytes().size());
  }

  static napi_value TakeBlock(napi_env env, napi_callback_info info) {
    const Arguments<2> arguments(env, info);
    const auto* store = static_cast<Store*>(arguments.data);
    const Walk<Api>* walk = store->walks.at(arguments.Number(0)).get();
    const Bytes block = walk->block.bytes();
    const std::span<uint8_t> target = arguments.Memory(1);
    std::copy_n(block.begin(), std::min(block.size(), target.size()), target.begin());
    return Whole(env, walk->block.count);
  }

  static napi_value CloseWalk(napi_env env, napi_callback_info info) {
    const Arguments<1> arguments(env, info);
    static_cast<Store*>(arguments.data)->walks.erase(arguments.Number(0));
    return nullptr;
  }

  // position(), durablePosition(), acknowledgedPosition(); submit(); requestSync(position)
  static napi_value Position(napi_env env, napi_callback_info info) {
    const Arguments<0> arguments(env, info);
    return Whole(env, static_cast<Store*>(arguments.data)->engine()->position());
  }

  static napi_value DurablePosition(napi_env env, napi_callback_info info) {
    const Arguments<0> arguments(env, info);
    return Whole(env, static_cast<Store*>(arguments.data)->engine()->log()->durable_position());
  }

  static napi_value AcknowledgedPosition(napi_env env, napi_callback_info info) {
    const Arguments<0> arguments(env, info);
    const auto* store = static_cast<Store*>(arguments.data);
    return Whole(env, store->engine()->acknowledged_position());
  }

  static napi_value Submit(napi_env env, napi_callback_info info) {
    const Arguments<0> arguments(env, info);
    static_cast<Store*>(arguments.data)->engine()->Submit();
    return nullptr;
  }

  static napi_value RequestSync(napi_env env, napi_callback_info info) {
    const Arguments<1> arguments(env, info);
    static_cast<Store*>(arguments.data)->engine()->log()->RequestSync(arguments.Whole(0));
    return nullptr;
  }

  // hold(isHeld): an event loop with promises that wait for the log must not end.
  static napi_value Hold(napi_env env, napi_callback_info info) {
    const Arguments<1> arguments(env, info);
    const auto* store = static_cast<Store*>(arguments.data);
    bool is_held = false;
    napi_get_value_bool(env, arguments.values[0], &is_held);
    if (is_held) {
      napi_ref_threadsafe_function(env, store->progress());
    } else {
      napi_unref_threadsafe_function(env, store->progress());
    }
    return nullptr;
  }

  // keepsFigures(): 1 if this thread is the one that keeps the figures that onlookers read.
  static napi_value KeepsFigures(napi_env env, napi_callback_info info) {
    const Arguments<0> arguments(env, info);
    auto* store = static_cast<Store*>(arguments.data);
    return Integer(env, store->shared()->KeepsFigures(store) ? 1 : 0);
  }

  // Adds the calls to the object that stands for a tree.
  static void AddToTree(napi_env env, napi_value object, Tree* tree) {
    static constexpr Call kCalls[] = {
        {"tryGet", TryGet},
        {"get", Get},
        {"getToPool", GetToPool},
        {"getInto", GetInto},
        {"has", Has},
        {"getMany", GetMany},
        {"put", Put},
        {"putLarge", PutLarge},
        {"walk", OpenWalk},
        {"readRange", ReadRange},
    };
    AddCalls(env, object, kCalls, tree);
  }

  // Adds the calls to the object that stands for a store.
  static void AddToStore(napi_env env, napi_value object, Store* store) {
    static constexpr Call kCalls[] = {
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
        {"position", Position},
        {"durablePosition", DurablePosition},
        {"acknowledgedPosition", AcknowledgedPosition},
        {"submit", Submit},
        {"requestSync", RequestSync},
        {"hold", Hold},
        {"takeRange", TakeRange},
        {"spillLength", SpillLength},
        {"takeSpill", TakeSpill},
        {"keepsFigures", KeepsFigures},
    };
    AddCalls(env, object, kCalls, store);
  }
};

}  // namespace bedplate::binding

#endif  // BEDPLATE_BINDING_ORDERED_CALLS_H_
