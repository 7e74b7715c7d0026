#include "binding/bloom_binding.h"

#include <algorithm>
#include <vector>

#include "bloom/filter.h"
#include "bloom/hash.h"

namespace bedplate::binding {
namespace {

Bytes BytesOf(const Napi::Value& value) {
  const auto array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.ByteLength()};
}

// Calls `visit(hash)` for each key.
template <typename Visit>
void VisitHashes(Bytes keys, const Napi::Value& key_bytes, Visit visit) {
  const size_t length = key_bytes.As<Napi::Number>().Uint32Value();
  if (length == 0) return;
  for (; keys.size() >= length; keys = keys.subspan(length)) {
    visit(bloom::HashOf(keys.first(length)));
  }
}

}  // namespace

Napi::Value BuildBloomFilter(const Napi::CallbackInfo& info) {
  std::vector<bloom::Hash64> hashes;
  VisitHashes(BytesOf(info[0]), info[1],
              [&](const bloom::Hash64& hash) { hashes.push_back(hash); });
  const std::vector<uint8_t> filter =
      bloom::BuildFilter(hashes, info[2].As<Napi::Number>().Uint32Value());
  auto result = Napi::Uint8Array::New(info.Env(), filter.size());
  std::copy(filter.begin(), filter.end(), result.Data());
  return result;
}

Napi::Value CountBloomMatches(const Napi::CallbackInfo& info) {
  bloom::BloomFilter filter;
  const Status status = bloom::BloomFilter::Open(BytesOf(info[0]), "the filter", &filter);
  if (!status.ok()) {
    Napi::Error::New(info.Env(), status.message()).ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  uint32_t count = 0;
  VisitHashes(BytesOf(info[1]), info[2], [&](const bloom::Hash64& hash) {
    if (filter.MayHold(hash)) count++;
  });
  return Napi::Number::New(info.Env(), count);
}

}  // namespace bedplate::binding
