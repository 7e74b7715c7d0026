// What calls in raw node_api.h have in common. Arguments were checked in TypeScript.
#ifndef BEDPLATE_BINDING_RAW_CALLS_H_
#define BEDPLATE_BINDING_RAW_CALLS_H_

#include <node_api.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace bedplate::binding {

// What a raw call got.
template <size_t kCount>
struct Arguments {
  napi_env env;
  napi_value values[kCount == 0 ? 1 : kCount];
  void* data = nullptr;

  Arguments(napi_env called, napi_callback_info info) : env(called) {
    size_t count = kCount;
    napi_get_cb_info(env, info, &count, values, nullptr, &data);
  }
  [[nodiscard]] uint32_t Number(size_t i) const {
    uint32_t number = 0;
    napi_get_value_uint32(env, values[i], &number);
    return number;
  }
  [[nodiscard]] uint64_t Whole(size_t i) const {
    int64_t number = 0;
    napi_get_value_int64(env, values[i], &number);
    return static_cast<uint64_t>(number);
  }
  [[nodiscard]] std::span<uint8_t> Memory(size_t i) const {
    void* bytes = nullptr;
    size_t length = 0;
    napi_get_typedarray_info(env, values[i], nullptr, &length, &bytes, nullptr, nullptr);
    return {static_cast<uint8_t*>(bytes), length};
  }
};

inline napi_value Integer(napi_env env, int32_t number) {
  napi_value value = nullptr;
  napi_create_int32(env, number, &value);
  return value;
}

inline napi_value Whole(napi_env env, uint64_t number) {
  napi_value value = nullptr;
  napi_create_double(env, static_cast<double>(number), &value);
  return value;
}

struct Call {
  const char* name;
  napi_callback call;
};

inline void AddCalls(napi_env env, napi_value object, std::span<const Call> calls, void* data) {
  for (const auto& [name, call] : calls) {
    napi_value function = nullptr;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, call, data, &function);
    napi_set_named_property(env, object, name, function);
  }
}

}  // namespace bedplate::binding

#endif  // BEDPLATE_BINDING_RAW_CALLS_H_
