/** Tests that each change of the test's meeting is recorded in the outbox. */
import type pg from 'pg';
import type { Id } from '../id.ts';
import { queryValue } from '../query.ts';
import type { Named } from './adapter-meeting.ts';
import type { Report } from './doctor-findings.ts';

/** Reports a problem if the outbox has no row for the reservation since the previous call. `subject` begins the message. */
export type CheckRecorded = (key: Named, subject: string) => Promise<void>;

/** A row without an id, which requests a comparison of everything, also counts. */
export async function watchOutbox(client: pg.Client, report: Report): Promise<CheckRecorded> {
  const now = async () => await queryValue<string>(client, 'SELECT clock_timestamp()::text');
  let since = await now();
  return async ({ type, id, name }, subject) => {
    const { rows } = await client.query<{ type: string | null; id: Id | null }>(
      `SELECT reservation_type AS type, coalesce(reservation_id, bridge_key_id(reservation_type, reservation_key)) AS id
       FROM public.bridge_changes WHERE changed_at >= $1::timestamptz`,
      [since],
    );
    since = await now();
    if (rows.some((row) => row.id === null || (row.type === type && row.id === id))) return;
    report(
      'problem',
      'triggers',
      `${subject} was not recorded in the outbox as ${name}.`,
      'Check in 30_watch.sql that the declaration of the table lists every column that the view reads, and the type of the view.',
    );
  };
}
