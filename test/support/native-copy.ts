// What a simulated disk holds, on the real one, where the native engine can open it.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DiskImage } from '../../ts/io/disk-image.ts'
import type { BTree, BTreeOptions } from '../../ts/storage/btree/index.ts'
import { STORE_PATH } from './btree-crash/store.ts'
import { ENGINES } from './engines.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/** Writes the files of `image` below `directory`. */
function writeImage(image: DiskImage, directory: string): void {
  for (const file of image.files()) {
    const path = join(directory, file)
    mkdirSync(join(path, '..'), { recursive: true })
    writeFileSync(path, image.read(`/${file}`))
  }
}

/**
 * Runs `work` on the native engine over a copy of the store of `image`, and closes it.
 * @param work - Also gets the directory that stands for the root of the simulated disk.
 * @returns What `work` gives; undefined if there is no native core.
 */
export async function withNativeCopy<T>(
  image: DiskImage,
  options: BTreeOptions,
  work: (store: BTree, root: string) => Promise<T> | T,
): Promise<T | undefined> {
  const native = ENGINES.find(({ name }) => name === 'native')
  if (native === undefined) return undefined
  const { path, remove } = temporaryDirectory()
  try {
    writeImage(image, path)
    const store = await native.open(join(path, STORE_PATH), options)
    try {
      return await work(store, path)
    } finally {
      await store.close()
    }
  } finally {
    remove()
  }
}
