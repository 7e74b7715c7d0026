// The hot calls that only a B-tree store has; see ordered_calls.h.
#ifndef BEDPLATE_BINDING_BTREE_CALLS_H_
#define BEDPLATE_BINDING_BTREE_CALLS_H_

#include <node_api.h>

#include "binding/btree_api.h"
#include "binding/ordered_handles.h"

namespace bedplate::binding {

// Adds them to the object that stands for a store.
void AddBTreeCalls(napi_env env, napi_value object, StoreHandle<BTreeApi>* store);

}  // namespace bedplate::binding

#endif  // BEDPLATE_BINDING_BTREE_CALLS_H_
