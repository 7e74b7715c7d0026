// What a store holds, and whether its pages add up: for tests.
#ifndef BEDPLATE_TEST_BTREE_CHECK_H_
#define BEDPLATE_TEST_BTREE_CHECK_H_

#include <map>
#include <string>

#include "btree/engine.h"
#include "core/status.h"

namespace bedplate::btree {

// The entries of each tree that exists, by name.
using Model = std::map<std::string, std::map<std::string, std::string>>;

// Reads everything that a snapshot shows.
Status ReadAll(Engine* engine, Attachment* attachment, const Snapshot& snapshot, Model* model);

// Walks every tree page by page: each is what was written, stands where it belongs and is referred
// to once; keys are in order and within the separators above; counts are right; and every page of
// the file is used, or free, or part of the list of free pages, and only one of these. A complaint
// is INTERNAL; else what reading gives.
Status CheckStructure(Engine* engine, Attachment* attachment);

}  // namespace bedplate::btree

#endif  // BEDPLATE_TEST_BTREE_CHECK_H_
