#include "binding/crc32c_binding.h"

#include "crc32c/crc32c.h"

namespace bedplate::binding {

// A hot call on small inputs, so raw node_api.h: no wrapper objects, no allocation.
napi_value Crc32c(napi_env env, napi_callback_info info) {
  napi_value arguments[2] = {};
  size_t argument_count = 2;
  void* data = nullptr;
  size_t length = 0;
  uint32_t initial = 0;
  napi_typedarray_type type = napi_int8_array;
  if (napi_get_cb_info(env, info, &argument_count, arguments, nullptr, nullptr) != napi_ok ||
      napi_get_typedarray_info(env, arguments[0], &type, &length, &data, nullptr, nullptr) !=
          napi_ok ||
      type != napi_uint8_array || napi_get_value_uint32(env, arguments[1], &initial) != napi_ok) {
    napi_throw_type_error(env, nullptr, "crc32c takes a Uint8Array and a number");
    return nullptr;
  }
  const uint32_t crc = crc32c::Extend(initial, Bytes(static_cast<const uint8_t*>(data), length));
  napi_value result = nullptr;
  napi_create_uint32(env, crc, &result);
  return result;
}

}  // namespace bedplate::binding
