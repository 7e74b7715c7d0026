// Worker threads have their own loader: this makes it read TypeScript before the first of it is imported.
import { register } from 'node:module'

register('../../scripts/typescript.mjs', import.meta.url)
await import('./read-worker.ts')
