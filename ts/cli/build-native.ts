// bedplate build-native [--output FILE]: compiles the native core for a machine that no prebuilt binary fits.
//
// The sources are part of the package. They are built in a temporary folder, the result is loaded once to see that it
// works, and only then it takes its place.
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { BedplateError } from '../base/errors.ts'
import { PACKAGE_URL } from '../base/package.ts'
import { searchIn } from '../native/loader.ts'
import { runProgram } from './kit/program.ts'

/** What scripts/gyp.mjs offers. */
interface Builder {
  missingTools(): string[]
  runBuilder(
    tool: 'node-gyp',
    args: readonly string[],
    options: { cwd: string; quiet: boolean; defines: string },
  ): { status: number; output: string }
}

const PACKAGE = fileURLToPath(PACKAGE_URL)
const BINARY = 'build/Release/bedplate.node'

/** Runs `bedplate build-native`. */
export async function run(args: readonly string[]): Promise<number> {
  return runProgram(args, 'bedplate build-native', (program, out) => {
    program
      .description('Compile the native core for this machine. Needs a C++20 compiler, make and Python 3.')
      .option('--output <file>', 'where to put the binary', join(PACKAGE, BINARY))
      .action(async ({ output }: { output: string }) => {
        const path = resolve(output)
        await build(path)
        await out.line(`built ${path}`)
        if (path !== join(PACKAGE, BINARY)) await out.line(`use it with BEDPLATE_NATIVE=${path}`)
      })
  })
}

async function build(path: string): Promise<void> {
  const builder = (await import(new URL('scripts/gyp.mjs', PACKAGE_URL).href)) as Builder
  const missing = builder.missingTools()
  if (missing.length > 0) {
    throw new BedplateError('NOT_SUPPORTED', `cannot compile here, missing: ${missing.join(', ')}`, {
      hint: toolsHint(),
    })
  }
  const folder = mkdtempSync(join(tmpdir(), 'bedplate-native-'))
  try {
    cpSync(join(PACKAGE, 'native'), join(folder, 'native'), { recursive: true })
    writeFileSync(join(folder, 'binding.gyp'), "{ 'includes': ['native/bedplate.gypi'] }\n")
    // Another compiler may warn of what ours does not.
    const defines = 'warnings_are_errors=false'
    const args = ['configure', 'build', '--jobs', '2']
    const { status, output } = builder.runBuilder('node-gyp', args, { cwd: folder, quiet: true, defines })
    if (status !== 0) throw new BedplateError('IO', `the build failed:\n${output}`)
    checkBinary(join(folder, BINARY))
    putInPlace(join(folder, BINARY), path)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function checkBinary(path: string): void {
  const { addon, report } = searchIn(PACKAGE, path)
  if (addon === undefined) throw new BedplateError('IO', `the binary that was built does not load: ${report.reason}`)
}

/** By a rename: a running process keeps the binary it has, and none ever sees half of the new one. */
function putInPlace(from: string, to: string): void {
  try {
    mkdirSync(dirname(to), { recursive: true })
    copyFileSync(from, `${to}.new`)
    renameSync(`${to}.new`, to)
  } catch (error) {
    throw new BedplateError('PERMISSION', `cannot write ${to}: ${(error as Error).message}`, {
      cause: error,
      hint: 'choose another place with --output FILE and set BEDPLATE_NATIVE=FILE',
    })
  }
}

function toolsHint(): string {
  if (process.platform === 'darwin') return 'xcode-select --install brings all of them'
  if (process.platform === 'win32') return 'install Visual Studio with C++, and Python'
  return 'Debian and Ubuntu: apt-get install g++ make python3; Alpine: apk add g++ make python3'
}
