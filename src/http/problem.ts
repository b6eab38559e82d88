/** Error answers: one shape, and one place that decides status and text. */
import type { Context } from 'hono';
import { HTTPException } from 'hono/http-exception';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { databaseFailure } from '../database.ts';
import { Conflict, Invalid, NotInstalled, Permanent, Retryable } from '../errors.ts';
import type { Tell } from '../facts.ts';

/** An error answer. `hint` has the remedy. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly status: ContentfulStatusCode;
  readonly hint: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Additional fields of the answer. */
  readonly more: object;
  constructor(
    status: ContentfulStatusCode,
    error: string,
    hint: string,
    told: { readonly headers?: Readonly<Record<string, string>>; readonly more?: object } = {},
  ) {
    super(error);
    this.status = status;
    this.hint = hint;
    this.headers = told.headers ?? {};
    this.more = told.more ?? {};
  }
}

export const noRoom = (resource: number) =>
  new Problem(
    404,
    `Resource ${resource} is not mapped to a room mailbox.`,
    'Add it to bridge_resource_mappings (resource_id, outlook_item_id, outlook_item_name, active), or set its active to 1.',
  );

/** Answers with a problem. An error of unknown kind is a bug, which is reported but not shown. */
export function answerProblem(error: unknown, c: Context, tell: Tell): Response {
  const problem = problemOf(error) ?? bug(error, c, tell);
  return c.json(
    { success: false, error: problem.message, hint: problem.hint, ...problem.more },
    problem.status,
    { ...problem.headers },
  );
}

function problemOf(thrown: unknown): Problem | null {
  if (thrown instanceof Problem) return thrown;
  const error = databaseFailure(thrown, 'the booking database');
  if (error instanceof Invalid)
    return new Problem(400, error.message, error.hint ?? '', { more: { field: error.field } });
  if (error instanceof NotInstalled)
    return new Problem(503, error.message, error.hint ?? '', { headers: { 'Retry-After': '10' } });
  if (error instanceof Retryable)
    return new Problem(
      503,
      // with a remedy the server answers, and its reason belongs to it
      error.reach === 'side' && error.hint === undefined
        ? 'The booking database is unreachable.'
        : error.message,
      error.hint ??
        (error.reach === 'side'
          ? 'Nothing is lost, and the daemon comes back to it by itself. If it lasts: does PostgreSQL run where DB_HOST and DB_PORT say?'
          : 'Try again in a moment; nothing was lost.'),
      { headers: { 'Retry-After': String(Math.max(1, Math.ceil((error.afterMs ?? 2_000) / 1_000))) } },
    );
  if (error instanceof Conflict)
    return new Problem(409, error.message, error.hint ?? 'It changed meanwhile; read it again.');
  if (error instanceof Permanent)
    return error.reach === 'side'
      ? new Problem(503, error.message, error.hint ?? '', { headers: { 'Retry-After': '10' } })
      : new Problem(422, error.message, error.hint ?? '');
  if (error instanceof HTTPException) return ofLibrary(error);
  return null;
}

/** Errors thrown by Hono and its validators. */
function ofLibrary(error: HTTPException): Problem {
  if (error.status === 415)
    return new Problem(
      415,
      'The body is not JSON.',
      'Send it with Content-Type: application/json, or send no body.',
    );
  if (error.status === 400)
    return new Problem(400, 'body: it is no valid JSON', 'Send valid JSON, or no body at all.', {
      more: { field: 'body' },
    });
  return new Problem(error.status as ContentfulStatusCode, error.message, 'See /openapi.json.');
}

function bug(thrown: unknown, c: Context, tell: Tell): Problem {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  tell({ fact: 'bug', error, where: `${c.req.method} ${c.req.routePath}` });
  return new Problem(500, 'This is a bug of the bridge.', 'The log has the details; please report it.');
}
