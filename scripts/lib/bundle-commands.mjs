// node scripts/lib/bundle-commands.mjs FOLDER
//
// Puts what `kvstore` and `lsmstore` need of the compiled files in FOLDER into few files in FOLDER/commands, which bin/ starts from:
// Node takes longer to find 75 modules than `kvstore get` takes to do its work. Everything else, the library too, is used
// as it was compiled.
//
// A bundled module's `import.meta.url` is that of its bundle: one that looks for files by it has to stand as deep as
// commands/ does, or to be kept out.
import { rmSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { rolldown } from 'rolldown'

const FOLDER = resolve(process.argv[2])
const ENTRY = join(FOLDER, 'cli/bedplate.js')
const COMMANDS = join(FOLDER, 'commands')
/** Subcommands that are loaded from where they were compiled to; cache-server and up start threads whose files they find beside their own. */
const KEPT_OUT = /^[.]\/(?:tour\/command|cache-server\/command|up\/command|run\/command|doctor|build-native)[.]js$/
const PACKAGES = /^[^./]/

const keepOut = {
  name: 'keep-out',
  resolveId(source, importer) {
    if (importer !== ENTRY || !KEPT_OUT.test(source)) return null
    return { id: relative(COMMANDS, join(importer, '..', source)), external: true }
  },
}

const bundle = await rolldown({ input: ENTRY, platform: 'node', external: PACKAGES, plugins: [keepOut] })
rmSync(COMMANDS, { recursive: true, force: true })
await bundle.write({ dir: COMMANDS, format: 'esm', chunkFileNames: '[name].js' })
await bundle.close()
