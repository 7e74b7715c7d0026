import { COMMAND_SPECS, type CommandSpec } from '../commands/specs.ts'
import { CATEGORIES, COMMANDS_OF, SUBCOMMANDS_OF } from './categories.ts'

/**
 * Which commands may be run: a set of names, whatever rules led to it. A rule for a container holds for its subcommands, and each of
 * these can be allowed or forbidden by itself.
 */
export class CommandRights {
  /** Each of them, without a look at the set: after +@all, until something is taken away. */
  allowsAll = false
  /** +@all was the last of +@all and -@all: it shows in how the rights are told. */
  #isOpen = false
  #allowed = new Set<string>()
  /** Of commands that are not allowed, first arguments with which they are. */
  #firstArguments = new Map<string, string[]>()

  /** Whether a command may be run with these arguments. O(1), O(first arguments). */
  allow({ name }: CommandSpec, args: readonly string[]): boolean {
    if (this.allowsAll || this.#allowed.has(name)) return true
    const allowed = this.#firstArguments.get(name)
    const given = args[1]?.toLowerCase()
    return allowed?.some((each) => each.toLowerCase() === given) === true
  }

  setAll(isAllowed: boolean): void {
    this.allowsAll = isAllowed
    this.#isOpen = isAllowed
    this.#allowed = new Set(isAllowed ? COMMAND_SPECS.keys() : [])
    this.#firstArguments = new Map()
  }

  /** Allows or forbids a command, and its subcommands with it. */
  set(name: string, isAllowed: boolean): void {
    this.#firstArguments.delete(name)
    for (const each of [name, ...(SUBCOMMANDS_OF.get(name) ?? [])]) {
      if (isAllowed) this.#allowed.add(each)
      else this.#allowed.delete(each)
    }
    if (!isAllowed) this.allowsAll = false
  }

  /** @returns False if there is no such category. */
  setCategory(category: string, isAllowed: boolean): boolean {
    const commands = COMMANDS_OF.get(category)
    for (const { name } of commands ?? []) this.set(name, isAllowed)
    return commands !== undefined
  }

  allowFirstArgument(name: string, argument: string): void {
    const known = this.#firstArguments.get(name) ?? []
    if (known.some((each) => each.toLowerCase() === argument.toLowerCase())) return
    this.#firstArguments.set(name, [...known, argument])
  }

  clone(): CommandRights {
    const copy = new CommandRights()
    copy.allowsAll = this.allowsAll
    copy.#isOpen = this.#isOpen
    copy.#allowed = new Set(this.#allowed)
    copy.#firstArguments = new Map(this.#firstArguments)
    return copy
  }

  /**
   * Rules that lead to these rights: +@all or -@all, categories that come close, the best first, and single commands for the rest.
   * O(categories^2 x commands).
   */
  describe(): string {
    const rules = [this.#isOpen ? '+@all' : '-@all']
    const made = new CommandRights()
    made.setAll(this.#isOpen)
    // What is still to be told: on a copy, so that a category counts by what others have not told yet.
    const rest = this.clone()
    const left = new Set(CATEGORIES)
    for (let best = rest.#bestOf(left, this.#isOpen); best !== undefined; best = rest.#bestOf(left, this.#isOpen)) {
      left.delete(best)
      rules.push(`${this.#isOpen ? '-' : '+'}@${best}`)
      made.setCategory(best, !this.#isOpen)
      rest.setCategory(best, this.#isOpen)
    }
    for (const name of COMMAND_SPECS.keys()) {
      const isAllowed = this.#allowed.has(name)
      if (isAllowed !== made.#allowed.has(name)) {
        rules.push(`${isAllowed ? '+' : '-'}${name}`)
        made.set(name, isAllowed)
      }
      if (!isAllowed) for (const each of this.#firstArguments.get(name) ?? []) rules.push(`+${name}|${each}`)
    }
    return rules.join(' ')
  }

  /** The category with the fewest commands that would have to be told as exceptions; undefined if none saves words. */
  #bestOf(categories: ReadonlySet<string>, isOpen: boolean): string | undefined {
    let best: { readonly category: string; readonly fitting: number; readonly others: number } | undefined
    for (const category of categories) {
      const commands = COMMANDS_OF.get(category) ?? []
      const fitting = commands.filter(({ name }) => this.#allowed.has(name) !== isOpen).length
      const others = commands.length - fitting
      if (fitting <= others) continue
      if (best === undefined || others < best.others || (others === best.others && fitting > best.fitting)) {
        best = { category, fitting, others }
      }
    }
    return best?.category
  }
}
