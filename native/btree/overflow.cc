#include "btree/overflow.h"

#include <algorithm>
#include <string>

namespace bedplate::btree {

Status WriteChain(Pager* pager, const Chain& chain, Bytes bytes) {
  const uint32_t per_page = ChainPageBytes(pager->page_size_bytes());
  std::vector<uint8_t> memory(pager->page_size_bytes());
  const Page page(memory.data(), pager->page_size_bytes());
  for (size_t i = 0; i < chain.numbers.size(); i++) {
    const size_t from = std::min(bytes.size(), i * per_page);
    const Bytes piece = bytes.subspan(from, std::min<size_t>(per_page, bytes.size() - from));
    page.Format(chain.type, {chain.numbers[i], chain.birth}, chain.tree_id, 0);
    page.set_data_length(static_cast<uint32_t>(piece.size()));
    std::copy(piece.begin(), piece.end(), page.bytes() + kPageHeaderBytes);
    if (i + 1 < chain.numbers.size()) page.set_reference({chain.numbers[i + 1], chain.birth});
    if (Status status = pager->WriteThrough(page); !status.ok()) return status;
  }
  return Status::Ok();
}

Status VisitChain(const Pager& pager, const Reference& first, PageType type, uint64_t max_pages,
                  const std::function<Status(const Page&)>& visit) {
  std::vector<uint8_t> memory(pager.page_size_bytes());
  const Page page(memory.data(), pager.page_size_bytes());
  uint64_t count = 0;
  for (Reference at = first; at.page != 0; at = page.reference()) {
    if (count++ == max_pages) {
      return pager.Corruption(at.page,
                              "chain is longer than its " + std::to_string(max_pages) + " pages");
    }
    if (Status status = pager.ReadThrough(at, page); !status.ok()) return status;
    if (page.type() != type) {
      return pager.Corruption(at.page, "is of type " +
                                           std::to_string(static_cast<int>(page.type())) +
                                           ", not " + std::to_string(static_cast<int>(type)));
    }
    if (Status status = visit(page); !status.ok()) return status;
  }
  return Status::Ok();
}

Status ReadOverflow(const Pager& pager, const Reference& first, std::span<uint8_t> target) {
  size_t filled = 0;
  const auto add = [&](const Page& page) {
    const uint32_t length = page.data_length();
    if (length > target.size() - filled) {
      return pager.Corruption(page.page_number(), "holds more than its value");
    }
    std::copy_n(page.bytes() + kPageHeaderBytes, length, target.data() + filled);
    filled += length;
    return Status::Ok();
  };
  const uint64_t pages = ChainPageCount(target.size(), pager.page_size_bytes());
  if (Status status = VisitChain(pager, first, PageType::kOverflow, pages, add); !status.ok()) {
    return status;
  }
  if (filled == target.size()) return Status::Ok();
  return pager.Corruption(first.page, "chain ends after " + std::to_string(filled) + " of " +
                                          std::to_string(target.size()) + " bytes");
}

Status ListOverflow(const Pager& pager, const Reference& first, uint32_t length,
                    std::vector<Reference>* pages) {
  return VisitChain(pager, first, PageType::kOverflow,
                    ChainPageCount(length, pager.page_size_bytes()), [&](const Page& page) {
                      pages->push_back(page.self());
                      return Status::Ok();
                    });
}

}  // namespace bedplate::btree
