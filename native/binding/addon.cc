// The addon's only entry. It is context-aware: every worker thread that loads it gets its own
// exports, and the core below holds no state that belongs to one of them.
#include "binding/bloom_binding.h"
#include "binding/btree_binding.h"
#include "binding/crc32c_binding.h"
#include "binding/lsm_binding.h"
#include "binding/node_addon_api.h"
#include "crc32c/crc32c.h"

namespace bedplate::binding {
namespace {

// Rises whenever a call below changes its meaning. The loader (ts/native/loader.ts) refuses an
// addon with another number: a binary left over from another version must not be called.
constexpr uint32_t kInterfaceVersion = 6;

// describe(): { interfaceVersion: number, nodeApiVersion: number, compiler: string, crc32c: string
// } What this binary is, for `bedplate doctor`. Called once, so node-addon-api.
Napi::Value DescribeAddon(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Object description = Napi::Object::New(env);
  description.Set("interfaceVersion", Napi::Number::New(env, kInterfaceVersion));
  description.Set("nodeApiVersion", Napi::Number::New(env, NAPI_VERSION));
#if defined(__clang__)
  description.Set("compiler", "clang " __clang_version__);
#elif defined(__GNUC__)
  description.Set("compiler", "gcc " __VERSION__);
#else
  description.Set("compiler", "unknown");
#endif
  description.Set("crc32c", crc32c::ImplementationName());
  return description;
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("describe", Napi::Function::New<DescribeAddon>(env, "describe"));
  napi_value crc32c = nullptr;
  napi_create_function(env, "crc32c", NAPI_AUTO_LENGTH, Crc32c, nullptr, &crc32c);
  exports.Set("crc32c", crc32c);
  exports.Set("buildBloomFilter", Napi::Function::New<BuildBloomFilter>(env, "buildBloomFilter"));
  exports.Set("countBloomMatches",
              Napi::Function::New<CountBloomMatches>(env, "countBloomMatches"));
#if !defined(_WIN32)  // where there is no real disk yet
  exports.Set("openBTree", Napi::Function::New<OpenBTree>(env, "openBTree"));
  exports.Set("openLsm", Napi::Function::New<OpenLsm>(env, "openLsm"));
#endif
  return exports;
}

NODE_API_MODULE(bedplate, Init)

}  // namespace
}  // namespace bedplate::binding
