// What every subcommand of a store's command gets: whose it is, the general options, its output, and how to open stores.
import { BedplateError, isCode } from '../../base/errors.ts'
import type { Durability } from '../../storage/log/types.ts'
import type { NamedTree, TreeStore } from '../../storage/ordered/types.ts'
import { closing } from '../kit/closing.ts'
import { Output } from '../kit/output.ts'
import { UsageError } from '../kit/program.ts'

/** Keys and values are bytes to the command; how they are shown is its own business. */
export type ByteStore = TreeStore<Uint8Array, Uint8Array>
export type ByteTree = NamedTree<Uint8Array, Uint8Array>

/** How a command opens a store. */
export interface OpenOptions {
  readOnly?: boolean
  durability?: Durability
}

/** A command on one kind of store. */
export interface StoreCommand<S extends ByteStore = ByteStore> {
  /** As users call it: `kvstore`. */
  readonly name: string
  /** Opens the store at `path`, runs `use`, and closes it whatever happens. @throws NOT_FOUND if there is none. */
  use<T>(path: string, options: OpenOptions, use: (store: S) => Promise<T>): Promise<T>
  /** What to do about a key that is too long, where there is something to do. */
  readonly longKeyHint?: string
  /** What copies a store whose values are too large for lines of text. */
  readonly largeValueHint: string
  /** False where standard input is not for commands: a shell reads it. */
  readonly hasInput?: false
}

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
export interface Context<S extends ByteStore = ByteStore> {
  readonly command: StoreCommand<S>
  readonly options: GeneralOptions
  readonly out: Output
}

export function contextFor<S extends ByteStore>(command: StoreCommand<S>, options: GeneralOptions): Context<S> {
  const { json, hex, raw } = options
  if (raw === true && (hex === true || json === true)) {
    throw new UsageError(`${hex === true ? '--hex' : '--json'} and --raw exclude each other`)
  }
  return { command, options, out: new Output() }
}

/** Refuses to read standard input where a shell does. */
export function checkInput({ command }: Context): void {
  if (command.hasInput === false) throw new UsageError('standard input is what the shell reads', 'name a file')
}

/** Prints one document: JSON with --json, else text. */
export async function answer(
  { options, out }: Pick<Context, 'options' | 'out'>,
  document: object,
  text: string,
): Promise<void> {
  await out.line(options.json === true ? JSON.stringify(document) : text)
  await out.flush()
}

/** Opens `path` for reading alone, runs `use`, and closes it whatever happens. */
export function withReader<S extends ByteStore, T>(
  { command }: Context<S>,
  path: string,
  use: (store: S) => Promise<T>,
): Promise<T> {
  return command.use(path, { readOnly: true }, use)
}

/** The same for writing, with the durability that the command line asks for. */
export function withWriter<S extends ByteStore, T>(
  { command, options: { durability } }: Context<S>,
  path: string,
  use: (store: S) => Promise<T>,
): Promise<T> {
  return command.use(path, durability === undefined ? {} : { durability }, use)
}

/** What `StoreCommand.use` comes to where a store is opened and closed for each call. */
export async function openFor<S extends ByteStore, T>(
  { name }: Pick<StoreCommand, 'name'>,
  path: string,
  open: () => Promise<S>,
  use: (store: S) => Promise<T>,
): Promise<T> {
  const store = await open().catch((error: unknown) => {
    throw isCode(error, 'NOT_FOUND') ? noDatabase({ name }, path, error) : error
  })
  return closing(store, use)
}

/** The error for a database that is missing. */
export function noDatabase({ name }: Pick<StoreCommand, 'name'>, path: string, cause: unknown): BedplateError {
  return new BedplateError('NOT_FOUND', `there is no database ${path}`, { cause, hint: `${name} create ${path}` })
}

/** The tree that the command line names. */
export function treeOf({ options: { tree } }: Pick<Context, 'options'>, store: ByteStore): ByteTree {
  return tree === undefined
    ? store
    : store.tree<Uint8Array, Uint8Array>(tree, { keyEncoding: 'buffer', valueEncoding: 'buffer' })
}

/** The same for reading: a tree that does not exist is an error, since its name is probably a misspelling. */
export function existingTreeOf(
  context: Pick<Context, 'options'> & { command: Pick<StoreCommand, 'name'> },
  store: ByteStore,
): ByteTree {
  const { tree } = context.options
  if (tree !== undefined && !store.treeNames().includes(tree)) {
    throw new BedplateError('NOT_FOUND', `${store.path} has no tree ${JSON.stringify(tree)}`, {
      hint: `${context.command.name} trees ${store.path} lists what there is; the first write to a tree makes it`,
    })
  }
  return treeOf(context, store)
}

/** The bytes of a key or a value on the command line: hexadecimal with --hex, else UTF-8. */
export function bytesOf({ options }: Pick<Context, 'options'>, text: string, what: string): Uint8Array {
  if (options.hex !== true) return Buffer.from(text)
  if (text.length % 2 === 0 && /^[0-9a-f]*$/i.test(text)) return Buffer.from(text, 'hex')
  throw new UsageError(
    `${what} ${JSON.stringify(text)} is not hexadecimal`,
    'with --hex, give two digits a byte: 6b6579',
  )
}
