// node-addon-api, as this folder uses it: include this instead of napi.h.
#ifndef BEDPLATE_BINDING_NODE_ADDON_API_H_
#define BEDPLATE_BINDING_NODE_ADDON_API_H_

// A worker thread may be terminated while a call of ours is under way. From then on nothing can be
// made or thrown in it any more: that is nobody's fault and no reason to end the process. Results
// are empty then, and JavaScript never sees them.
#define NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS
#include <napi.h>  // IWYU pragma: export

#endif  // BEDPLATE_BINDING_NODE_ADDON_API_H_
