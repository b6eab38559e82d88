/**
 * The table of subscriptions: the rooms that Graph should call us for, what it was asked, and when it is asked again.
 *
 * A row is written before Graph is asked and lives as long as its room stays as it is; when the room is switched off,
 * deleted, given another mailbox or direction, or when our public address changes, it has ended, and goes once Graph
 * has forgotten it. Which address is ours is written down too: of two daemons that are configured otherwise, the one
 * that was started last keeps them.
 */
import { onConnection, type Database, type Queryable } from '../../database.ts';
import { locks } from '../../locks.ts';

/** One row that is due. */
export interface DueSubscription {
  readonly id: number;
  /** Null: the room was deleted. */
  readonly roomId: number | null;
  readonly resourceId: number | null;
  readonly room: string;
  /** What the operator wrote. */
  readonly outlookItemId: string;
  /** How to name the mailbox to Graph: as it was named before, else by its object id. Null: nobody knows that yet. */
  readonly mailbox: string | null;
  readonly subscriptionId: string | null;
  readonly clientState: string;
  readonly attempt: number;
  /** Graph shall forget it. */
  readonly unwanted: boolean;
  /** The row goes with it. */
  readonly ended: boolean;
  /** Its time is over by far, so Graph has forgotten it. */
  readonly expired: boolean;
}

const addressOf = (notificationUrl: string | null) => notificationUrl ?? '';

/** Makes this address the one that subscriptions are kept for; null: no subscriptions at all. */
export async function claimSubscriptions(db: Queryable, notificationUrl: string | null): Promise<void> {
  await db.query(
    `INSERT INTO bridge_settings (name, value) VALUES ('webhook_address', $1)
     ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = now()
     WHERE bridge_settings.value <> excluded.value`,
    [addressOf(notificationUrl)],
  );
}

// A room that can change anything here, and the row that belongs to it as it stands. One that is held is not ours to hear of.
const wantedRooms = `
  SELECT r.id, r.outlook_item_id FROM bridge_resource_mappings r
  JOIN bridge_room_state s ON s.resource_mapping_id = r.id AND s.health <> 'held'
  WHERE r.active = 1 AND r.sync_direction <> 'booking_to_outlook' AND $1 <> ''`;
const belongs = `b.resource_mapping_id = w.id AND b.outlook_item_id = w.outlook_item_id AND b.notification_url = $1`;

/** Whether there is anything to write down or to ask Graph for. Cheap: asked every second. */
export async function subscriptionsAreDue(db: Queryable, notificationUrl: string | null): Promise<boolean> {
  const { rows } = await db.query<{ due: boolean }>({
    name: 'subscriptions_due',
    text: `
      WITH wanted AS (${wantedRooms})
      SELECT EXISTS (SELECT FROM bridge_settings WHERE name = 'webhook_address' AND value = $1) AND (
        EXISTS (SELECT FROM bridge_subscriptions WHERE due_at <= now())
        OR EXISTS (SELECT FROM wanted w WHERE NOT EXISTS (
          SELECT FROM bridge_subscriptions b WHERE ${belongs} AND b.ended_at IS NULL))
        OR EXISTS (SELECT FROM bridge_subscriptions b WHERE b.ended_at IS NULL
          AND NOT EXISTS (SELECT FROM wanted w WHERE ${belongs}))) AS due`,
    values: [addressOf(notificationUrl)],
  });
  return rows[0]!.due;
}

/** Brings the rows in line with the rooms: what is not wanted any more has ended, and each wanted room has one. */
export async function writeWanted(db: Queryable, notificationUrl: string | null): Promise<void> {
  const values = [addressOf(notificationUrl)];
  await db.query({
    name: 'end_subscriptions',
    text: `
      WITH wanted AS (${wantedRooms})
      UPDATE bridge_subscriptions b SET ended_at = now(), due_at = now(), attempt = 0
      WHERE b.ended_at IS NULL AND NOT EXISTS (SELECT FROM wanted w WHERE ${belongs})`,
    values,
  });
  await db.query({
    name: 'want_subscriptions',
    text: `
      INSERT INTO bridge_subscriptions (resource_mapping_id, outlook_item_id, notification_url)
      SELECT w.id, w.outlook_item_id, $1 FROM (${wantedRooms}) w
      ON CONFLICT (resource_mapping_id) WHERE ended_at IS NULL DO NOTHING`,
    values,
  });
}

