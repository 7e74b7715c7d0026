#include "lsm/block_cache.h"

#include <algorithm>
#include <utility>

namespace bedplate::lsm {

size_t BlockCache::HashOf(const Key& key) {
  // The product spreads what differs over the upper bits (Knuth, TAOCP 3, section 6.4), and the
  // shift brings them down to where shards and buckets are chosen.
  const uint64_t mixed = (key.table << 40 ^ key.place) * 0x9e3779b97f4a7c15U;
  return static_cast<size_t>(mixed ^ mixed >> 32);
}

// -- the table of a shard: Knuth, TAOCP 3, section 6.4, algorithms L and R ------------------------

// Where a key is looked for first.
size_t BlockCache::HomeOf(const Shard& shard, const Key& key) {
  return HashOf(key) / kShards & (shard.buckets.size() - 1);
}

// The bucket of a key, or the free one where it would go. There is a free one.
size_t BlockCache::BucketOf(const Shard& shard, const Key& key) {
  const size_t mask = shard.buckets.size() - 1;
  size_t bucket = HomeOf(shard, key);
  while (shard.buckets[bucket] != kFree && shard.slots[shard.buckets[bucket]].key != key) {
    bucket = (bucket + 1) & mask;
  }
  return bucket;
}

// Null if there is none.
BlockCache::Slot* BlockCache::SlotOf(Shard* shard, const Key& key) {
  if (shard->buckets.empty()) return nullptr;
  const uint32_t slot = shard->buckets[BucketOf(*shard, key)];
  return slot == kFree ? nullptr : &shard->slots[slot];
}

// Of a key that has none.
BlockCache::Slot* BlockCache::AddSlot(Shard* shard, const Key& key) {
  if (2 * (shard->slots.size() + 1) > shard->buckets.size()) {
    shard->buckets.assign(std::max<size_t>(16, 2 * shard->buckets.size()), kFree);
    for (uint32_t i = 0; i < shard->slots.size(); i++) {
      shard->buckets[BucketOf(*shard, shard->slots[i].key)] = i;
    }
  }
  shard->buckets[BucketOf(*shard, key)] = static_cast<uint32_t>(shard->slots.size());
  shard->slots.push_back({key, nullptr, 0, false});
  return &shard->slots.back();
}

// Moves keys behind it up that would not be found any more.
void BlockCache::FreeBucket(Shard* shard, size_t bucket) {
  const size_t mask = shard->buckets.size() - 1;
  for (size_t next = (bucket + 1) & mask; shard->buckets[next] != kFree; next = (next + 1) & mask) {
    const size_t home = HomeOf(*shard, shard->slots[shard->buckets[next]].key);
    const bool stays = ((next - home) & mask) < ((next - bucket) & mask);
    if (stays) continue;
    shard->buckets[bucket] = shard->buckets[next];
    bucket = next;
  }
  shard->buckets[bucket] = kFree;
}

// -- values ---------------------------------------------------------------------------------------

BlockCache::Value BlockCache::Find(const Key& key) {
  Shard* shard = ShardOf(key);
  const std::lock_guard lock(shard->mutex);
  Slot* slot = SlotOf(shard, key);
  if (slot == nullptr) {
    shard->misses++;
    return nullptr;
  }
  shard->hits++;
  slot->was_used = true;
  return slot->value;
}

void BlockCache::Prefetch(const Key& key) {
  Shard* shard = ShardOf(key);
  const std::lock_guard lock(shard->mutex);
  const Slot* slot = SlotOf(shard, key);
  if (slot == nullptr) return;
  // What counts its owners is mostly right behind it.
  const auto* value = static_cast<const uint8_t*>(slot->value.get());
  for (size_t line = 0; line < 3; line++) __builtin_prefetch(value + 64 * line);
}

void BlockCache::Insert(const Key& key, Value value, uint64_t bytes) {
  if (bytes > capacity_bytes()) return Erase(key);
  Shard* shard = ShardOf(key);
  Value replaced;  // let go of without the mutex
  {
    const std::lock_guard lock(shard->mutex);
    Slot* slot = SlotOf(shard, key);
    if (slot == nullptr) slot = AddSlot(shard, key);
    replaced = std::exchange(slot->value, std::move(value));
    bytes_.fetch_add(bytes - slot->bytes, std::memory_order_relaxed);
    slot->bytes = bytes;
    slot->was_used = false;
  }
  Shrink();
}

void BlockCache::Erase(const Key& key) {
  Shard* shard = ShardOf(key);
  Value dropped;
  const std::lock_guard lock(shard->mutex);
  const Slot* slot = SlotOf(shard, key);
  if (slot != nullptr) dropped = Remove(shard, static_cast<size_t>(slot - shard->slots.data()));
}

void BlockCache::Clear() {
  for (Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    while (!shard.slots.empty()) (void)Remove(&shard, shard.slots.size() - 1);
  }
}

void BlockCache::SetCapacity(uint64_t capacity_bytes) {
  capacity_bytes_.store(capacity_bytes, std::memory_order_relaxed);
  Shrink();
}

BlockCache::Figures BlockCache::figures() {
  Figures figures{capacity_bytes(), bytes(), 0, 0};
  for (Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    figures.hits += shard.hits;
    figures.misses += shard.misses;
  }
  return figures;
}

// Takes a slot out; the last one takes its place.
BlockCache::Value BlockCache::Remove(Shard* shard, size_t slot) {
  Slot& removed = shard->slots[slot];
  Value dropped = std::move(removed.value);
  bytes_.fetch_sub(removed.bytes, std::memory_order_relaxed);
  FreeBucket(shard, BucketOf(*shard, removed.key));
  if (slot + 1 < shard->slots.size()) {
    shard->buckets[BucketOf(*shard, shard->slots.back().key)] = static_cast<uint32_t>(slot);
    removed = std::move(shard->slots.back());
  }
  shard->slots.pop_back();
  return dropped;
}

// Looks at the slot under the hand: gives its value, which is kept no longer, or lets it pass for
// this time. Every slot that passes loses its chance, so within two rounds one goes.
BlockCache::Value BlockCache::Tick(Shard* shard) {
  const std::lock_guard lock(shard->mutex);
  if (shard->slots.empty()) return nullptr;
  if (shard->hand >= shard->slots.size()) shard->hand = 0;
  Slot& slot = shard->slots[shard->hand];
  if (!std::exchange(slot.was_used, false)) return Remove(shard, shard->hand);
  shard->hand++;
  return nullptr;
}

// One hand goes over all shards in turns.
void BlockCache::Shrink() {
  while (bytes() > capacity_bytes()) {
    const size_t next = next_shard_.fetch_add(1, std::memory_order_relaxed) % kShards;
    (void)Tick(&shards_[next]);
  }
}

}  // namespace bedplate::lsm
