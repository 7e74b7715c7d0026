// One bound of bytes for all that is read from tables: blocks, filters, indexes. What was used
// since it was last looked at gets a second chance (the clock algorithm: Corbato, "A Paging
// Experiment with the Multics System", 1968).
#ifndef BEDPLATE_LSM_BLOCK_CACHE_H_
#define BEDPLATE_LSM_BLOCK_CACHE_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace bedplate::lsm {

// Any thread may use it. What it has given stays, for as long as it is held, also after it was
// dropped here; it does not count any more then.
class BlockCache {
 public:
  using Value = std::shared_ptr<const void>;

  // What is kept: by the number of its table and its place there.
  struct Key {
    uint64_t table;
    uint64_t place;

    friend bool operator==(const Key&, const Key&) = default;
  };

  explicit BlockCache(uint64_t capacity_bytes) : capacity_bytes_(capacity_bytes) {}
  BlockCache(const BlockCache&) = delete;
  BlockCache& operator=(const BlockCache&) = delete;

  // Null if it is not here.
  [[nodiscard]] Value Find(const Key& key);
  // Has the processor fetch the first lines of the value, if it is here.
  void Prefetch(const Key& key);
  // Keeps a value of `bytes`, unless it is larger than all of it.
  void Insert(const Key& key, Value value, uint64_t bytes);
  void Erase(const Key& key);
  void Clear();

  // From now on at most so many bytes. What is over goes before this returns.
  void SetCapacity(uint64_t capacity_bytes);
  [[nodiscard]] uint64_t capacity_bytes() const {
    return capacity_bytes_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

  struct Figures {
    uint64_t capacity_bytes;
    uint64_t bytes;
    // Of Find, since it was made.
    uint64_t hits;
    uint64_t misses;
  };
  [[nodiscard]] Figures figures();

 private:
  static constexpr size_t kShards = 16;

  struct Slot {
    Key key{};
    Value value;
    uint64_t bytes = 0;
    bool was_used = false;
  };
  struct alignas(64) Shard {
    std::mutex mutex;
    std::vector<Slot> slots;
    // Where in `slots` each is: a hash table with open addressing, a power of two of places of
    // which half at most are taken; kFree in the others.
    std::vector<uint32_t> buckets;
    // Where the hand of the clock comes by next.
    size_t hand = 0;
    uint64_t hits = 0;
    uint64_t misses = 0;
  };

  static constexpr uint32_t kFree = UINT32_MAX;

  [[nodiscard]] static size_t HashOf(const Key& key);
  [[nodiscard]] Shard* ShardOf(const Key& key) { return &shards_[HashOf(key) % kShards]; }
  // With the mutex of the shard held.
  [[nodiscard]] static size_t HomeOf(const Shard& shard, const Key& key);
  [[nodiscard]] static size_t BucketOf(const Shard& shard, const Key& key);
  [[nodiscard]] static Slot* SlotOf(Shard* shard, const Key& key);
  static Slot* AddSlot(Shard* shard, const Key& key);
  static void FreeBucket(Shard* shard, size_t bucket);
  [[nodiscard]] Value Remove(Shard* shard, size_t slot);
  // Without.
  [[nodiscard]] Value Tick(Shard* shard);
  void Shrink();

  std::atomic<uint64_t> capacity_bytes_;
  std::atomic<uint64_t> bytes_{0};
  // The shard that the clock comes to next.
  std::atomic<size_t> next_shard_{0};
  std::array<Shard, kShards> shards_;
};

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_BLOCK_CACHE_H_
