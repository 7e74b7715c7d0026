// lsmstore shell: one command a line, on a store that stays open. At a terminal with a prompt and a history; of a pipe the
// lines are read ahead, so that many writes share an fsync, and answered in their order.
import { createInterface } from 'node:readline/promises'
import { addAbortSignal } from 'node:stream'
import { BedplateError } from '../../base/errors.ts'
import { diskError } from '../../io/disk-errors.ts'
import { type Interrupt, interruptible } from '../kit/interrupt.ts'
import { conclude, UsageError } from '../kit/program.ts'
import { formatNumber, plural } from '../kit/text.ts'
import { wordsOf } from '../kit/words.ts'
import { takesTree } from '../ordered/command-line.ts'
import { answer, type Context, existingTreeOf, type StoreCommand, treeOf, withWriter } from '../ordered/context.ts'
import { linesOf } from '../ordered/formats/lines.ts'
import { showValue } from '../ordered/point.ts'
import type { LsmBytes } from './store.ts'

/** Lines of a pipe that may be under way at a time. */
const MAX_OPEN_LINES = 1000
const HISTORY_LINES = 1000
/** What can be done with the store that is open; `lsmstore` itself has more. */
const COMMANDS: ReadonlySet<string> = new Set(
  'set get delete increment append range load import export stats trees flush compact verify'.split(' '),
)

const HELP = `  set KEY VALUE       get KEY            delete KEY
  increment KEY [BY]  append KEY SUFFIX  range [FROM] [TO]
  trees               tree [NAME]: work on that tree from here on
  load FILE...        import FILE        export [FILE]
  stats [--long]      flush              compact          verify
  help                exit
Each takes the options of its lsmstore command: range --reverse --limit 3, for instance. Quote what has spaces.`

/** Runs `lsmstore ...args` with stores opened in another way. @returns The exit status. */
type Run = (args: readonly string[], command: StoreCommand<LsmBytes>) => Promise<number>

/** Runs lines until there are no more. @throws INVALID_INPUT at the end if one of a pipe failed. */
export async function shell(context: Context<LsmBytes>, path: string, run: Run): Promise<void> {
  await withWriter(context, path, (store) =>
    interruptible(async (interrupt) => {
      const session = new Session(context, store, run)
      if (process.stdin.isTTY) await converse(session, interrupt)
      else await runAll(session, interrupt)
      interrupt.check()
    }),
  )
}

async function converse(session: Session, { signal }: Interrupt): Promise<void> {
  const { stdin: input, stdout: output } = process
  const terminal = createInterface({ input, output, historySize: HISTORY_LINES })
  signal.addEventListener('abort', () => terminal.close())
  terminal.on('SIGINT', () => terminal.close())
  const ask = (): void => {
    terminal.setPrompt(session.prompt)
    terminal.prompt()
  }
  ask()
  for await (const line of terminal) {
    await session.take(line, session.name)
    await session.answered
    if (session.hasEnded) break
    ask()
  }
  terminal.close()
  if (!session.hasEnded) output.write('\n') // what comes next does not begin behind the prompt
}

async function runAll(session: Session, { signal }: Interrupt): Promise<void> {
  let count = 0
  const isOver = (): boolean => session.hasEnded || process.stdout.destroyed || signal.aborted
  try {
    for await (const lines of linesOf(addAbortSignal(signal, process.stdin))) {
      for (const { number, bytes } of lines) {
        count = number
        await session.take(bytes.toString('utf8'), `${session.name}, line ${number}`)
        if (isOver()) break
      }
      if (isOver()) break
    }
  } catch (error) {
    if (!signal.aborted) throw error instanceof BedplateError ? error : diskError('read', 'standard input', error)
  } finally {
    await session.answered
  }
  if (session.failed === 0) return
  throw new BedplateError('INVALID_INPUT', `${formatNumber(session.failed)} of ${plural(count, 'line')} failed`)
}

/** A command that has begun. */
interface Begun {
  /** What is left when all lines before it have been answered. @returns An exit status. */
  readonly finish: () => Promise<number>
  /** True if the next line may not begin before that. */
  readonly isExclusive: boolean
}

