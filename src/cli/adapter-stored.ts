/** Compares the meeting in the view with the values that a function of the adapter was to store. */
import type pg from 'pg';
import type { Named, Row } from './adapter-meeting.ts';
import type { Report } from './doctor-findings.ts';

/** Keys that every adapter must store; a booking system may lack the others. */
const required = new Set(['starts_at', 'ends_at', 'title', 'resource_ids']);

/**
 * Reports each key of `requested` whose value in the view differs, as a problem if it is one of `must`. Returns the keys with the
 * requested values.
 */
export async function compare(
  client: pg.Client,
  { type, id, name: reservation }: Named,
  requested: Readonly<Record<string, unknown>>,
  by: string,
  report: Report,
  must: ReadonlySet<string> = required,
): Promise<string[]> {
  const { rows } = await client.query<{
    keys: string[];
    item: Readonly<Record<string, unknown>> | null;
  }>(
    `SELECT public.bridge_stored_keys($1, $2::bigint, $3) AS keys,
       (json_agg(i) -> 0) AS item
     FROM public.bridge_items i WHERE i.reservation_type = $1 AND i.reservation_id = $2`,
    [type, id, JSON.stringify(requested)],
  );
  const { keys, item } = rows[0]!;
  if (item === null) {
    report(
      'problem',
      'functions',
      `After ${by}, bridge_items does not show ${reservation}.`,
      'Check the conditions and joins of 10_view.sql, and that it has the same type.',
    );
    return [];
  }
  if (item['state'] === 'awaiting')
    report(
      'note',
      'functions',
      `After ${by}, ${reservation} awaits approval in each room that was tried, so overlaps were not tested.`,
    );
  else if (item['active'] !== true)
    report(
      'problem',
      'functions',
      `After ${by}, ${reservation} is shown as cancelled.`,
      'Check the expression of active in 10_view.sql.',
    );
  for (const name of Object.keys(requested).filter((one) => !keys.includes(one))) {
    const shown = name === 'resource_ids' ? item['resource_id'] : item[name];
    const isTime = name === 'starts_at' || name === 'ends_at';
    const off = isTime ? (Date.parse(String(shown)) - Date.parse(String(requested[name]))) / 3_600_000 : 0;
    report(
      must.has(name) ? 'problem' : 'note',
      'functions',
      `${by} was called with ${name} ${JSON.stringify(requested[name])}; the view shows ${isTime ? `it ${Math.abs(off)} h ${off < 0 ? 'earlier' : 'later'}` : JSON.stringify(shown ?? null)}.`,
      isTime
        ? 'View and functions must convert between wall-clock times and instants with the same zone, and not with that of the session. The end is exclusive, also that of whole days.'
        : must.has(name)
          ? `Fix ${by} in 20_functions.sql.${name === 'title' ? ' A system without titles: show another text as the title, or declare no-text in 40_defaults.sql (sql/README.md, "Abilities").' : ''}`
          : null,
    );
  }
  return keys;
}

/** Reports the columns of the view that changed without being requested. */
export function reportOthers(before: Row, after: Row, requested: readonly string[], report: Report): void {
  const others = Object.keys(before).filter(
    (name) => !requested.includes(name) && JSON.stringify(before[name]) !== JSON.stringify(after[name]),
  );
  if (others.length === 0 || Object.keys(after).length === 0) return;
  report(
    'problem',
    'functions',
    `bridge_change_item was called with ${requested.join(', ')} and changed ${others.map((name) => `${name} from ${JSON.stringify(before[name])} to ${JSON.stringify(after[name])}`).join(', ')}.`,
    "An absent key means unchanged: column = CASE WHEN change ? 'description' THEN … ELSE b.column END",
  );
}
