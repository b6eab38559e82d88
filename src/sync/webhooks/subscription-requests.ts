/**
 * Requests about subscriptions by people and scripts: the table is changed, and the keeper of any daemon does the rest. Calls wait for
 * it for a limited time and report the remainder as pending.
 */
import type { Database } from '../../database.ts';
import { findRow, queryColumn, queryRow, queryRows, queryValue } from '../../query.ts';
import { until } from '../manual/call.ts';
import { failingAs } from '../store/failing.ts';

/** `ending`: it is being removed from Graph; `off`: a person ended it; `failing`: see error and hint. */
type SubscriptionStatus = 'active' | 'pending' | 'failing' | 'expired' | 'ending' | 'off';

export interface SubscriptionReport {
  readonly id: number;
  /** Graph's; null while there is none. */
  readonly subscription_id: string | null;
  /** The mailbox, as the operator wrote it. */
  readonly calendar_id: string;
  readonly resource_id: number | null;
  readonly room: string;
  readonly status: SubscriptionStatus;
  readonly notification_url: string;
  readonly expires_at: Date | null;
  readonly created_at: Date;
  readonly renewed_at: Date | null;
  /** The next call to Graph; null: not before a person requests it. */
  readonly due_at: Date | null;
  readonly error: string | null;
  readonly hint: string | null;
}

export interface SubscriptionCounts {
  /** Rooms that should have one: active, and with changes that come from Outlook. */
  readonly rooms: number;
  readonly by_status: Readonly<Record<SubscriptionStatus, number>>;
  readonly next_due_at: Date | null;
  readonly first_expiry_at: Date | null;
}

/** The result of a request for one room. */
export type CreateAnswer =
  | { readonly found: 'unknown'; readonly known: readonly string[] }
  /** The room needs none: it is switched off, or takes no changes from Outlook. */
  | { readonly found: 'unfit'; readonly active: boolean; readonly room: string }
  | {
      readonly found: 'subscription';
      readonly existed: boolean;
      /** Null: the keeper has not processed it yet. */
      readonly subscription: SubscriptionReport | null;
    };

export interface RequestsOptions {
  readonly db: Database;
  readonly waitMs?: number;
}