/** What is due, endings first. */
export async function dueSubscriptions(db: Queryable, limit: number): Promise<DueSubscription[]> {
  const { rows } = await db.query<DueSubscription>({
    name: 'due_subscriptions',
    text: `
      SELECT b.id, r.id AS "roomId", r.resource_id AS "resourceId",
        coalesce(r.outlook_item_name, b.outlook_item_id) AS room, b.outlook_item_id AS "outlookItemId",
        coalesce(b.mailbox, CASE WHEN r.outlook_item_id = b.outlook_item_id THEN r.outlook_object_id END) AS mailbox,
        b.subscription_id AS "subscriptionId", b.client_state AS "clientState", b.attempt,
        b.ended_at IS NOT NULL OR b.off_at IS NOT NULL AS unwanted, b.ended_at IS NOT NULL AS ended,
        coalesce(b.expires_at < now() - interval '1 hour', false) AS expired
      FROM bridge_subscriptions b LEFT JOIN bridge_resource_mappings r ON r.id = b.resource_mapping_id
      WHERE b.due_at <= now()
      ORDER BY b.ended_at IS NULL, b.due_at, b.id LIMIT $1`,
    values: [limit],
  });
  return rows;
}

/** Remembers how the mailbox is named to Graph, so that it is named so again after a crash. */
export async function storeMailboxOf(db: Queryable, id: number, mailbox: string): Promise<void> {
  await db.query({
    name: 'subscription_mailbox',
    text: 'UPDATE bridge_subscriptions SET mailbox = $2 WHERE id = $1',
    values: [id, mailbox],
  });
}

/** Graph has it: until when, and in how many ms it is renewed. Its room is asked for changes: there may be some. */
export async function storeSubscription(
  db: Queryable,
  row: DueSubscription,
  made: { readonly subscriptionId: string; readonly expiresAt: string; readonly renewInMs: number },
): Promise<void> {
  await db.query({
    name: 'store_subscription',
    text: `
      UPDATE bridge_subscriptions SET subscription_id = $2, expires_at = $3, renewed_at = clock_timestamp(),
        tried_at = clock_timestamp(), attempt = 0, error_message = NULL, hint = NULL,
        due_at = CASE WHEN ended_at IS NULL THEN clock_timestamp() + $4 * interval '1 millisecond' ELSE now() END
      WHERE id = $1`,
    values: [row.id, made.subscriptionId, made.expiresAt, made.renewInMs],
  });
  if (row.roomId !== null) await markRooms(db, [{ id: row.roomId, gapMs: 0, events: [] }]);
}

/** Graph has forgotten it: the row goes if it has ended, waits for a person if one ended it, else asks anew. */
export async function storeForgotten(db: Queryable, row: DueSubscription): Promise<void> {
  await db.query({
    name: 'subscription_gone',
    text: `
      WITH ended AS (DELETE FROM bridge_subscriptions WHERE id = $1 AND ended_at IS NOT NULL)
      UPDATE bridge_subscriptions SET subscription_id = NULL, expires_at = NULL, renewed_at = NULL, mailbox = NULL,
        tried_at = clock_timestamp(), attempt = 0, error_message = NULL, hint = NULL,
        due_at = CASE WHEN off_at IS NULL THEN now() ELSE 'infinity' END
      WHERE id = $1 AND ended_at IS NULL`,
    values: [row.id],
  });
}

