// What things cost in V8's heap (64 bits, no pointer compression, as Node is built): an object has 24 bytes and 8 for each field, an
// array 48 and 8 for each slot, a string of one byte a character 16 bytes, all rounded up to 8. A table of n entries has room for up
// to twice as many, at 28 bytes each; what an entry is charged for is what it costs in one that is three quarters full. `bench/cache/memory.ts`
// compares the sums with the growth of the heap.

/** One more slot in an array that grows by half when it is full. */
export const SLOT_BYTES = 10
/** One entry of a `Map` from strings, without the string. */
export const TABLE_BYTES = 36
/** A number that is no small integer. */
export const NUMBER_BYTES = 16
/** An array without its slots. */
export const ARRAY_BYTES = 48

const OBJECT_BYTES = 24
const FIELD_BYTES = 8

/** An object of so many fields. */
export function objectBytes(fields: number): number {
  return OBJECT_BYTES + FIELD_BYTES * fields
}

/** A string with one character of 0 to 255 a byte. */
export function stringBytes(text: string): number {
  return 16 + roundedUp(text.length)
}

/** A number as the value of a field: small ones lie in the field itself. */
export function numberBytes(value: number): number {
  return Number.isInteger(value) && value >= -(2 ** 31) && value < 2 ** 31 ? 0 : NUMBER_BYTES
}

/** Bytes of several databases together. */
export class MemoryMeter {
  bytes = 0
}

function roundedUp(bytes: number): number {
  return 8 * Math.ceil(bytes / 8)
}
