// One engine per store per process, shared by all threads that open it.
#ifndef BEDPLATE_BINDING_SHARED_ENGINE_H_
#define BEDPLATE_BINDING_SHARED_ENGINE_H_

#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "btree/engine.h"
#include "core/status.h"
#include "vfs/disk.h"

namespace bedplate::binding {

// Told on the log's thread when a position of the engine has moved.
class ProgressListener {
 public:
  virtual ~ProgressListener() = default;
  virtual void OnProgress() = 0;
};

class SharedEngine {
 public:
  // Gives the engine of the store at `options.path`, opened if nobody in this process has it open.
  // The options of the first opening count. Blocks.
  static Status Open(btree::EngineOptions options, std::shared_ptr<SharedEngine>* shared);
  // Gives one holder's share back; the last one closes the engine. Blocks. `*shared` is empty
  // afterwards.
  static Status Release(std::shared_ptr<SharedEngine>* shared);

  ~SharedEngine();
  SharedEngine(const SharedEngine&) = delete;
  SharedEngine& operator=(const SharedEngine&) = delete;

  [[nodiscard]] btree::Engine* engine() const { return engine_.get(); }
  void Listen(ProgressListener* listener);
  // After it, `listener` is not called any more.
  void Forget(ProgressListener* listener);
  // True for one listener at a time, the first that asks: it keeps the figures that onlookers read.
  [[nodiscard]] bool KeepsFigures(ProgressListener* listener);

 private:
  struct Place;
  SharedEngine() = default;
  void OnProgress();

  std::shared_ptr<Place> place_;
  std::unique_ptr<vfs::Lock> lock_;
  std::mutex listeners_mutex_;
  std::set<ProgressListener*> listeners_;
  ProgressListener* keeper_ = nullptr;
  std::unique_ptr<btree::Engine> engine_;
};

}  // namespace bedplate::binding

#endif  // BEDPLATE_BINDING_SHARED_ENGINE_H_
