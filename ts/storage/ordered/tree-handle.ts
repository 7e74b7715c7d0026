// One tree of an open store that a TypeScript engine runs.
import { compareBytes, resolveBounds } from '../compare.ts'
import type { KeyRange } from '../ordered-store.ts'
import { checkValue, encodeBatch } from './arguments.ts'
import type { ByteReader } from './byte-reader.ts'
import type { ByteOperation } from './operation.ts'
import { type Codecs, Reader } from './reader.ts'
import type { NamedTree, TreeBatchOperation } from './types.ts'

/** What a tree's handle needs of its engine. */
export interface TreeOwner {
  checkKey(key: Uint8Array): Uint8Array
  assertWritable(): void
  /** Applies one `put`. @returns The promise of its durability. */
  put(tree: string, key: Uint8Array, value: Uint8Array): Promise<void>
  /** Applies all of `operations` at one instant. @returns The promise of their durability. */
  apply(operations: readonly ByteOperation[]): Promise<void>
  /** Resolves when everything applied so far is durable. */
  flushed(): Promise<void>
  close(): Promise<void>
}

export class TreeHandle<K, V> extends Reader<K, V> implements NamedTree<K, V> {
  readonly name: string
  private readonly owner: TreeOwner

  /** @param live - Shows the current state of the tree. */
  constructor(owner: TreeOwner, name: string, live: ByteReader, codecs: Codecs<K, V>) {
    super(live, codecs, (key) => owner.checkKey(key))
    this.owner = owner
    this.name = name
  }

  put(key: K, value: V): Promise<void> {
    return this.owner.put(this.name, this.encodeKey(key), this.encodeValue(value))
  }

  delete(key: K): Promise<void> {
    return this.owner.apply([{ kind: 'delete', tree: this.name, key: this.encodeKey(key) }])
  }

  batch(operations: readonly TreeBatchOperation<K, V>[]): Promise<void> {
    return this.owner.apply(
      encodeBatch(operations, {
        tree: this.name,
        key: (key) => this.encodeKey(key),
        value: (value) => this.encodeValue(value),
      }),
    )
  }

  clear(range: KeyRange<K> = {}): Promise<void> {
    return this.owner.apply([{ kind: 'clear', tree: this.name, range: resolveBounds(range, this.codecs.key) }])
  }

  async compareAndSwap(key: K, expected: V | undefined, value: V | undefined): Promise<boolean> {
    const keyBytes = this.encodeKey(key)
    const wanted = expected === undefined ? undefined : this.encodeValue(expected)
    const next = value === undefined ? undefined : this.encodeValue(value)
    this.owner.assertWritable()
    if (!sameValue(this.source.get(keyBytes), wanted)) return false
    if (next === undefined) await this.owner.apply([{ kind: 'delete', tree: this.name, key: keyBytes }])
    else await this.owner.put(this.name, keyBytes, next)
    return true
  }

  flushed(): Promise<void> {
    return this.owner.flushed()
  }

  /** Closes the whole store: trees share it. */
  close(): Promise<void> {
    return this.owner.close()
  }

  protected encodeValue(value: V): Uint8Array {
    return checkValue(this.codecs.value.encode(value))
  }
}

function sameValue(found: Uint8Array | undefined, wanted: Uint8Array | undefined): boolean {
  if (found === undefined || wanted === undefined) return found === wanted
  return compareBytes(found, wanted) === 0
}
