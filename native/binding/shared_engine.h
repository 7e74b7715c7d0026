// One engine per store per process, shared by all threads that open it.
#ifndef BEDPLATE_BINDING_SHARED_ENGINE_H_
#define BEDPLATE_BINDING_SHARED_ENGINE_H_

#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "core/status.h"
#include "vfs/disk.h"

namespace bedplate::binding {

// Told on a thread of the engine when a position of it has moved.
class ProgressListener {
 public:
  virtual ~ProgressListener() = default;
  virtual void OnProgress() = 0;
};

// What does not depend on the kind of the store: who listens, and which directory it is.
class SharedStore {
 public:
  virtual ~SharedStore() = default;
  SharedStore(const SharedStore&) = delete;
  SharedStore& operator=(const SharedStore&) = delete;

  void Listen(ProgressListener* listener);
  // After it, `listener` is not called any more.
  void Forget(ProgressListener* listener);
  // True for one listener at a time, the first that asks: it keeps the figures that onlookers read.
  [[nodiscard]] bool KeepsFigures(ProgressListener* listener);

 protected:
  // What this process knows of one directory. Opening and closing the same store take turns.
  struct Place {
    std::mutex mutex;
    std::weak_ptr<SharedStore> store;
  };

  SharedStore() = default;
  // The place of the directory, whatever it is called by.
  static Status PlaceOf(const std::string& path, std::shared_ptr<Place>* place);
  static vfs::Disk* RealDisk();
  static Status OpenOtherwise(const std::string& path, bool read_only);
  void OnProgress();

  std::shared_ptr<Place> place_;
  std::unique_ptr<vfs::Lock> lock_;

 private:
  std::mutex listeners_mutex_;
  std::set<ProgressListener*> listeners_;
  ProgressListener* keeper_ = nullptr;
};

// `Api` names the types of an engine, and says what has to be seen to before it is opened: see
// btree_api.h.
template <typename Api>
class SharedEngine final : public SharedStore {
 public:
  // Gives the engine of the store at `options.path`, opened if nobody in this process has it open.
  // The options of the first opening count. Blocks.
  static Status Open(typename Api::EngineOptions options, std::shared_ptr<SharedEngine>* shared) {
    std::shared_ptr<Place> place;
    if (Status status = PlaceOf(options.path, &place); !status.ok()) return status;
    const std::lock_guard lock(place->mutex);
    if (std::shared_ptr<SharedStore> present = place->store.lock()) {
      // A directory holds a store of one kind: its file FORMAT was read before this.
      auto engine = std::static_pointer_cast<SharedEngine>(std::move(present));
      if (engine->engine_->read_only() != options.read_only) {
        return OpenOtherwise(options.path, options.read_only);
      }
      *shared = std::move(engine);
      return Status::Ok();
    }
    std::shared_ptr<SharedEngine> opened(new SharedEngine());
    opened->place_ = place;
    options.disk = RealDisk();
    options.on_progress = [raw = opened.get()] { raw->OnProgress(); };
    const auto kind = options.read_only ? vfs::LockKind::kReader : vfs::LockKind::kWriter;
    if (Status status = options.disk->TakeLock(options.path, kind, &opened->lock_); !status.ok()) {
      return status;
    }
    if (Status status = Api::Prepare(options.disk, options.path, options.read_only); !status.ok()) {
      return status;
    }
    if (Status status = Api::Engine::Open(std::move(options), &opened->engine_); !status.ok()) {
      return status;
    }
    place->store = opened;
    *shared = std::move(opened);
    return Status::Ok();
  }

  // Gives one holder's share back; the last one closes the engine. Blocks. `*shared` is empty
  // afterwards.
  static Status Release(std::shared_ptr<SharedEngine>* shared) {
    const std::shared_ptr<Place> place = (*shared)->place_;
    const std::lock_guard lock(place->mutex);
    Status status = Status::Ok();
    // Shares are only ever made with `place->mutex` held, so this count can only fall behind our
    // back.
    if (shared->use_count() == 1) status = (*shared)->engine_->Close();
    shared->reset();
    return status;
  }

  // The engine's threads end before what they call does.
  ~SharedEngine() override { engine_.reset(); }

  [[nodiscard]] typename Api::Engine* engine() const { return engine_.get(); }

 private:
  SharedEngine() = default;

  std::unique_ptr<typename Api::Engine> engine_;
};

}  // namespace bedplate::binding

#endif  // BEDPLATE_BINDING_SHARED_ENGINE_H_
