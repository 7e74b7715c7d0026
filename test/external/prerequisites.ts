import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** The Debian package that holds each program used by the external tests. */
const PACKAGES = {
  chromium: 'chromium',
  curl: 'curl',
  etcd: 'etcd-server',
  etcdctl: 'etcd-client',
  ip: 'iproute2',
  openssl: 'openssl',
  python3: 'python3',
  'redis-cli': 'redis-tools',
  'redis-server': 'redis-server',
} as const

export type Program = keyof typeof PACKAGES

/**
 * Makes sure that `programs` are installed. External tests call it before anything else: a missing program fails them,
 * since a test that skips itself proves nothing.
 * @throws Error that names the packages to install.
 */
export function requirePrograms(...programs: Program[]): void {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  const missing = programs.filter((program) => !folders.some((folder) => existsSync(join(folder, program))))
  if (missing.length === 0) return
  const packages = missing.map((program) => PACKAGES[program]).join(' ')
  throw new Error(`missing ${missing.join(', ')}: apt-get install ${packages}`)
}
