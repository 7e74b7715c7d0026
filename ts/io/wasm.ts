// WebAssembly programs: where they lie, and as much of the platform's interface as is used here. Node's types have none of it.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

/** Functions of numbers: what goes in and out of a program. */
export type WasmFunction = (...args: number[]) => number

/** A compiled program, to be instantiated any number of times. */
export interface WasmModule {
  readonly imports: readonly { readonly module: string; readonly name: string }[]
  /** A program of its own, with memory of its own. @param imports - By module and name. */
  instantiate(imports: Readonly<Record<string, Readonly<Record<string, unknown>>>>): Readonly<Record<string, unknown>>
}

export interface WasmMemory {
  /** Detached, and replaced, when the memory grows. */
  readonly buffer: ArrayBuffer
  /** @throws RangeError beyond what the machine or the program allows. */
  grow(pages: number): number
}

export interface WasmTable {
  readonly length: number
  get(index: number): unknown
  set(index: number, value: unknown): void
  grow(count: number): number
}

interface Platform {
  readonly Module: {
    new (bytes: Uint8Array): object
    imports(module: object): { module: string; name: string }[]
  }
  readonly Instance: new (module: object, imports: object) => { readonly exports: Readonly<Record<string, unknown>> }
}

/** Compiles a program; takes milliseconds. @throws Error if the bytes are none. */
export function compileWasm(bytes: Uint8Array): WasmModule {
  const { Module, Instance } = (globalThis as unknown as { WebAssembly: Platform }).WebAssembly
  const module = new Module(bytes)
  return {
    imports: Module.imports(module),
    instantiate: (imports) => new Instance(module, imports).exports,
  }
}

/** The bytes of a file in an installed package. @param path - Such as `package/dist/program.wasm`. */
export function readPackageFile(path: string): Uint8Array {
  return readFileSync(require.resolve(path))
}
