// lsmstore increment, append: changes of a value that nobody reads first.
import { UsageError } from '../kit/program.ts'
import { answer, bytesOf, type Context, withWriter } from '../ordered/context.ts'
import { type LsmBytes, lsmTreeOf } from './store.ts'

export async function increment(
  context: Context<LsmBytes>,
  path: string,
  keyText: string,
  byText = '1',
): Promise<void> {
  const key = bytesOf(context, keyText, 'the key')
  if (!/^-?\d{1,19}$/.test(byText)) throw new UsageError(`${byText} is no whole number of 64 bits`)
  const by = BigInt(byText)
  if (BigInt.asIntN(64, by) !== by) throw new UsageError(`${byText} is no whole number of 64 bits`)
  await withWriter(context, path, (store) => lsmTreeOf(context, store).increment(key, by))
  await answer(context, { ok: true }, 'OK')
}

export async function append(
  context: Context<LsmBytes>,
  path: string,
  keyText: string,
  suffixText: string,
): Promise<void> {
  const key = bytesOf(context, keyText, 'the key')
  const suffix = bytesOf(context, suffixText, 'the suffix')
  await withWriter(context, path, (store) => lsmTreeOf(context, store).append(key, suffix))
  await answer(context, { ok: true }, 'OK')
}
