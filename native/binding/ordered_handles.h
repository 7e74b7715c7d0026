// What one thread has of an open store of named trees, for the calls of ordered_calls.h and
// ordered_binding.h. `Api` names the types of the engine: see btree_api.h.
#ifndef BEDPLATE_BINDING_ORDERED_HANDLES_H_
#define BEDPLATE_BINDING_ORDERED_HANDLES_H_

#include <node_api.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "binding/shared_engine.h"
#include "core/status.h"
#include "ordered/block.h"

namespace bedplate::binding {

// The memory that JavaScript and this side share: a key area, then a value area.
inline constexpr uint32_t kKeyBytes = 8192;
inline constexpr uint32_t kValueBytes = 256 * 1024;
// The size of the pools that values and small ranges go to (ts/storage/ordered/native/core.ts).
inline constexpr uint32_t kPoolBytes = 16 * 1024;
// What the bytes of a range are multiplied with in the outcome of `readRange`: more than its
// entries.
inline constexpr uint32_t kRangeBytesUnit = 4096;

// What hot calls give beside lengths and positions.
inline constexpr int32_t kAbsent = -1;
inline constexpr int32_t kSpilled = -2;    // larger than the value area: `takeSpill` gives it
inline constexpr int32_t kFailed = -3;     // `takeError` says why
inline constexpr int32_t kNotAtHand = -5;  // it takes a read of the disk
inline constexpr int32_t kNoRoom = -4;     // in what is left of a pool: `takeRange` gives it

template <typename Api>
class StoreHandle;

// One tree of a store, as one thread sees it: the live one, or that of a snapshot.
template <typename Api>
struct TreeHandle {
  StoreHandle<Api>* store;
  typename Api::TreeSlot* slot;
  // Of a snapshot, with the tree's root in it.
  std::shared_ptr<typename Api::Snapshot> snapshot;
  typename Api::Root root{};
};

// A range that is being read.
template <typename Api>
struct Walk {
  std::unique_ptr<typename Api::RangeWalk> range;
  ordered::Block block;
};

// A store, as one thread sees it.
template <typename Api>
class StoreHandle : public ProgressListener {
 public:
  static Status Make(std::shared_ptr<SharedEngine<Api>> shared,
                     std::unique_ptr<StoreHandle>* handle) {
    handle->reset(new StoreHandle(std::move(shared)));
    return (*handle)->engine()->Attach(&(*handle)->attachment_);
  }

  ~StoreHandle() override { Detach(); }

  [[nodiscard]] typename Api::Engine* engine() const { return shared_->engine(); }
  [[nodiscard]] typename Api::Attachment* attachment() const { return attachment_.get(); }
  [[nodiscard]] const std::shared_ptr<SharedEngine<Api>>& shared() const { return shared_; }
  [[nodiscard]] bool is_attached() const { return attachment_ != nullptr; }

  // Lets go of everything but the share in the engine, which the caller takes.
  std::shared_ptr<SharedEngine<Api>> Detach() {
    if (shared_ == nullptr) return nullptr;
    shared_->Forget(this);
    walks.clear();
    snapshots.clear();
    extras = {};
    for (const auto& tree : trees_) {
      tree->snapshot.reset();
    }
    attachment_.reset();
    if (progress_ != nullptr) {
      napi_release_threadsafe_function(progress_, napi_tsfn_abort);
      progress_ = nullptr;
    }
    return std::exchange(shared_, nullptr);
  }

  void OnProgress() override {
    // One call covers all that has happened before it runs.
    if (!has_called_.exchange(true)) {
      napi_call_threadsafe_function(progress_, nullptr, napi_tsfn_nonblocking);
    }
  }

  void Listen(napi_threadsafe_function progress) {
    progress_ = progress;
    shared_->Listen(this);
  }

  [[nodiscard]] napi_threadsafe_function progress() const { return progress_; }
  void ProgressIsSeen() { has_called_ = false; }

  TreeHandle<Api>* AddTree(TreeHandle<Api> tree) {
    trees_.push_back(std::make_unique<TreeHandle<Api>>(std::move(tree)));
    return trees_.back().get();
  }
  void RemoveTree(const TreeHandle<Api>* tree) {
    std::erase_if(trees_, [tree](const auto& other) { return other.get() == tree; });
  }

  // Hands out what a hot call cannot: errors, and values that are too large for the shared memory.
  int32_t Fail(Status status) {
    error_ = std::move(status);
    return kFailed;
  }
  [[nodiscard]] Status TakeError() { return std::exchange(error_, Status::Ok()); }

  uint8_t* memory = nullptr;
  std::vector<uint8_t> spill;
  // Those of the call under way: their memory is used again.
  std::vector<Bytes> keys;
  ordered::Block block;
  std::map<uint32_t, std::shared_ptr<typename Api::Snapshot>> snapshots;
  // Shared with reads under way on other threads.
  std::map<uint32_t, std::shared_ptr<Walk<Api>>> walks;
  typename Api::Extras extras;
  uint32_t next_id = 1;

 private:
  explicit StoreHandle(std::shared_ptr<SharedEngine<Api>> shared) : shared_(std::move(shared)) {}

  std::shared_ptr<SharedEngine<Api>> shared_;
  std::unique_ptr<typename Api::Attachment> attachment_;
  std::vector<std::unique_ptr<TreeHandle<Api>>> trees_;
  napi_threadsafe_function progress_ = nullptr;
  std::atomic<bool> has_called_{false};
  Status error_;
};

}  // namespace bedplate::binding

#endif  // BEDPLATE_BINDING_ORDERED_HANDLES_H_
