#ifndef BEDPLATE_BINDING_BTREE_BINDING_H_
#define BEDPLATE_BINDING_BTREE_BINDING_H_

#include "binding/node_addon_api.h"

namespace bedplate::binding {

// openBTree(path: string, options: object, onProgress: () => void): Promise<NativeStore>
// The raw calls of a store are typed and explained in ts/native/btree.ts, the only caller, which
// also checks all arguments.
Napi::Value OpenBTree(const Napi::CallbackInfo& info);

}  // namespace bedplate::binding

#endif  // BEDPLATE_BINDING_BTREE_BINDING_H_
