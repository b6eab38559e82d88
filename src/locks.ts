/**
 * Advisory locks of PostgreSQL by name, as arguments of its lock functions; `database/functions/04_locks.sql` has those taken in
 * SQL. The numbers must not change, because daemons of different versions exclude each other by them.
 */
export const locks = {
  /** The lease of a room; the second number is the id of the room. */
  room: '7230911',
  /** Held while a daemon polls the outbox; triggers then send no NOTIFY. */
  adaptiveNotify: '7230912, 1',
  /** One `migrate` at a time. */
  migrate: '7230912, 3',
  /** One daemon at a time raises and closes alerts. */
  alerts: '7230912, 4',
  /** One daemon at a time maintains subscriptions. */
  subscriptions: '7230912, 5',
  /** Shared lock of each listening daemon. */
  present: '7230912, 6',
} as const;
