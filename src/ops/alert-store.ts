/**
 * The alerts as rows: at most one open alert per type and resource, across all daemons. Writes are serialized by an advisory lock,
 * so that an alert that two daemons find is raised once, and only the raising daemon reports it. An alert that becomes critical is
 * raised again, and its acknowledgement is withdrawn.
 *
 * There are two kinds. Conditions in the database (stuck items, an active brake) are replaced as a whole: an alert is closed when
 * its condition is no longer found. Conditions observed by a single daemon (no notifications, no Graph) have holders: the alert is open
 * as long as one daemon has confirmed it within `holdMs`.
 */
import { inTransaction, type Database, type Queryable } from '../database.ts';
import { findRow, queryColumn, queryRows, queryValue } from '../query.ts';
import type { Alert, AlertType } from './alert-types.ts';
import { locks } from '../locks.ts';

/** A stored alert. */
export interface AlertRow {
  readonly id: number;
  readonly type: string;
  readonly severity: 'warning' | 'critical';
  readonly status: 'open' | 'acknowledged' | 'closed';
  readonly room: string | null;
  readonly resource_id: number | null;
  readonly mailbox: string | null;
  readonly message: string;
  /** The remedy. */
  readonly hint: string | null;
  readonly detail: Readonly<Record<string, unknown>>;
  readonly created_at: Date;
  readonly seen_at: Date;
  readonly acknowledged_at: Date | null;
  readonly closed_at: Date | null;
}

/** The changes of a write, reported once by its writer. */
export interface Changed {
  readonly opened: readonly AlertRow[];
  readonly closed: readonly AlertRow[];
}

/** A condition, current or past. */
export interface Condition {
  readonly alert: Alert;
  /** Its age in ms. */
  readonly ageMs: number;
  /** The time since its end in ms; null: it is not over. */
  readonly overMs: number | null;
}

export interface AlertStatistics {
  readonly open: number;
  readonly critical: number;
  readonly warning: number;
  readonly acknowledged: number;
  readonly closed_last_24_hours: number;
  readonly by_type: Readonly<Record<string, number>>;
}

/** A daemon that has not confirmed a condition for this time is gone or no longer observes it. */
const holdMs = 120_000;

const lock = `SELECT pg_advisory_xact_lock(${locks.alerts})`;
const columns = `id, type, severity, room, resource_id, detail ->> 'mailbox' AS mailbox, message, hint,
  detail - 'mailbox' AS detail, created_at, seen_at, acknowledged_at, closed_at,
  CASE WHEN closed_at IS NOT NULL THEN 'closed' WHEN acknowledged_at IS NOT NULL THEN 'acknowledged' ELSE 'open' END AS status`;
const nothing: Changed = { opened: [], closed: [] };

export type AlertStore = ReturnType<typeof createAlertStore>;