/** What is open, and what is under way. */
class Session {
  readonly name: string
  failed = 0
  hasEnded = false
  /** Resolves once every line so far has been answered. */
  answered: Promise<void> = Promise.resolve()
  private context: Context<LsmBytes>
  private readonly store: LsmBytes
  private readonly run: Run
  private readonly flags: readonly string[]
  private openLines = 0

  constructor(context: Context<LsmBytes>, store: LsmBytes, run: Run) {
    this.name = context.command.name
    this.context = {
      ...context,
      command: { ...context.command, hasInput: false, use: (_path, _options, use) => use(store) },
    }
    this.store = store
    this.run = run
    this.flags = context.options.json === true ? ['--json'] : []
  }

  get prompt(): string {
    const { tree } = this.context.options
    return `${this.store.path}${tree === undefined ? '' : `:${tree}`}> `
  }

  /** Begins what `line` says. @param name - What a complaint begins with. @returns When the next line may come. */
  async take(line: string, name: string): Promise<void> {
    const begun = this.begin(line, name)
    if (begun === undefined) return
    this.openLines++
    this.answered = this.answered.then(async () => {
      const status = await begun.finish()
      if (status !== 0) this.failed++
      this.openLines--
    })
    if (begun.isExclusive || this.openLines >= MAX_OPEN_LINES) await this.answered
  }

  private begin(line: string, name: string): Begun | undefined {
    const told = (action: () => Promise<void>): Begun => ({
      finish: () => conclude(this.flags, name, action),
      isExclusive: false,
    })
    try {
      const [word = '', ...rest] = wordsOf(line)
      if (word === '') return undefined
      const finish = this.beginOwn(word, rest) ?? this.beginPlain(word, rest)
      if (finish !== undefined) return told(finish)
      const args = this.argumentsOf(word, rest)
      return { finish: () => this.run(args, this.context.command), isExclusive: true }
    } catch (error) {
      return told(() => Promise.reject(error))
    }
  }

  /** What only the shell has. */
  private beginOwn(word: string, rest: readonly string[]): (() => Promise<void>) | undefined {
    const { out, options } = this.context
    switch (word) {
      case 'exit':
      case 'quit':
        this.hasEnded = true
        return async () => {}
      case 'help':
        return async () => {
          await out.line(HELP)
          await out.flush()
        }
      case 'tree': {
        if (rest.length > 1) throw new UsageError('tree takes one name, or none for the default tree')
        const { tree: _, ...others } = options
        this.context = { ...this.context, options: rest[0] === undefined ? others : { ...others, tree: rest[0] } }
        return async () => {}
      }
      default:
        return undefined
    }
  }

  /** Commands that come in great numbers: they happen at once, and are answered when it is their turn. */
  private beginPlain(word: string, rest: readonly string[]): (() => Promise<void>) | undefined {
    if (rest.some((each) => each.startsWith('-'))) return undefined
    const { context, store } = this
    const [key, value] = rest.map((each) => Buffer.from(each))
    if (key === undefined) return undefined
    switch (`${word} ${rest.length}`) {
      case 'set 2': {
        const done = treeOf(context, store).put(key, value as Uint8Array)
        return whenDone(done, () => answer(context, { ok: true }, 'OK'))
      }
      case 'get 1': {
        const found = existingTreeOf(context, store).get(key)
        return () => showValue(context, store.path, key, found)
      }
      case 'delete 1': {
        const tree = treeOf(context, store)
        const existed = tree.has(key)
        return whenDone(tree.delete(key), () => answer(context, { ok: true, existed }, 'OK'))
      }
      default:
        return undefined
    }
  }

  /** The arguments of `lsmstore` that do the same to this store. */
  private argumentsOf(word: string, rest: readonly string[]): string[] {
    if (!COMMANDS.has(word)) throw new UsageError(`there is no command ${word} here`, 'help lists what there is')
    const { tree } = this.context.options
    const ours = tree !== undefined && takesTree(word) ? [`--tree=${tree}`] : []
    return [...this.flags, word, ...ours, this.store.path, ...rest]
  }
}

/** Goes on with `next` after `work`, whose failure is told then and not before. */
function whenDone(work: Promise<void>, next: () => Promise<void>): () => Promise<void> {
  work.catch(() => {})
  return () => work.then(next)
}
