// Makes true again what the log says. Records hold outcomes, so replay needs no decisions and may
// be repeated from any checkpoint at or before the record. The twin is ts/storage/btree/replay.ts.
#ifndef BEDPLATE_BTREE_REPLAY_H_
#define BEDPLATE_BTREE_REPLAY_H_

#include "btree/catalogue.h"
#include "btree/pager.h"
#include "ordered/record.h"

namespace bedplate::btree {

using ordered::RecordVisitor;

// What `value` will be in a leaf beside `key`. Writes a long value to overflow pages: the only step
// of a put that a full disk can refuse. Exclusive.
Status PrepareValue(Pager* pager, uint32_t tree_id, Bytes key, Bytes value, LeafValue* cell);
// Undoes `PrepareValue` for a value that did not get into its tree. Exclusive.
void DropPrepared(Pager* pager, const LeafValue& cell);

// Applies log records to the trees of a catalogue. Exclusive.
class Replayer : public RecordVisitor {
 public:
  Replayer(Catalogue* catalogue, Pager* pager) : catalogue_(catalogue), pager_(pager) {}

  Status Put(uint32_t tree_id, Bytes key, Bytes value) override;
  Status Delete(uint32_t tree_id, Bytes key) override;
  Status Clear(uint32_t tree_id, const KeyRange& range) override;
  Status CreateTree(uint32_t tree_id, Bytes name) override;
  Status DropTree(uint32_t tree_id) override;
  Status BulkLoad(uint32_t tree_id) override;

 private:
  Catalogue* catalogue_;
  Pager* pager_;
};

}  // namespace bedplate::btree

#endif  // BEDPLATE_BTREE_REPLAY_H_
