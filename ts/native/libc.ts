import { closeSync, openSync, readSync } from 'node:fs'

/** Linux has two C libraries whose binaries do not mix. */
export type Libc = 'glibc' | 'musl'

/** The start of an ELF file that holds its headers and the path of its dynamic linker. */
const ELF_HEAD_BYTES = 4096

/**
 * The C library that the program at `executable` uses: its dynamic linker is `ld-musl-*` or `ld-linux-*`. What else is
 * installed on the machine proves nothing, for both may be.
 */
export function detectLibc(executable: string = process.execPath): Libc {
  const head = Buffer.alloc(ELF_HEAD_BYTES)
  try {
    const file = openSync(executable, 'r')
    try {
      readSync(file, head, 0, ELF_HEAD_BYTES, 0)
    } finally {
      closeSync(file)
    }
  } catch {
    return 'glibc' // An unreadable node says nothing; loading the wrong binary would fail cleanly.
  }
  return head.includes('/ld-musl-') ? 'musl' : 'glibc'
}