/** It did not work: why, and in how many ms it is tried again. */
export async function storeFailure(
  db: Queryable,
  row: DueSubscription,
  failure: { readonly error: string; readonly hint: string | null; readonly inMs: number },
): Promise<void> {
  await db.query({
    name: 'subscription_failed',
    text: `
      UPDATE bridge_subscriptions SET attempt = attempt + 1, tried_at = clock_timestamp(), error_message = $2, hint = $3,
        due_at = clock_timestamp() + $4 * interval '1 millisecond'
      WHERE id = $1`,
    values: [row.id, failure.error, failure.hint, failure.inMs],
  });
}

export interface KnownSubscription {
  readonly id: number;
  readonly subscriptionId: string | null;
  readonly clientState: string;
}

/** All rows, for a comparison with what Graph has. */
export async function knownSubscriptions(db: Queryable): Promise<KnownSubscription[]> {
  const { rows } = await db.query<KnownSubscription>(
    'SELECT id, subscription_id AS "subscriptionId", client_state AS "clientState" FROM bridge_subscriptions',
  );
  return rows;
}

/** Asks Graph for these now: they were not in its list. Those it has just made may not be in it yet. */
export async function doubtSubscriptions(db: Queryable, ids: readonly number[]): Promise<void> {
  await db.query(
    `UPDATE bridge_subscriptions SET due_at = least(due_at, now())
     WHERE id = ANY ($1) AND renewed_at < now() - interval '10 minutes'`,
    [ids],
  );
}

/** An event that a notification named. */
export interface NotifiedEvent {
  readonly eventId: string;
  readonly deleted: boolean;
  readonly etag: string | null;
}

/**
 * A room that something changed in. With `events` these are read by their ids; without, the room is asked for changes.
 * `gapMs`: how long it shall have rested since its last delta round before the next.
 */
export interface NotifiedRoom {
  readonly id: number;
  readonly gapMs: number;
  readonly events: readonly NotifiedEvent[];
}

/** After hints a delta round makes sure that they were all, this long after the first, and at most once in so long. */
const sureAfterMs = 3_000;
const sureEveryMs = 5_000;

/**
 * Marks rooms as changed in Outlook and stores their hints, durably, and wakes the daemons: one statement. A room that is
 * marked already is left alone, as its mark is taken away before the room is read. Returns in how many ms those are due that
 * still rest.
 */
