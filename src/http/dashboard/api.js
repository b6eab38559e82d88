/** The API as the page uses it. Every call ends: by its answer or after a time. What it says is given in the page's language. */
import { heard } from './heard.js';
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
  // /ready says what is wrong with 503 and a body of its own
  if (answer.ok || body?.checks !== undefined) return body;
  throw new ApiError(
    answer.status,
    heard(String(body?.error ?? answer.statusText)),
    heard(String(body?.hint ?? '')),
  );
}
