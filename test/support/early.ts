import type { EarlyQuery } from '../../src/database.ts';

/** Answers a query for its first row as a server does. */
export function answerEarly(query: EarlyQuery, row: object): void {
  query.emit('row', row);
  (query as unknown as { callback(error: null): void }).callback(null);
}
