import type { Snapshot } from '../../../ts/storage/ordered/types.ts'
import { must } from './expectation.ts'
import { contentOf, difference, type Model } from './model.ts'

/** A snapshot that knows what it must show. */
export class Pinned {
  private readonly snapshot: Snapshot<string, string>
  private readonly model: Model

  constructor(snapshot: Snapshot<string, string>, model: Model) {
    this.snapshot = snapshot
    this.model = model
  }

  check(): void {
    const found = contentOf(this.snapshot, this.model.treeNames())
    must(
      found === this.model.content,
      () => `a snapshot of position ${this.snapshot.position}: ${difference(found, this.model.content)}`,
    )
  }

  close(): void {
    try {
      this.check()
    } finally {
      this.snapshot.close()
    }
  }
}
