// What the documents show of a shell is what a shell shows.
import { describe, expect, it } from 'vitest'
import { matches, type PlayedCommand, playBlocks } from '../support/console-block.ts'
import { codeBlocks, documentsIn, fileBlocks } from '../support/documents.ts'

const DOCUMENTS = ['README.md', ...documentsIn('docs/learn'), ...documentsIn('docs/systems')]

describe('the console blocks', () => {
  it.each(DOCUMENTS)('of %s print what they say', (document) => {
    for (const played of playBlocks(codeBlocks(document, 'console'), fileBlocks(document))) {
      if (!matches(played.written, played.printed)) expect(asText(played, 'printed')).toBe(asText(played, 'written'))
    }
  })

  it('of the README are there', () => {
    expect(codeBlocks('README.md', 'console').length).toBeGreaterThan(0)
  })
})

describe('a written line', () => {
  it.each([
    [['a', 'b'], ['a', 'b'], true],
    [['a'], ['a', 'b'], false],
    [['a', 'b'], ['a'], false],
    [[], [], true],
    [[], ['a'], false],
  ])('is compared word for word: %j with %j', (written, printed, expected) => {
    expect(matches(written, printed)).toBe(expected)
  })

  it.each([
    [['...'], [], true],
    [['...'], ['a', 'b'], true],
    [['a', '...', 'd'], ['a', 'b', 'c', 'd'], true],
    [['a', '...', 'd'], ['a', 'd'], true],
    [['a', '...', 'd'], ['a', 'b', 'c'], false],
    [['...', 'c', '...'], ['a', 'c', 'c', 'd'], true],
    [['....'], ['a'], false],
  ])('of three dots stands for any number of lines: %j and %j', (written, printed, expected) => {
    expect(matches(written, printed)).toBe(expected)
  })
})

function asText({ where, command, written, printed }: PlayedCommand, which: 'written' | 'printed'): string {
  return [where, `$ ${command}`, ...(which === 'written' ? written : printed)].join('\n')
}
