// How keys of locks and elections are named, by servers and clients alike (concurrency/mutex.go of etcd).
import type { Key } from './types.ts'

/** The end of all keys that begin with `prefix`. */
export function prefixEnd(prefix: Key): Key {
  let length = prefix.length
  while (length > 0 && prefix.charCodeAt(length - 1) === 0xff) length--
  if (length === 0) return '\0'
  return prefix.slice(0, length - 1) + String.fromCharCode(prefix.charCodeAt(length - 1) + 1)
}

/** The key with which a lease stands in the queue of `name`. */
export function queueKey(name: Key, lease: bigint): { key: Key; prefix: Key } {
  return { key: `${name}/${BigInt.asUintN(64, lease).toString(16)}`, prefix: `${name}/` }
}
