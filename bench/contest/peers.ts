// The peers are not dependencies of ours: they are installed apart, in bench/peers.
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const PEERS = new URL('../peers/', import.meta.url)

/** What to do if the peers are not there. */
export const PEERS_MISSING = 'not installed, ours runs alone; to compare: npm ci --prefix bench/peers'

export function isInstalled(peer: string): boolean {
  return existsSync(manifestOf(peer))
}

export function versionOf(peer: string): string {
  return (JSON.parse(readFileSync(manifestOf(peer), 'utf8')) as { version: string }).version
}

/** The peer's module. Its types are not installed either, so each contestant says what it uses. */
export function loadPeer<T>(peer: string): T {
  return createRequire(new URL('package.json', PEERS))(peer) as T
}

function manifestOf(peer: string): URL {
  return new URL(`node_modules/${peer}/package.json`, PEERS)
}
