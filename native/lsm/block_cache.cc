#include "lsm/block_cache.h"

#include <utility>

namespace bedplate::lsm {

size_t BlockCache::HashOfKey::operator()(const Key& key) const {
  // Blocks begin at multiples of 64. The product spreads what differs over the upper bits (Knuth,
  // TAOCP 3, section 6.4), and the shift brings them down to where buckets are chosen.
  const uint64_t mixed = (key.table << 40 ^ key.offset >> 6) * 0x9e3779b97f4a7c15U;
  return static_cast<size_t>(mixed ^ mixed >> 32);
}

BlockCache::Value BlockCache::Find(const Key& key) {
  Shard* shard = ShardOf(key);
  const std::lock_guard lock(shard->mutex);
  const auto found = shard->places.find(key);
  if (found == shard->places.end()) {
    shard->misses++;
    return nullptr;
  }
  shard->hits++;
  Slot& slot = shard->slots[found->second];
  slot.was_used = true;
  return slot.value;
}

void BlockCache::Insert(const Key& key, Value value, uint64_t bytes) {
  if (bytes > capacity_bytes()) return Erase(key);
  Shard* shard = ShardOf(key);
  Value replaced;  // let go of without the mutex
  {
    const std::lock_guard lock(shard->mutex);
    const auto [found, is_new] = shard->places.try_emplace(key, shard->slots.size());
    if (is_new) shard->slots.push_back({key, nullptr, 0, false});
    Slot& slot = shard->slots[found->second];
    replaced = std::exchange(slot.value, std::move(value));
    bytes_.fetch_add(bytes - slot.bytes, std::memory_order_relaxed);
    slot.bytes = bytes;
    slot.was_used = false;
  }
  Shrink();
}

void BlockCache::Erase(const Key& key) {
  Shard* shard = ShardOf(key);
  Value dropped;
  const std::lock_guard lock(shard->mutex);
  const auto found = shard->places.find(key);
  if (found != shard->places.end()) dropped = Remove(shard, found->second);
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
BlockCache::Value BlockCache::Remove(Shard* shard, size_t place) {
  Slot& slot = shard->slots[place];
  Value dropped = std::move(slot.value);
  bytes_.fetch_sub(slot.bytes, std::memory_order_relaxed);
  shard->places.erase(slot.key);
  if (place + 1 < shard->slots.size()) {
    slot = std::move(shard->slots.back());
    shard->places[slot.key] = place;
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
