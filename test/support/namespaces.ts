// Machines on one: network namespaces of Linux, each with a cable to one switch, that can be pulled out.
import { spawnSync } from 'node:child_process'

/** Namespaces `NAME-1`, `NAME-2`, ... with the addresses PREFIX.1, PREFIX.2, ...; this process is at PREFIX.254. */
export class Namespaces {
  readonly #name: string
  readonly #prefix: string
  readonly #count: number

  /** @throws Error that says what is missing: programs, or the rights of root */
  constructor({ name, prefix, count }: { name: string; prefix: string; count: number }) {
    this.#name = name
    this.#prefix = prefix
    this.#count = count
    this.remove()
    try {
      ip('link', 'add', this.#switch, 'type', 'bridge')
      ip('address', 'add', `${prefix}.254/24`, 'dev', this.#switch)
      ip('link', 'set', this.#switch, 'up')
      for (let number = 1; number <= count; number++) this.#add(number)
    } catch (error) {
      this.remove()
      throw error
    }
  }

  address(number: number): string {
    return `${this.#prefix}.${number}`
  }

  /** The command that runs another one in a namespace. */
  inside(number: number): readonly string[] {
    return ['ip', 'netns', 'exec', this.#space(number)]
  }

  /** Pulls the cable of a namespace out: what is sent is lost without a word. */
  cut(number: number): void {
    ip('link', 'set', this.#plug(number), 'down')
  }

  heal(number: number): void {
    ip('link', 'set', this.#plug(number), 'up')
  }

  remove(): void {
    for (let number = 1; number <= this.#count; number++) spawnSync('ip', ['netns', 'delete', this.#space(number)])
    spawnSync('ip', ['link', 'delete', this.#switch])
  }

  #add(number: number): void {
    const space = this.#space(number)
    const far = `${this.#plug(number)}-far`
    ip('netns', 'add', space)
    ip('link', 'add', this.#plug(number), 'type', 'veth', 'peer', 'name', far)
    ip('link', 'set', far, 'netns', space)
    ip('link', 'set', this.#plug(number), 'master', this.#switch, 'up')
    ip('-n', space, 'address', 'add', `${this.address(number)}/24`, 'dev', far)
    ip('-n', space, 'link', 'set', far, 'up')
    ip('-n', space, 'link', 'set', 'lo', 'up')
  }

  get #switch(): string {
    return `${this.#name}-sw`
  }

  #space(number: number): string {
    return `${this.#name}-${number}`
  }

  #plug(number: number): string {
    return `${this.#name}-${number}`
  }
}

function ip(...args: readonly string[]): void {
  const { status, stderr, error } = spawnSync('ip', args, { encoding: 'utf8' })
  if (status === 0) return
  const why = error?.message ?? stderr.trim()
  throw new Error(`ip ${args.join(' ')}: ${why}; network namespaces want the package iproute2, Linux and root`)
}
