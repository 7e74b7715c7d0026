// Looking into files of a store without opening it.
import { realDisk } from '../../../io/real-disk.ts'
import { describeManifest } from './manifest.ts'
import { describeTable } from './table.ts'
import type { ManifestDescription, TableDescription } from './types.ts'

export type {
  BlockDescription,
  EntryDescription,
  FilePart,
  FileSection,
  ManifestDescription,
  TableDescription,
} from './types.ts'

/**
 * Takes a table file apart, whoever has its store open; damaged bytes are described, not refused.
 *
 * @param path - Of the file: `mydb/000001.sst`.
 * @param block - The data block of which the entries are wanted, counted from 0. Default: the first.
 * @returns Its sections with every field, its data blocks, and the entries of that one block.
 * @throws INVALID_INPUT if it has no such block, NOT_FOUND, PERMISSION, IO.
 *
 * @example
 * for (const { kind, key } of inspectTable('mydb/000001.sst').entries) console.log(kind, Buffer.from(key).toString())
 */
export function inspectTable(path: string, { block = 0 }: { block?: number } = {}): TableDescription {
  return describeTable(realDisk, path, block)
}

/**
 * Takes the manifest of a store apart, whoever has it open: what tables there are, and everything that is kept of them.
 *
 * @param path - The store's directory.
 * @throws NOT_FOUND, INCOMPATIBLE if it is no LSM store, CORRUPTION if it has no manifest, PERMISSION, IO.
 */
export function inspectManifest(path: string): ManifestDescription {
  return describeManifest(realDisk, path)
}
