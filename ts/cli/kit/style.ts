// Colours, where a person looks: only on a terminal that has them, and never with NO_COLOR (https://no-color.org).
import { styleText } from 'node:util'

/** The few styles that commands use. */
export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'

/** Gives a function that styles text meant for `stream`, or leaves it as it is. */
export function paint(stream: NodeJS.WriteStream): (style: Style, text: string) => string {
  const colours = stream.isTTY === true && stream.hasColors() && (process.env['NO_COLOR'] ?? '') === ''
  return colours ? (style, text) => styleText(style, text) : (_style, text) => text
}
