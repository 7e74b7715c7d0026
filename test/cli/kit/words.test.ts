import { expect, it } from 'vitest'
import { wordsOf } from '../../../ts/cli/kit/words.ts'

it.each([
  ['', []],
  ['  \t ', []],
  ['# set a 1', []],
  ['set a 1', ['set', 'a', '1']],
  ['  set\t a  1  ', ['set', 'a', '1']],
  [`set name 'Ada Lovelace'`, ['set', 'name', 'Ada Lovelace']],
  [`set json '{"a":"\\n"}'`, ['set', 'json', '{"a":"\\n"}']],
  ['set q "say \\"hi\\" \\\\ \\n"', ['set', 'q', 'say "hi" \\ \\n']],
  [`a'b c'"d e"f\\ g`, ['ab cd ef g']],
  [`set empty ''`, ['set', 'empty', '']],
  ['get #1', ['get', '#1']],
])('%j', (line, words) => {
  expect(wordsOf(line)).toEqual(words)
})

it.each([`'`, 'a "b', 'a\\', '"\\"'])('has no end: %j', (line) => {
  expect(() => wordsOf(line)).toThrow('has no end')
})
