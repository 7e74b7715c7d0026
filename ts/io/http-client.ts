// One request over HTTP, and its answer, for programs that ask each other now and then.
import http from 'node:http'
import https from 'node:https'
import { BedplateError } from '../base/errors.ts'
import { type Address, showAddress, type TlsTrust } from './network.ts'

export interface HttpCall {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly body?: string
  readonly tls?: TlsTrust | undefined
  readonly timeoutMs: number
  /** Longer answers are refused. */
  readonly maxBodyBytes: number
}

/** Asks once. @throws UNAVAILABLE if there is no whole answer in time */
export function callHttp(address: Address, call: HttpCall): Promise<{ status: number; body: string }> {
  const { method, path, body = '', tls, timeoutMs, maxBodyBytes } = call
  const { host, port } = address
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void => {
      request.destroy()
      reject(
        new BedplateError('UNAVAILABLE', `${showAddress(address)} does not answer: ${cause.message}`, {
          cause,
          hint: 'does it run there, and does it speak TLS as this one does?',
        }),
      )
    }
    const take = (response: http.IncomingMessage): void => {
      const chunks: Buffer[] = []
      let size = 0
      response.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size > maxBodyBytes) fail(new Error(`its answer is longer than ${maxBodyBytes} bytes`))
        else chunks.push(chunk)
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }))
      response.on('error', fail)
    }
    const options = { host, port, method, path, agent: false, signal: AbortSignal.timeout(timeoutMs) } as const
    const request =
      tls === undefined ? http.request(options, take) : https.request({ ...options, ...filesOf(tls) }, take)
    request.on('error', fail)
    request.end(body)
  })
}

function filesOf(trust: TlsTrust): https.RequestOptions {
  const files = Object.entries(trust).flatMap(([name, file]) => (file === undefined ? [] : [[name, Buffer.from(file)]]))
  return { ...Object.fromEntries(files), minVersion: 'TLSv1.2' }
}
