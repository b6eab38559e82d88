/**
 * Errors by how to proceed. outlook/failure.ts (by HTTP status) and database.ts (by SQLSTATE) choose the class; no other code
 * depends on status codes. An error of any other class is a bug: its stack is logged, its item is parked, and the daemon
 * continues.
 */

/** The extent of a failure: one item, one room mailbox, or the whole side (an outage). */
export type Reach = 'item' | 'room' | 'side';

/**
 * The reason of a refusal that does not depend on the data of the request. token: the token is refused; access: a permission is
 * missing; mailbox: it does not exist under that name; quota: the mailbox is full.
 */
export type RefusedFor = 'token' | 'access' | 'mailbox' | 'quota';

interface Details {
  readonly hint?: string;
  readonly reach?: Reach;
  readonly refusedFor?: RefusedFor;
  readonly requestId?: string;
  readonly cause?: unknown;
}

/** An error with instructions on how to proceed. `hint`: the repair, for a person. */
export abstract class Failure extends Error {
  readonly hint: string | undefined;
  readonly reach: Reach;
  readonly refusedFor: RefusedFor | undefined;
  readonly requestId: string | undefined;
  constructor(message: string, details: Details = {}) {
    super(message, details.cause === undefined ? {} : { cause: details.cause });
    this.hint = details.hint;
    this.reach = details.reach ?? 'item';
    this.refusedFor = details.refusedFor;
    this.requestId = details.requestId;
  }
}

/** The same call may work later: 429, 5xx, timeouts, lost connections, SQLSTATE 40001, 40P01, 57P01, 08*. */
export class Retryable extends Failure {
  override readonly name = 'Retryable';
  /** The requested wait in milliseconds (Retry-After); `undefined`: our own back-off. */
  readonly afterMs: number | undefined;
  /** The call may have been executed although its answer was lost: read the state before repeating it. */
  readonly ambiguous: boolean;
  constructor(
    message: string,
    details: Details & { readonly afterMs?: number | undefined; readonly ambiguous?: boolean } = {},
  ) {
    super(message, details);
    this.afterMs = details.afterMs;
    this.ambiguous = details.ambiguous ?? false;
  }
}

/** The bridge is not installed in this database, or detached from the booking system, or a part of it is missing. */
export class NotInstalled extends Retryable {}

/** Retries fail until a person intervenes or the data changes: 403, a nonexistent mailbox, refused data. */
export class Permanent extends Failure {
  override readonly name = 'Permanent';
}

/** The event was changed concurrently (412): read and decide again, at most three times. */
export class Conflict extends Failure {
  override readonly name = 'Conflict';
}

/** Invalid input. `field`: its name; `hint`: the repair. */
export class Invalid extends Failure {
  override readonly name = 'Invalid';
  readonly field: string;
  constructor(field: string, message: string, hint: string) {
    super(message, { hint });
    this.field = field;
  }
}

/** A failure that says how to proceed; anything else is a bug. */
export const isExpected = (error: unknown): error is Retryable | Permanent =>
  error instanceof Retryable || error instanceof Permanent;

/** The result of `call`; `instead`, if it fails for this item alone. */
export async function unlessItemFails<T, const U>(call: () => Promise<T>, instead: U): Promise<T | U> {
  try {
    return await call();
  } catch (error) {
    if (isExpected(error) && error.reach === 'item') return instead;
    throw error;
  }
}

/** The message of a thrown value. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
