import { Violation } from '../btree-crash/expectation.ts'

/**
 * Runs `work`; an attempt to allocate more than `mostBytes` at once fails it, also if `work` catches what that throws.
 * Only one such call at a time.
 */
export async function withAllocationLimit<T>(mostBytes: number, work: () => Promise<T>): Promise<T> {
  const { Uint8Array: Bytes, ArrayBuffer: Block } = globalThis
  let tooLarge: Violation | undefined
  const limited = <C extends object>(kind: C): C =>
    new Proxy(kind, {
      construct(target, args, newTarget) {
        if (typeof args[0] === 'number' && args[0] > mostBytes) {
          tooLarge ??= new Violation(`tried to allocate ${args[0]} bytes`)
          throw tooLarge
        }
        return Reflect.construct(target as typeof Bytes, args, newTarget)
      },
    })
  globalThis.Uint8Array = limited(Bytes)
  globalThis.ArrayBuffer = limited(Block)
  let outcome: PromiseSettledResult<T>[]
  try {
    outcome = await Promise.allSettled([work()])
  } finally {
    globalThis.Uint8Array = Bytes
    globalThis.ArrayBuffer = Block
  }
  if (tooLarge !== undefined) throw tooLarge
  const [result] = outcome
  if (result?.status !== 'fulfilled') throw result?.reason
  return result.value
}
