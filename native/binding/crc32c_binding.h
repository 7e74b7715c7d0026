#ifndef BEDPLATE_BINDING_CRC32C_BINDING_H_
#define BEDPLATE_BINDING_CRC32C_BINDING_H_

#include <node_api.h>

namespace bedplate::binding {

// crc32c(bytes: Uint8Array, initial: number): number
// Arguments are checked in TypeScript (ts/storage/crc32c/index.ts), the only caller.
napi_value Crc32c(napi_env env, napi_callback_info info);

}  // namespace bedplate::binding

#endif  // BEDPLATE_BINDING_CRC32C_BINDING_H_