export function createAlertStore(db: Database) {
  const writing = <T>(work: (client: Queryable) => Promise<T>): Promise<T> =>
    inTransaction(db, async (client) => {
      await client.query(lock);
      return await work(client);
    });

  /** Records an event, or a condition visible to all daemons. It stays open until `replace` no longer finds its cause. */
  const raise = (alert: Alert): Promise<Changed> =>
    writing(async (client) => ({ ...nothing, opened: await insert(client, [alert]) }));

  /** Records a condition that one daemon observes. */
  function recordCondition(holder: string, { alert, ageMs, overMs }: Condition): Promise<Changed> {
    return writing(async (client) => {
      // another daemon observed the same and it is over: one outage is one alert, even if it is recorded late
      const known = await client.query(
        `SELECT 1 FROM bridge_alerts WHERE type = $1 AND coalesce(resource_id, 0) = coalesce($2::integer, 0)
           AND closed_at > clock_timestamp() - $3 * interval '1 millisecond' LIMIT 1`,
        [alert.type, alert.resourceId, ageMs],
      );
      const isOver = overMs !== null;
      const opened = isOver && known.rows.length > 0 ? [] : await insert(client, [alert], { holder, ageMs });
      return { opened, closed: isOver ? await removeHolder(client, holder, alert, overMs) : [] };
    });
  }

  /** Confirms a daemon's conditions, so that their alerts stay open. Returns the open ones. */
  async function confirm(holder: string, types: readonly AlertType[]): Promise<ReadonlySet<string>> {
    const open = await queryColumn<string>(
      db,
      `UPDATE bridge_alerts SET seen_at = now(),
         holders = holders || jsonb_build_object($1::text, extract(epoch FROM now()))
       WHERE closed_at IS NULL AND type = ANY ($2) RETURNING type`,
      [holder, types],
    );
    return new Set(open);
  }

  /**
   * Sets the alerts of these types: raises new ones and closes those without a cause, except `kept` ones. Also closes alerts held only
   * by daemons that are gone.
   */
  function replace(
    types: readonly AlertType[],
    reasons: readonly Alert[],
    kept: readonly number[],
  ): Promise<Changed> {
    return writing(async (client) => {
      const opened = await insert(client, reasons);
      const closed = await queryRows<AlertRow>(
        client,
        `UPDATE bridge_alerts a SET closed_at = now()
         WHERE closed_at IS NULL AND (
           type = ANY ($1) AND NOT id = ANY ($3) AND NOT EXISTS (
             SELECT FROM jsonb_to_recordset($2) AS r (type text, "resourceId" integer)
             WHERE r.type = a.type AND coalesce(r."resourceId", 0) = coalesce(a.resource_id, 0))
           OR holders <> '{}' AND NOT ${isHeld})
         RETURNING ${columns}`,
        [types, JSON.stringify(reasons), kept, '', holdMs],
      );
      return { opened, closed };
    });
  }

  return {
    raise,
    recordCondition,
    confirm,
    replace,
    list: (status: 'open' | 'closed' | 'all', limit: number) => listAlerts(db, status, limit),
    statistics: () => readStatistics(db),
    acknowledge: (id: number) => acknowledge(db, id),
    deleteOld: (days: number) => deleteOld(db, days),
  };
}

async function insert(
  client: Queryable,
  alerts: readonly Alert[],
  held: { readonly holder: string; readonly ageMs: number } | null = null,
): Promise<AlertRow[]> {
  if (alerts.length === 0) return [];
  const { rows } = await client.query<AlertRow & { fresh: boolean }>(
    `WITH was AS (SELECT w.type, w.resource_id FROM bridge_alerts w WHERE w.closed_at IS NULL AND w.severity = 'warning')
     INSERT INTO bridge_alerts AS a (type, severity, room, resource_id, message, hint, detail, created_at, holders)
     SELECT w.type, w.severity, coalesce(w.room, r.outlook_item_name, r.outlook_item_id), w."resourceId",
       concat_ws(' ', w.message, 'Mailbox: ' || r.outlook_item_id || '.'), w.hint,
       w.detail || jsonb_strip_nulls(jsonb_build_object('mailbox', r.outlook_item_id)),
       clock_timestamp() - $3 * interval '1 millisecond',
       CASE WHEN $2::text IS NULL THEN '{}' ELSE jsonb_build_object($2, extract(epoch FROM now())) END
     FROM jsonb_to_recordset($1) AS w (type text, severity text, room text, "resourceId" integer, message text, hint text, detail jsonb)
     LEFT JOIN bridge_resource_mappings r ON r.resource_id = w."resourceId" AND r.active = 1
     ON CONFLICT (type, coalesce(resource_id, 0)) WHERE closed_at IS NULL
     DO UPDATE SET seen_at = now(), severity = excluded.severity, message = excluded.message, hint = excluded.hint,
       detail = excluded.detail, holders = a.holders || excluded.holders,
       acknowledged_at = CASE WHEN a.severity = excluded.severity OR excluded.severity = 'warning' THEN a.acknowledged_at END
     RETURNING ${columns}, xmax = 0 OR severity = 'critical' AND EXISTS (
       SELECT FROM was WHERE was.type = a.type AND was.resource_id IS NOT DISTINCT FROM a.resource_id) AS fresh`,
    [JSON.stringify(alerts), held?.holder ?? null, held?.ageMs ?? 0],
  );
  return rows.filter((row) => row.fresh).map(({ fresh: _fresh, ...row }) => row);
}