export async function markRooms(db: Queryable, told: readonly NotifiedRoom[]): Promise<readonly number[]> {
  const asked = told.filter(({ events }) => events.length === 0);
  const { rows } = await db.query<{ later: readonly number[] | null }>({
    name: 'mark_rooms',
    text: `
      WITH due AS (
        SELECT t.resource_mapping_id AS id, rested.at
        FROM unnest($1::integer[], $2::integer[]) AS told (id, gap)
        JOIN bridge_room_state t ON t.resource_mapping_id = told.id
        JOIN bridge_resource_mappings r ON r.id = told.id
        CROSS JOIN LATERAL (SELECT greatest(now(), least(now(), coalesce(t.pulled_at, '-infinity')) + gap * interval '1 millisecond') AS at) rested
        WHERE r.active = 1 AND r.sync_direction <> 'booking_to_outlook'
          AND (t.pull_due_at IS NULL OR t.pull_due_at > rested.at)
        ORDER BY 1 FOR UPDATE OF t
      ), marked AS (
        UPDATE bridge_room_state s SET pull_due_at = due.at FROM due WHERE s.resource_mapping_id = due.id
        RETURNING ceil(extract(epoch FROM due.at - now()) * 1000)::integer AS ms
      ), hinted AS (
        -- as its row is once it is locked: a drain may have dealt with all earlier hints meanwhile
        SELECT t.resource_mapping_id AS id, t.hinted_at IS NULL OR t.sure_at IS NULL AS is_unmarked
        FROM bridge_room_state t JOIN bridge_resource_mappings r ON r.id = t.resource_mapping_id
        WHERE t.resource_mapping_id IN (SELECT h.room FROM jsonb_to_recordset($3) AS h (room integer))
          AND r.active = 1 AND r.sync_direction <> 'booking_to_outlook'
        ORDER BY 1 FOR UPDATE OF t
      ), stored AS (
        INSERT INTO bridge_hints (resource_mapping_id, event_id, deleted, etag)
        SELECT h.room, h."eventId", h.deleted, h.etag
        FROM jsonb_to_recordset($3) AS h (room integer, "eventId" text, deleted boolean, etag text) JOIN hinted ON hinted.id = h.room
        ON CONFLICT (resource_mapping_id, event_id)
          DO UPDATE SET deleted = excluded.deleted, etag = excluded.etag, hinted_at = excluded.hinted_at
        RETURNING resource_mapping_id AS id
      ), told AS (
        UPDATE bridge_room_state s SET hinted_at = coalesce(s.hinted_at, clock_timestamp()),
          sure_at = coalesce(s.sure_at, greatest(now() + $4::float8 * interval '1 millisecond',
            coalesce(s.pulled_at, '-infinity') + $5::float8 * interval '1 millisecond'))
        FROM hinted WHERE s.resource_mapping_id = hinted.id AND hinted.is_unmarked AND hinted.id IN (SELECT id FROM stored)
        RETURNING 0 AS ms)
      SELECT array_agg(DISTINCT ms) FILTER (WHERE ms > 0) AS later,
        CASE WHEN count(*) FILTER (WHERE ms <= 0) > 0 THEN bridge_wake() END
      FROM (SELECT ms FROM marked UNION ALL SELECT ms FROM told) AS all_rooms`,
    values: [
      asked.map(({ id }) => id),
      asked.map(({ gapMs }) => gapMs),
      JSON.stringify(told.flatMap(({ id, events }) => events.map((event) => ({ room: id, ...event })))),
      sureAfterMs,
      sureEveryMs,
    ],
  });
  return rows[0]!.later ?? [];
}

/** Wakes the daemons. */
export async function wakeAll(db: Queryable): Promise<void> {
  await db.query({ name: 'wake', text: 'SELECT bridge_wake()' });
}

/** Graph says that it has removed these (`subscriptionRemoved`). They are asked for anew. */
export async function noteRemoved(db: Queryable, subscriptionIds: readonly string[]): Promise<void> {
  await db.query({
    name: 'subscriptions_removed',
    text: `
      UPDATE bridge_subscriptions SET subscription_id = NULL, expires_at = NULL, attempt = 0, due_at = now()
      WHERE subscription_id = ANY ($1) AND ended_at IS NULL AND off_at IS NULL`,
    values: [subscriptionIds],
  });
}

/**
 * Graph asks for a new authorization (`reauthorizationRequired`), which a renewal is. It may ask more than once for
 * the same, so one that was renewed within the last minute waits for the rest of it.
 */
export async function noteReauthorization(db: Queryable, subscriptionIds: readonly string[]): Promise<void> {
  await db.query({
    name: 'subscriptions_reauthorized',
    text: `
      UPDATE bridge_subscriptions
      SET due_at = least(due_at, greatest(now(), renewed_at + interval '1 minute')), attempt = 0
      WHERE subscription_id = ANY ($1)`,
    values: [subscriptionIds],
  });
}

/** Runs `work` unless another daemon does so right now; returns whether it ran. The lock is freed with its connection. */
export function asOnlyKeeper(db: Database, work: () => Promise<void>): Promise<boolean> {
  return onConnection(db, async (client, discard) => {
    const { rows } = await client.query<{ ours: boolean }>(
      `SELECT pg_try_advisory_lock(${locks.subscriptions}) AS ours`,
    );
    if (!rows[0]!.ours) return false;
    try {
      await work();
    } finally {
      await client.query(`SELECT pg_advisory_unlock(${locks.subscriptions})`).catch(discard);
    }
    return true;
  });
}
