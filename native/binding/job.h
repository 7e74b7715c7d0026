// Work that may take long, as a promise.
#ifndef BEDPLATE_BINDING_JOB_H_
#define BEDPLATE_BINDING_JOB_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "binding/node_addon_api.h"
#include "binding/ordered_handles.h"
#include "binding/promised_work.h"
#include "core/status.h"

namespace bedplate::binding {

using MaybeBytes = std::optional<std::vector<uint8_t>>;

inline Napi::Value ToJs(Napi::Env env, uint64_t number) {
  return Napi::Number::New(env, static_cast<double>(number));
}

inline Napi::Value ToJs(Napi::Env env, const MaybeBytes& bytes) {
  if (!bytes) return env.Undefined();
  return Napi::Buffer<uint8_t>::Copy(env, bytes->data(), bytes->size());
}

// Runs `work` on a thread of libuv's pool; resolves with its result. What it works on stays alive
// meanwhile.
template <typename Result>
class Job : public PromisedWork {
 public:
  using Work = std::function<Status(Result* result)>;

  static Napi::Value Run(Napi::Env env, Work work) {
    return {env, Start(env, std::unique_ptr<Job>(new Job(std::move(work))))};
  }

 protected:
  Status Execute() override { return work_(&result_); }
  Status Finish(Napi::Env env, Napi::Value* value) override {
    *value = ToJs(env, result_);
    return Status::Ok();
  }

 private:
  explicit Job(Work work) : work_(std::move(work)) {}

  Work work_;
  Result result_{};
};

// Runs `work(engine, attachment, result)` with an attachment of its own.
template <typename Result, typename Api, typename Work>
Napi::Value RunAttached(Napi::Env env, const StoreHandle<Api>* store, Work work) {
  return Job<Result>::Run(env, [shared = store->shared(), work = std::move(work)](Result* result) {
    std::unique_ptr<typename Api::Attachment> attachment;
    if (Status status = shared->engine()->Attach(&attachment); !status.ok()) return status;
    return work(shared->engine(), attachment.get(), result);
  });
}

}  // namespace bedplate::binding

#endif  // BEDPLATE_BINDING_JOB_H_