/** Removes a holder; removing the last one closes the alert. */
async function removeHolder(
  client: Queryable,
  holder: string,
  alert: Alert,
  overMs: number,
): Promise<readonly AlertRow[]> {
  const { rows } = await client.query<AlertRow>(
    `UPDATE bridge_alerts a SET holders = holders - $4::text,
       closed_at = CASE WHEN ${isHeld} THEN NULL
                   ELSE greatest(created_at, clock_timestamp() - $3 * interval '1 millisecond') END
     WHERE closed_at IS NULL AND type = $1 AND coalesce(resource_id, 0) = coalesce($2::integer, 0)
     RETURNING ${columns}`,
    [alert.type, alert.resourceId, overMs, holder, holdMs],
  );
  return rows.filter((row) => row.closed_at !== null);
}

/** Newest first. `open` includes acknowledged alerts: their cause still exists. */
const listAlerts = (db: Database, status: 'open' | 'closed' | 'all', limit: number) =>
  queryRows<AlertRow>(db, {
    name: 'alerts',
    text: `SELECT ${columns} FROM bridge_alerts
      WHERE CASE $1 WHEN 'open' THEN closed_at IS NULL WHEN 'closed' THEN closed_at IS NOT NULL ELSE true END
      ORDER BY closed_at IS NULL DESC, created_at DESC, id DESC LIMIT $2`,
    values: [status, limit],
  });

const readStatistics = (db: Database) =>
  queryValue<AlertStatistics>(db, {
    name: 'alert_statistics',
    text: `
      WITH open AS (SELECT * FROM bridge_alerts WHERE closed_at IS NULL)
      SELECT jsonb_build_object(
        'open', (SELECT count(*) FROM open),
        'critical', (SELECT count(*) FROM open WHERE severity = 'critical'),
        'warning', (SELECT count(*) FROM open WHERE severity = 'warning'),
        'acknowledged', (SELECT count(*) FROM open WHERE acknowledged_at IS NOT NULL),
        'closed_last_24_hours', (SELECT count(*) FROM bridge_alerts WHERE closed_at > now() - interval '24 hours'),
        'by_type', (SELECT coalesce(jsonb_object_agg(type, n), '{}')
                    FROM (SELECT type, count(*) AS n FROM open GROUP BY type) t)) AS statistics`,
  });

/** Null: there is no such alert. Idempotent. */
const acknowledge = (db: Database, id: number) =>
  findRow<AlertRow>(
    db,
    `UPDATE bridge_alerts SET acknowledged_at = coalesce(acknowledged_at, now()) WHERE id = $1 RETURNING ${columns}`,
    [id],
  );

/** Deletes alerts closed more than this number of days ago, at most 10,000 at a time. Returns their number. */
async function deleteOld(db: Database, days: number): Promise<number> {
  const { rowCount } = await db.query(
    `DELETE FROM bridge_alerts WHERE id IN (
       SELECT id FROM bridge_alerts WHERE closed_at < now() - $1 * interval '1 day' LIMIT 10000)`,
    [days],
  );
  return rowCount ?? 0;
}

/** Whether a daemon other than $4 holds alert `a` and has confirmed it within $5 milliseconds. */
const isHeld = `EXISTS (SELECT FROM jsonb_each(a.holders) AS h (who, at)
  WHERE h.who <> $4 AND h.at::text::float8 > extract(epoch FROM now()) - $5 / 1000.0)`;
