/**
 * Errors say what to do next. The edge that saw the failure (outlook/failure.ts by status, database.ts by
 * SQLSTATE) decides the kind once; nothing outside `outlook/` reads a status code. Anything that is none of these
 * is a bug: its stack is logged, its item is parked, and the daemon goes on.
 */

/** How far a failure reaches: one item, one room mailbox, or the whole side (an outage). */
export type Reach = 'item' | 'room' | 'side';

/**
 * Why a call was refused that may work in other circumstances. token: ours is refused; access: a right is missing;
 * mailbox: it is not there under the name it was called by; quota: it is full. What was refused so says nothing about the data that was sent.
 */
export type RefusedFor = 'token' | 'access' | 'mailbox' | 'quota';

interface Told {
  readonly hint?: string;
  readonly reach?: Reach;
  readonly refusedFor?: RefusedFor;
  readonly requestId?: string;
  readonly cause?: unknown;
}

/** What says already how to proceed. */
export abstract class Failure extends Error {
  readonly hint: string | undefined;
  readonly reach: Reach;
  readonly refusedFor: RefusedFor | undefined;
  readonly requestId: string | undefined;
  constructor(message: string, told: Told = {}) {
    super(message, told.cause === undefined ? {} : { cause: told.cause });
    this.hint = told.hint;
    this.reach = told.reach ?? 'item';
    this.refusedFor = told.refusedFor;
    this.requestId = told.requestId;
  }
}

/** The same call may work later: 429, 5xx, timeouts, lost connections, SQLSTATE 40001, 40P01, 57P01, 08*. */
export class Retryable extends Failure {
  override readonly name = 'Retryable';
  /** Milliseconds the other side asked us to wait; `undefined`: our own back-off. */
  readonly afterMs: number | undefined;
  /** The call may have been carried out although no answer came (a lost answer): look before repeating it. */
  readonly ambiguous: boolean;
  constructor(
    message: string,
    told: Told & { readonly afterMs?: number | undefined; readonly ambiguous?: boolean } = {},
  ) {
    super(message, told);
    this.afterMs = told.afterMs;
    this.ambiguous = told.ambiguous ?? false;
  }
}

/** The bridge is not installed in this database, or detached from the booking system, or a part of it is missing. */
export class NotInstalled extends Retryable {}

/** No retry helps until a person acts or the data changes: 403, a mailbox that is none, refused data. */
export class Permanent extends Failure {
  override readonly name = 'Permanent';
}

/** It moved under us (412): read again, decide again, at most three times. */
export class Conflict extends Failure {
  override readonly name = 'Conflict';
}

/** Bad input of a person or a script. `field` names what is wrong, `hint` the repair. */
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

/** The text of whatever was thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
