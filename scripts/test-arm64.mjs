// npm run test:arm64: builds the addon for 64-bit ARM, then runs it in a real Node for ARM under qemu's user emulation.
// `doctor` compares the native core with its twin there, and a store goes through both engines.
//
// Needs the Debian packages g++-aarch64-linux-gnu and qemu-user-static; Node comes from npm (scripts/lib/nodes.mjs).
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { provideNode } from './lib/nodes.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const QEMU = '/usr/bin/qemu-aarch64-static'
/** Where Debian's cross compiler has ARM's own libraries. */
const SYSROOT = '/usr/aarch64-linux-gnu'
// Not by bin/: what it might have to build first is this machine's.
const DOCTOR = `process.exitCode = await (await import('${ROOT}dist/cli/doctor.js')).run(['--json'])`
const BINARY = join(ROOT, 'prebuilds/linux-arm64/bedplate.glibc.node')

main()

function main() {
  for (const [path, aptPackage] of [
    [QEMU, 'qemu-user-static'],
    [SYSROOT, 'g++-aarch64-linux-gnu'],
  ]) {
    if (!existsSync(path)) stop(`missing ${path}: apt-get install ${aptPackage}`)
  }
  must('cross build', process.execPath, [join(ROOT, 'scripts/prebuild.mjs'), '--arch', 'arm64'])
  const arm = [QEMU, '-L', SYSROOT, provideNode('arm64', '22.23.3')]
  const doctor = JSON.parse(runArm(arm, ['--input-type=module', '-e', DOCTOR]))
  if (doctor.native.engine !== 'native') stop(`the ARM addon does not load: ${doctor.native.reason}`)
  print(`doctor: CRC-32C ${doctor.native.binary.crc32c} on ${doctor.platform ?? 'linux-arm64'}`)
  const directory = mkdtempSync(join(tmpdir(), 'bedplate-arm64-'))
  try {
    print(runArm(arm, ['scripts/lib/store-on-both-engines.mjs', directory]).trim())
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function runArm([program, ...first], args) {
  return must(args.join(' '), program, [...first, ...args], { env: { ...process.env, BEDPLATE_NATIVE: BINARY } })
}

function must(what, program, args, options = {}) {
  const { status, signal, stdout, stderr } = spawnSync(program, args, { cwd: ROOT, encoding: 'utf8', ...options })
  if (status !== 0) stop(`${what} ended with ${status ?? signal}\n${stdout}${stderr}`)
  return stdout
}

function print(line) {
  process.stdout.write(`test:arm64: ${line}\n`)
}

function stop(message) {
  process.stderr.write(`test:arm64: ${message}\n`)
  process.exit(1)
}
