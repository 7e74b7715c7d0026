// What stands in logs in place of passwords.
const REDACTED = '(redacted)'
/** Settings of CONFIG SET that are secrets. */
const SECRET_SETTINGS: ReadonlySet<string> = new Set(
  'requirepass masterauth masteruser tls-key-file-pass tls-client-key-file-pass'.split(' '),
)

/**
 * The arguments of a command as they may be logged. O(arguments) for the few commands that take secrets.
 * @param name - Of the command that was found, in lower case, subcommands as `container|name`.
 * @returns `args` itself where there is nothing to hide.
 */
export function redacted(name: string, args: readonly string[]): readonly string[] {
  switch (name) {
    case 'auth':
      return hide(args, (index) => index > 0)
    case 'acl|setuser':
      return hide(args, (index) => index > 1)
    case 'config|set':
      return hide(args, (index) => index > 2 && index % 2 === 1 && SECRET_SETTINGS.has(lower(args[index - 1])))
    case 'hello':
      return hideAfter(args, 2, [['auth', 2]])
    case 'migrate':
      return hideAfter(args, 6, [
        ['auth', 1],
        ['auth2', 2],
      ])
    default:
      return args
  }
}

/** Hides so many arguments behind each of these words, which come at `start` or later. */
function hideAfter(
  args: readonly string[],
  start: number,
  words: readonly (readonly [string, number])[],
): readonly string[] {
  const hidden = new Set<number>()
  for (let i = start; i < args.length; i++) {
    const count = words.find(([word]) => word === lower(args[i]))?.[1] ?? 0
    for (let each = 1; each <= count; each++) hidden.add(i + each)
    i += count
  }
  return hide(args, (index) => hidden.has(index))
}

function hide(args: readonly string[], isSecret: (index: number) => boolean): readonly string[] {
  return args.map((arg, index) => (isSecret(index) ? REDACTED : arg))
}

function lower(text: string | undefined): string {
  return text?.toLowerCase() ?? ''
}
