/** The window of the sync as a period. */
import type { Queryable } from '../../database.ts';
import { queryRow } from '../../query.ts';
import type { Window } from './work-list.ts';

/** A period, as ISO instants. */
export interface Span {
  readonly from: string;
  readonly to: string;
}

export interface Instants {
  readonly from: Date;
  readonly to: Date;
}

export const windowColumns = `opens - interval '1 day' AS "from", closes + interval '1 day' AS "to"`;
export const spanOf = ({ from, to }: Instants): Span => ({ from: from.toISOString(), to: to.toISOString() });

/** The window, wider by a day on each side: all-day events float, and Graph matches them in UTC. */
export async function listWindow(session: Queryable, window: Window): Promise<Span> {
  const instants = await queryRow<Instants>(session, {
    name: 'list_window',
    text: `SELECT ${windowColumns} FROM bridge_window($1, $2)`,
    values: [window.pastDays, window.futureDays],
  });
  return spanOf(instants);
}