/** A call waits for the keeper until its deadline. */
interface Waiting {
  readonly db: Database;
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

export type SubscriptionRequests = ReturnType<typeof createSubscriptionRequests>;

export function createSubscriptionRequests({ db, waitMs = 20_000 }: RequestsOptions) {
  const waiting = (signal: AbortSignal): Waiting => ({ db, waitMs, signal });
  return {
    /** Existing and requested subscriptions, without those that a person ended. */
    list: failingAs('list the subscriptions', async () =>
      (await readReports(db, null)).filter(({ status }) => status !== 'off'),
    ),
    counts: failingAs('count the subscriptions', () => readCounts(db)),
    create: failingAs('subscribe to a room', (calendarId: string, signal: AbortSignal) =>
      create(waiting(signal), calendarId),
    ),
    createAll: failingAs('subscribe to all rooms', (signal: AbortSignal) => createAll(waiting(signal))),
    renew: failingAs('renew subscriptions', (id: string | null, signal: AbortSignal) =>
      renew(waiting(signal), id),
    ),
    remove: failingAs('end a subscription', (id: string, signal: AbortSignal) => remove(waiting(signal), id)),
  };
}

/** Creates the subscription of one room, by the address or object id of its mailbox, or by its resource. */
async function create(waiting: Waiting, calendarId: string): Promise<CreateAnswer> {
  const { db } = waiting;
  const room = await findRow<{ id: number; room: string; active: boolean; fit: boolean }>(db, {
    name: 'subscription_room',
    text: `SELECT id, coalesce(outlook_item_name, outlook_item_id) AS room, active = 1 AS active, ${fit} AS fit
      FROM bridge_resource_mappings
      WHERE lower(outlook_item_id) = lower($1) OR outlook_object_id = $1 OR resource_id::text = $1
      ORDER BY active DESC, lower(outlook_item_id) = lower($1) DESC, id LIMIT 1`,
    values: [calendarId],
  });
  if (room === null) return { found: 'unknown', known: await readMailboxes(db) };
  if (!room.fit) return { found: 'unfit', active: room.active, room: room.room };
  const since = await readClock(db);
  const before = await reportOfRoom(db, room.id);
  if (before !== null && before.subscription_id !== null && before.status !== 'ending')
    return { found: 'subscription', existed: true, subscription: before };
  await untilTried(waiting, await request(waiting, [room.id], since), since);
  return { found: 'subscription', existed: false, subscription: await reportOfRoom(db, room.id) };
}

async function createAll(
  waiting: Waiting,
): Promise<{ rooms: number; rows: SubscriptionReport[]; existed: ReadonlySet<number> }> {
  const { db } = waiting;
  const since = await readClock(db);
  const rows = await queryRows<{ id: number; subscribed: number | null }>(db, {
    name: 'subscription_rooms',
    text: `SELECT r.id, (SELECT b.id FROM bridge_subscriptions b WHERE b.resource_mapping_id = r.id AND b.ended_at IS NULL
        AND b.off_at IS NULL AND b.subscription_id IS NOT NULL) AS subscribed
      FROM bridge_resource_mappings r WHERE ${fit} ORDER BY r.id`,
  });
  const lacking = rows.filter(({ subscribed }) => subscribed === null).map(({ id }) => id);
  const existing = rows.map(({ subscribed }) => subscribed).filter((id) => id !== null);
  const ids = lacking.length === 0 ? [] : await request(waiting, lacking, since);
  await untilTried(waiting, ids, since);
  const reports = await readReports(db, [...existing, ...ids]);
  return { rooms: rows.length, rows: reports, existed: new Set(existing) };
}

/** Renews one (by Graph's id or that of the table) or all (null) now. `renewed`: the number renewed in time. Null: there is no such subscription. */
async function renew(
  waiting: Waiting,
  id: string | null,
): Promise<{ readonly rows: SubscriptionReport[]; readonly renewed: number } | null> {
  const { db } = waiting;
  const since = await readClock(db);
  const ids = await queryColumn<number>(db, {
    name: 'renew_subscriptions',
    text: `UPDATE bridge_subscriptions SET due_at = now(), attempt = 0
      WHERE subscription_id IS NOT NULL AND ended_at IS NULL AND off_at IS NULL
        AND ($1::text IS NULL OR subscription_id = $1 OR id::text = $1) RETURNING id`,
    values: [id],
  });
  if (ids.length === 0 && id !== null) return null;
  await untilTried(waiting, ids, since);
  const after = await readReports(db, ids);
  const renewed = after.filter((row) => row.renewed_at !== null && row.renewed_at > since).length;
  return { rows: after, renewed };
}

/**
 * Ends one, by Graph's id or that of the table. Its room gets no other until a person requests it. `done`: it is removed from Graph.
 * Null: there is no such subscription.
 */
async function remove(
  waiting: Waiting,
  id: string,
): Promise<{ readonly done: boolean; readonly last: SubscriptionReport } | null> {
  const { db } = waiting;
  const since = await readClock(db);
  const ids = await queryColumn<number>(db, {
    name: 'end_subscription',
    text: `UPDATE bridge_subscriptions SET off_at = coalesce(off_at, now()), due_at = now(), attempt = 0
      WHERE (subscription_id = $1 OR id::text = $1) AND ended_at IS NULL AND (off_at IS NULL OR subscription_id IS NOT NULL)
      RETURNING id`,
    values: [id],
  });
  if (ids.length === 0) return null;
  const [before] = await readReports(db, ids);
  await untilTried(waiting, ids, since);
  const [after] = await readReports(db, ids);
  // the row of a room that was deleted meanwhile is gone, too
  return { done: after === undefined || after.subscription_id === null, last: after ?? before! };
}

/**
 * Makes the rows of these rooms due if they lack a subscription and were not tried since `since`, and waits until each room has its
 * row. `since` is before the read of the lacking rooms, so that a subscription created after it is not tried again.
 */
async function request(
  { db, waitMs, signal }: Waiting,
  roomIds: readonly number[],
  since: Date,
): Promise<number[]> {
  const statement = {
    name: 'ask_subscriptions',
    text: `
      WITH asked AS (
        UPDATE bridge_subscriptions SET off_at = NULL, due_at = now(), attempt = 0
        WHERE resource_mapping_id = ANY ($1) AND ended_at IS NULL
          AND (off_at IS NOT NULL OR subscription_id IS NULL AND (tried_at IS NULL OR tried_at <= $2) AND due_at > now())
        RETURNING 1)
      SELECT id FROM bridge_subscriptions WHERE resource_mapping_id = ANY ($1) AND ended_at IS NULL`,
    values: [roomIds, since],
  };
  let ids: number[] = [];
  await until({ deadline: performance.now() + Math.min(waitMs, 5_000), signal }, async () => {
    ids = await queryColumn<number>(db, statement);
    return ids.length < roomIds.length;
  });
  return ids;
}

/** Waits until the keeper has tried all of these since `since`, or the time is over. */
async function untilTried(
  { db, waitMs, signal }: Waiting,
  ids: readonly number[],
  since: Date,
): Promise<void> {
  if (ids.length === 0) return;
  await until({ deadline: performance.now() + waitMs, signal }, () =>
    queryValue<boolean>(db, {
      name: 'subscriptions_untried',
      text: `SELECT EXISTS (SELECT FROM bridge_subscriptions WHERE id = ANY ($1)
        AND (tried_at IS NULL OR tried_at <= $2 OR off_at IS NULL AND subscription_id IS NULL AND error_message IS NULL)) AS open`,
      values: [ids, since],
    }),
  );
}

async function reportOfRoom(db: Database, roomId: number): Promise<SubscriptionReport | null> {
  const ids = await queryColumn<number>(
    db,
    'SELECT id FROM bridge_subscriptions WHERE resource_mapping_id = $1 AND ended_at IS NULL',
    [roomId],
  );
  const [report] = await readReports(db, ids);
  return report ?? null;
}

/** By the ids of the table; null: all, ended ones last. */
const readReports = (db: Database, ids: readonly number[] | null) =>
  queryRows<SubscriptionReport>(db, {
    name: 'subscription_reports',
    text: `${reportText} WHERE $1::bigint[] IS NULL OR b.id = ANY ($1)
      ORDER BY b.ended_at IS NOT NULL, b.off_at IS NOT NULL, room, b.id LIMIT 10000`,
    values: [ids],
  });

const readCounts = (db: Database) =>
  queryRow<SubscriptionCounts>(db, {
    name: 'subscription_counts',
    text: `
      WITH b AS (${reportText})
      SELECT (SELECT count(*) FROM bridge_resource_mappings WHERE ${fit}) AS rooms,
        (SELECT jsonb_object_agg(s, (SELECT count(*) FROM b WHERE b.status = s))
         FROM unnest('{active, pending, failing, expired, ending, off}'::text[]) s) AS by_status,
        (SELECT min(due_at) FROM b) AS next_due_at,
        (SELECT min(expires_at) FROM b WHERE status = 'active') AS first_expiry_at`,
  });

const readMailboxes = (db: Database) =>
  queryColumn<string>(
    db,
    'SELECT outlook_item_id FROM bridge_resource_mappings ORDER BY active DESC, id LIMIT 5000',
  );

const readClock = (db: Database) => queryValue<Date>(db, 'SELECT clock_timestamp()');

const fit = `active = 1 AND sync_direction <> 'booking_to_outlook'`;

const reportText = `
  SELECT b.id, b.subscription_id, b.outlook_item_id AS calendar_id, r.resource_id,
    coalesce(r.outlook_item_name, b.outlook_item_id) AS room,
    CASE WHEN b.ended_at IS NOT NULL THEN 'ending'
         WHEN b.off_at IS NOT NULL THEN CASE WHEN b.subscription_id IS NULL THEN 'off' ELSE 'ending' END
         WHEN b.error_message IS NOT NULL THEN 'failing'
         WHEN b.subscription_id IS NULL THEN 'pending'
         WHEN b.expires_at <= now() THEN 'expired' ELSE 'active' END AS status,
    b.notification_url, b.expires_at, b.created_at, b.renewed_at, nullif(b.due_at, 'infinity') AS due_at,
    b.error_message AS error, b.hint
  FROM bridge_subscriptions b LEFT JOIN bridge_resource_mappings r ON r.id = b.resource_mapping_id`;
