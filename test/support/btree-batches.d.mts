import type { TreeBatchOperation } from '../../ts/storage/btree/index.ts'

export const KEPT: number
export const KEYS: number
export function keyOf(batch: number, i: number): string
export function textOf(batch: number, i: number): string
export function operationsOf(batch: number): TreeBatchOperation[]
