/** Calls of the API. Each ends with an answer or at its timeout. Errors are in the page's language. */
import { translated } from './translate.js';
import { say } from './language.js';

const waitMs = 8_000;
/** A manual call answers within 20 s. */
const actMs = 30_000;

/** Why a call has no good answer. `status` 0: there was none at all. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} message
   * @param {string} hint
   */
  constructor(status, message, hint) {
    super(message);
    this.status = status;
    this.hint = hint;
  }
}

/** @param {string} path @param {number} [ms] */
export const get = (path, ms = waitMs) => call(path, { signal: AbortSignal.timeout(ms) });

/**
 * @param {string} path
 * @param {object} [body]
 */
export const post = (path, body = {}) => send('POST', path, body);

/**
 * @param {string} path
 * @param {object} body
 */
export const patch = (path, body) => send('PATCH', path, body);

/**
 * @param {string} method
 * @param {string} path
 * @param {object} body
 */
const send = (method, path, body) =>
  call(path, {
    method,
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(actMs),
  });

/**
 * @param {string} path
 * @param {RequestInit} init
 * @returns {Promise<any>}
 */
async function call(path, init) {
  /** @type {Response} */
  let answer;
  /** @type {any} */
  let body;
  try {
    answer = await fetch(path, { credentials: 'same-origin', ...init });
    body = await answer.json();
  } catch (cause) {
    throw new ApiError(0, say('daemon.away'), cause instanceof Error ? cause.message : String(cause));
  }
  // /ready lists the problems in the body of its 503
  if (answer.ok || body?.checks !== undefined) return body;
  throw new ApiError(
    answer.status,
    translated(String(body?.error ?? answer.statusText)),
    translated(String(body?.hint ?? '')),
  );
}
