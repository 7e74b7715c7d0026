#include "binding/promised_work.h"

#include <utility>

namespace bedplate::binding {

Napi::Object Describe(Napi::Env env, const Status& status) {
  Napi::Object error = Napi::Object::New(env);
  error.Set("code", NameOf(status.code()));
  error.Set("message", status.message());
  if (!status.hint().empty()) error.Set("hint", status.hint());
  return error;
}

napi_value PromisedWork::Start(napi_env env, std::unique_ptr<PromisedWork> work) {
  const auto execute = [](napi_env, void* data) {
    auto* started = static_cast<PromisedWork*>(data);
    started->status_ = started->Execute();
  };
  napi_value promise = nullptr;
  napi_value name = nullptr;
  if (napi_create_promise(env, &work->deferred_, &promise) != napi_ok ||
      napi_create_string_utf8(env, "bedplate", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_async_work(env, nullptr, name, execute, Complete, work.get(), &work->work_) !=
          napi_ok) {
    return nullptr;
  }
  if (napi_queue_async_work(env, work->work_) != napi_ok) {
    napi_delete_async_work(env, work->work_);
    return nullptr;
  }
  (void)work.release();  // `Complete` takes it up
  return promise;
}

// Whatever fails in here, the thread is being terminated: nobody waits for the promise any more.
void PromisedWork::Complete(napi_env env, napi_status outcome, void* data) {
  const std::unique_ptr<PromisedWork> work(static_cast<PromisedWork*>(data));
  napi_delete_async_work(env, work->work_);
  if (outcome == napi_cancelled) return;
  Napi::Value value;
  Status status = std::move(work->status_);
  if (status.ok()) status = work->Finish(env, &value);
  if (status.ok()) {
    napi_resolve_deferred(env, work->deferred_, value);
  } else {
    napi_reject_deferred(env, work->deferred_, Describe(env, status));
  }
}

}  // namespace bedplate::binding
