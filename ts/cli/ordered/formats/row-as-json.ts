/** A row as the JSON text of an object: column names to fields, all of them strings. */
export function rowAsJson(fields: readonly Buffer[], columns: readonly string[]): Uint8Array {
  const members = fields.map((field, i) => `${JSON.stringify(columns[i])}:${JSON.stringify(field.toString('utf8'))}`)
  return Buffer.from(`{${members.join(',')}}`)
}
