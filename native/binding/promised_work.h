// Work on a thread of libuv's pool that a promise stands for.
//
// Not Napi::AsyncWorker: in a thread that is being terminated a promise can neither be made nor
// settled, and that one would go on with what was never set.
#ifndef BEDPLATE_BINDING_PROMISED_WORK_H_
#define BEDPLATE_BINDING_PROMISED_WORK_H_

#include <node_api.h>

#include <memory>

#include "binding/node_addon_api.h"
#include "core/status.h"

namespace bedplate::binding {

// What JavaScript makes an error of: { code, message, hint? }
[[nodiscard]] Napi::Object Describe(Napi::Env env, const Status& status);

class PromisedWork {
 public:
  PromisedWork() = default;
  virtual ~PromisedWork() = default;
  PromisedWork(const PromisedWork&) = delete;
  PromisedWork& operator=(const PromisedWork&) = delete;

  // Queues `work` and gives its promise; null, and no work done, if the thread is being terminated.
  // The promise rejects with what `Describe` makes of an error.
  static napi_value Start(napi_env env, std::unique_ptr<PromisedWork> work);

 protected:
  // On another thread.
  virtual Status Execute() = 0;
  // On the thread of the promise, after `Execute` has succeeded.
  virtual Status Finish(Napi::Env env, Napi::Value* value) = 0;

 private:
  static void Complete(napi_env env, napi_status outcome, void* data);

  napi_deferred deferred_ = nullptr;
  napi_async_work work_ = nullptr;
  Status status_;
};

}  // namespace bedplate::binding

#endif  // BEDPLATE_BINDING_PROMISED_WORK_H_
