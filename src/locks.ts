/**
 * PostgreSQL's advisory locks by name, as arguments of its lock functions; `database/functions/04_locks.sql` has those that SQL
 * takes. Their numbers are the same in every version: daemons of several versions exclude each other by them.
 */
export const locks = {
  /** A room is worked on by one daemon; its id is the second number. */
  room: '7230911',
  /** While a daemon polls the outbox, triggers notify nobody. */
  adaptiveNotify: '7230912, 1',
  /** A fold excludes settlements, and so does a person's choice, which takes the same rows. */
  fold: '7230912, 2',
  /** One `migrate` at a time. */
  migrate: '7230912, 3',
  /** Alerts are raised and closed by one daemon at a time. */
  alerts: '7230912, 4',
  /** Subscriptions are kept by one daemon at a time. */
  subscriptions: '7230912, 5',
  /** A daemon that listens is there. */
  present: '7230912, 6',
} as const;
