// npm run prebuild: makes prebuilds/<platform>-<arch>/, the binary that the tarball brings along for this platform.
import { copyFileSync, mkdirSync, readdirSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { missingTools, runBuilder } from './gyp.mjs'
import { withLock } from './lib/build-lock.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const PREBUILDS = join(ROOT, 'prebuilds', `${process.platform}-${process.arch}`)
const BUILT = join(ROOT, 'build/Release/bedplate.node')

const missing = missingTools()
if (missing.length > 0) {
  process.stderr.write(`prebuild: missing ${missing.join(', ')}\n`)
  process.exit(1)
}
process.exitCode = withLock(join(ROOT, '.cache/build.lock'), prebuild)

function prebuild() {
  const args = ['--napi', '--strip', '-t', process.versions.node]
  // Linux has two C libraries, whose binaries lie side by side under names that say which (ts/native/loader.ts).
  if (process.platform === 'linux') args.push('--tag-libc')
  const { status, output } = runBuilder('prebuildify', args, { cwd: ROOT, quiet: true })
  if (status !== 0) {
    process.stderr.write(output)
    return status
  }
  restoreBuild()
  return 0
}

/** prebuildify takes the binary out of build/, where the loader of this checkout looks first: put a copy back. */
function restoreBuild() {
  const modified = (file) => statSync(join(PREBUILDS, file)).mtimeMs
  const [newest] = readdirSync(PREBUILDS).sort((a, b) => modified(b) - modified(a))
  mkdirSync(join(ROOT, 'build/Release'), { recursive: true })
  copyFileSync(join(PREBUILDS, newest), `${BUILT}.new`)
  renameSync(`${BUILT}.new`, BUILT)
  // npm may be printing JSON on standard output.
  process.stderr.write(`prebuild: made ${join(PREBUILDS, newest)}\n`)
}
