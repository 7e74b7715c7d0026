#ifndef BEDPLATE_BINDING_LSM_BINDING_H_
#define BEDPLATE_BINDING_LSM_BINDING_H_

#include "binding/node_addon_api.h"

namespace bedplate::binding {

// openLsm(path, options, onProgress): Promise of the store; ts/native/lsm.ts says what it is.
Napi::Value OpenLsm(const Napi::CallbackInfo& info);

}  // namespace bedplate::binding

#endif  // BEDPLATE_BINDING_LSM_BINDING_H_
