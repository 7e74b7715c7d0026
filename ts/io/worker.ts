import { fileURLToPath } from 'node:url'
import { Worker, type WorkerOptions } from 'node:worker_threads'

/**
 * The compiled file of the module `name`, seen from the module at `baseUrl`: worker threads and child processes run
 * JavaScript, also when the caller itself is run from its TypeScript source (then the file is looked up in dist/).
 * @param name - A relative path to a `.ts` file, as in an import.
 * @param baseUrl - The caller's `import.meta.url`.
 */
export function compiledUrl(name: string, baseUrl: string): URL {
  const sources = new URL('../../ts/', import.meta.url).href
  const { href } = new URL(name, baseUrl)
  const inDist = href.startsWith(sources)
    ? new URL(`../../dist/${href.slice(sources.length)}`, import.meta.url).href
    : href
  return new URL(inDist.replace(/\.ts$/, '.js'))
}

/**
 * Starts the module `name` in a worker thread.
 * @param name - A relative path to a `.ts` file, as in an import.
 * @param baseUrl - The caller's `import.meta.url`.
 *
 * @example
 * const worker = spawnWorker('./node-worker.ts', import.meta.url, { workerData: { port } })
 */
export function spawnWorker(name: string, baseUrl: string, options: WorkerOptions = {}): Worker {
  // Flags of the caller, such as loaders of a test runner, are not for compiled code.
  return new Worker(fileURLToPath(compiledUrl(name, baseUrl)), { execArgv: [], ...options })
}
