// What every subcommand of kvstore gets: the general options, its output, and how to open stores.
import { BedplateError, isCode } from '../../base/errors.ts'
import { type BTree, type BTreeOptions, type BTreeTree, openBTree } from '../../storage/btree/index.ts'
import { Output } from '../kit/output.ts'
import { UsageError } from '../kit/program.ts'

/** The options that several subcommands take. */
export interface GeneralOptions {
  /** The named tree to work on; default: the store's own. */
  tree?: string
  json?: boolean
  hex?: boolean
  raw?: boolean
  durability?: 'sync' | 'os' | 'memory'
}

/** The surroundings of one run. */
export interface Context {
  readonly options: GeneralOptions
  readonly out: Output
}

/** Keys and values are bytes to the command; how they are shown is its own business. */
export type ByteStore = BTree<Uint8Array, Uint8Array>
export type ByteTree = BTreeTree<Uint8Array, Uint8Array>

export function contextFor(options: GeneralOptions): Context {
  const { json, hex, raw } = options
  if (raw === true && (hex === true || json === true)) {
    throw new UsageError(`${hex === true ? '--hex' : '--json'} and --raw exclude each other`)
  }
  return { options, out: new Output() }
}

/** Prints one document: JSON with --json, else text. */
export async function answer({ options, out }: Context, document: object, text: string): Promise<void> {
  await out.line(options.json === true ? JSON.stringify(document) : text)
  await out.flush()
}

/** Opens `path` for reading alone, runs `use`, and closes it whatever happens. */
export function withReader<T>(path: string, use: (store: ByteStore) => Promise<T>): Promise<T> {
  return withStore(path, { readOnly: true }, use)
}

/** The same for writing, with the durability that the command line asks for. */
export function withWriter<T>(context: Context, path: string, use: (store: ByteStore) => Promise<T>): Promise<T> {
  const { durability } = context.options
  return withStore(path, durability === undefined ? {} : { durability }, use)
}

/** The tree that the command line names. */
export function treeOf(context: Context, store: ByteStore): ByteTree {
  const { tree } = context.options
  return tree === undefined ? store : store.tree(tree, { keyEncoding: 'buffer', valueEncoding: 'buffer' })
}

/** The same for reading: a tree that does not exist is an error, since its name is probably a misspelling. */
export function existingTreeOf(context: Context, store: ByteStore): ByteTree {
  const { tree } = context.options
  if (tree !== undefined && !store.treeNames().includes(tree)) {
    throw new BedplateError('NOT_FOUND', `${store.path} has no tree ${JSON.stringify(tree)}`, {
      hint: `kvstore trees ${store.path} lists what there is; the first write to a tree makes it`,
    })
  }
  return treeOf(context, store)
}

/** The bytes of a key or a value on the command line: hexadecimal with --hex, else UTF-8. */
export function bytesOf({ options }: Context, text: string, what: string): Uint8Array {
  if (options.hex !== true) return Buffer.from(text)
  if (text.length % 2 === 0 && /^[0-9a-f]*$/i.test(text)) return Buffer.from(text, 'hex')
  throw new UsageError(
    `${what} ${JSON.stringify(text)} is not hexadecimal`,
    'with --hex, give two digits a byte: 6b6579',
  )
}

/** Opens a store and closes it whatever happens; an error of `use` is worth more than one of the close. */
async function withStore<T>(path: string, options: BTreeOptions, use: (store: ByteStore) => Promise<T>): Promise<T> {
  const store = await open(path, options)
  let result: T
  try {
    result = await use(store)
  } catch (error) {
    await store.close().catch(() => {})
    throw error
  }
  await store.close()
  return result
}

async function open(path: string, options: BTreeOptions): Promise<ByteStore> {
  try {
    return await openBTree<Uint8Array, Uint8Array>(path, {
      keyEncoding: 'buffer',
      valueEncoding: 'buffer',
      ...options,
    })
  } catch (error) {
    if (isCode(error, 'NOT_FOUND')) throw missing(path, error)
    throw error
  }
}

function missing(path: string, cause: unknown): BedplateError {
  return new BedplateError('NOT_FOUND', `there is no database ${path}`, { cause, hint: `kvstore create ${path}` })
}
