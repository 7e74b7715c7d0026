// Before commands that are written at once stands a line that Redis passes over as an annotation:
//
//   #BP:<bytes of the commands, 10 digits>:<CRC-32C, 8 hexadecimal digits>\r\n
//
// Redis's format has no checksums: after a power cut the end of the file may be anything, also whole commands with foreign bytes in
// them. With this line a group is there as it was written, and where: the checksum is of where the line begins, in decimal digits,
// and of the commands, since what a power cut leaves may be an older part of the file. Commands without it, as Redis appends them, are taken as they are.
import { crc32c } from '../../storage/crc32c/index.ts'

const PREFIX = 'BP:'
export const GROUP_HEADER_BYTES = 25

/** The line for commands, that begins at `offset` of its file. */
export function formatGroupHeader(commands: Uint8Array, offset: number): string {
  const checksum = groupChecksum(commands, offset).toString(16).padStart(8, '0')
  return `#${PREFIX}${String(commands.length).padStart(10, '0')}:${checksum}\r\n`
}

export function groupChecksum(commands: Uint8Array, offset: number): number {
  return crc32c(commands, crc32c(Buffer.from(String(offset))))
}

/** What a line says, without its `#` and its end; undefined if it is another one. */
export function readGroupHeader(line: string): { readonly length: number; readonly checksum: number } | undefined {
  const [, length, checksum] = /^BP:(\d{10}):([0-9a-f]{8})$/.exec(line) ?? []
  return length === undefined || checksum === undefined
    ? undefined
    : { length: Number(length), checksum: Number.parseInt(checksum, 16) }
}
