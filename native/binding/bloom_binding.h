#ifndef BEDPLATE_BINDING_BLOOM_BINDING_H_
#define BEDPLATE_BINDING_BLOOM_BINDING_H_

#include "binding/node_addon_api.h"

namespace bedplate::binding {

// Filters of many keys at a time, of one length, one behind the other. Stores build and ask theirs
// inside; these calls compare the core with its twin (test/storage/bloom, bench/lsm-cores).

// buildBloomFilter(keys: Uint8Array, keyBytes: number, bitsPerKey: number): Uint8Array
Napi::Value BuildBloomFilter(const Napi::CallbackInfo& info);

// countBloomMatches(filter: Uint8Array, keys: Uint8Array, keyBytes: number): number
// How many of the keys the filter does not deny. Throws what BloomFilter::Open says of its bytes.
Napi::Value CountBloomMatches(const Napi::CallbackInfo& info);

}  // namespace bedplate::binding

#endif  // BEDPLATE_BINDING_BLOOM_BINDING_H_
