// Cache-line-blocked Bloom filters: bytes in docs/formats/bloom.md.
export { BloomFilter, DEFAULT_BITS_A_KEY, FilterBuilder, MAX_BITS_A_KEY } from './filter.ts'
export { type Hash64, hash64 } from './hash.ts'
