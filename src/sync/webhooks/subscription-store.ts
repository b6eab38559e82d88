/**
 * The table of subscriptions: the rooms that need one, the last result of Graph, and the time of the next call.
 *
 * A row is written before the call to Graph and remains while its room is unchanged. When the room is switched off, deleted, or has
 * another mailbox or direction, or when our public address changes, the row is ended, and deleted after its removal from Graph. Our
 * address is stored, too: of two daemons with different configurations the one started last keeps the subscriptions.
 */
import { onConnection, type Database, type Queryable } from '../../database.ts';
import { callFunction, queryRow, queryRows, queryValue } from '../../query.ts';
import { locks } from '../../locks.ts';
import { hintsKeptMost } from '../hint-limits.ts';

/** A due row. */
export interface DueSubscription {
  readonly id: number;
  /** Null: the room was deleted. */
  readonly roomId: number | null;
  readonly resourceId: number | null;
  readonly room: string;
  /** The mailbox, as the operator wrote it. */
  readonly outlookItemId: string;
  /** The mailbox in calls to Graph: as in earlier calls, else its object id. Null: not known yet. */
  readonly mailbox: string | null;
  readonly subscriptionId: string | null;
  readonly clientState: string;
  readonly attempt: number;
  /** It is removed from Graph. */
  readonly unwanted: boolean;
  /** The row is deleted afterwards. */
  readonly ended: boolean;
  /** It expired long ago, so Graph has no such subscription. */
  readonly expired: boolean;
}

const addressOf = (notificationUrl: string | null) => notificationUrl ?? '';

/** Stores the address for which subscriptions are kept; null: there are none. */
export async function storeWebhookAddress(db: Queryable, notificationUrl: string | null): Promise<void> {
  await db.query(
    `INSERT INTO bridge_settings (name, value) VALUES ('webhook_address', $1)
     ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = now()
     WHERE bridge_settings.value <> excluded.value`,
    [addressOf(notificationUrl)],
  );
}

// A room with changes from Outlook, and the current row of it. A held room may belong to another installation.
const wantedRooms = `
  SELECT r.id, r.outlook_item_id FROM bridge_resource_mappings r
  JOIN bridge_room_state s ON s.resource_mapping_id = r.id AND s.health <> 'held'
  WHERE r.active = 1 AND r.sync_direction <> 'booking_to_outlook' AND $1 <> ''`;
const belongs = `b.resource_mapping_id = w.id AND b.outlook_item_id = w.outlook_item_id AND b.notification_url = $1`;

/** Whether anything is to be stored or called. Cheap: read every second. */
export const subscriptionsAreDue = (db: Queryable, notificationUrl: string | null) =>
  queryValue<boolean>(db, {
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

/** Makes the rows match the rooms: ends rows that are not wanted, adds a row for each wanted room. */
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

/** The due rows, removals first. */
export const dueSubscriptions = (db: Queryable, limit: number) =>
  queryRows<DueSubscription>(db, {
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

/** Stores the mailbox as it is used in calls to Graph, so that it is the same after a crash. */
export async function storeMailboxOf(db: Queryable, id: number, mailbox: string): Promise<void> {
  await db.query({
    name: 'subscription_mailbox',
    text: 'UPDATE bridge_subscriptions SET mailbox = $2 WHERE id = $1',
    values: [id, mailbox],
  });
}

/** Stores a created or renewed subscription, and requests a delta round: changes may have been missed. */
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

/** Graph has no such subscription: an ended row is deleted, one that a person ended waits, others are due at once. */
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

/** Stores a failure and the time of the next attempt. */
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

/** All rows, for the comparison with Graph. */
export const knownSubscriptions = (db: Queryable) =>
  queryRows<KnownSubscription>(
    db,
    'SELECT id, subscription_id AS "subscriptionId", client_state AS "clientState" FROM bridge_subscriptions',
  );

/** Makes rows due that were not in Graph's list, which may not contain new subscriptions yet. */
export async function doubtSubscriptions(db: Queryable, ids: readonly number[]): Promise<void> {
  await db.query(
    `UPDATE bridge_subscriptions SET due_at = least(due_at, now())
     WHERE id = ANY ($1) AND renewed_at < now() - interval '10 minutes'`,
    [ids],
  );
}

/** The event of a notification. */
export interface NotifiedEvent {
  readonly eventId: string;
  readonly deleted: boolean;
  /** Its version; several notifications: their versions, separated by spaces. Null: unknown. */
  readonly etag: string | null;
}

/** Maximum length of the versions of one event. With more of them they are unknown. */
const etagMost = 2_000;

/**
 * Two notifications of an event as one. They may come in any order, so both versions are kept: the version of an own write must not
 * hide that of an edit. The same rule for stored hints is in `markText`.
 */
export function mergedEvents(before: NotifiedEvent, later: NotifiedEvent): NotifiedEvent {
  if (before.etag === later.etag && before.deleted === later.deleted) return later;
  const isUnknown = before.deleted || later.deleted || before.etag === null || later.etag === null;
  const etags = isUnknown ? [] : [...new Set(`${before.etag} ${later.etag}`.split(' '))];
  const etag = etags.join(' ');
  return { ...later, etag: etags.length === 0 || etag.length > etagMost ? null : etag };
}

/**
 * A changed room. With `events` these are read by their ids, after `gapMs`; without, a delta round is due, at least `gapMs` after
 * the last one.
 */
export interface NotifiedRoom {
  readonly id: number;
  readonly gapMs: number;
  readonly events: readonly NotifiedEvent[];
}

/** After hints a delta round finds missed changes: this long after the first hint, and at most once in this interval. */
const sureAfterMs = 3_000;
const sureEveryMs = 5_000;

/** The id in a hint of the whole room: `markHinted` requests a full scan. */
const wholeRoom = '';

/** The times in ms until rooms are due that have to wait, and the rooms whose rows other transactions have locked. */
interface Marked {
  readonly later: readonly number[];
  readonly locked: readonly number[];
}

/**
 * Marks rooms as changed in Outlook, stores their hints and wakes the daemons, in one statement. A mark is removed before the room is
 * read, so a room with a mark needs no other. Of hints beyond `hintsKeptMost`, one of the whole room is stored instead.
 *
 * If another transaction has locked the row of a room: wait up to the `lock_timeout` of the connection, skip the room, or store hints
 * without a mark, which `markHinted` sets later: those of its events, or one of the whole room. That is only for rooms that no daemon works on: it would delete hints at the same time,
 * and both would wait for each other.
 */
export async function markRooms(
  db: Queryable,
  rooms: readonly NotifiedRoom[],
  ifLocked: 'wait' | 'skip' | 'hint' = 'wait',
): Promise<Marked> {
  const whole = rooms.filter(({ events }) => events.length === 0);
  return await queryRow<Marked>(db, {
    name: `mark_rooms_${ifLocked}`,
    text: markText(ifLocked === 'wait' ? '' : 'SKIP LOCKED'),
    values: [
      whole.map(({ id }) => id),
      whole.map(({ gapMs }) => gapMs),
      JSON.stringify(
        rooms.flatMap(({ id, gapMs, events }) => events.map((event) => ({ room: id, gap: gapMs, ...event }))),
      ),
      sureAfterMs,
      sureEveryMs,
      ifLocked === 'hint',
      hintsKeptMost,
    ],
  });
}

const isFollowed = `r.active = 1 AND r.sync_direction <> 'booking_to_outlook'`;

/** SQL: the rooms `t` that need a delta round, and its time. */
const wholeRooms = `
  FROM unnest($1::integer[], $2::integer[]) AS told (id, gap)
  JOIN bridge_room_state t ON t.resource_mapping_id = told.id
  JOIN bridge_resource_mappings r ON r.id = told.id
  CROSS JOIN LATERAL (SELECT greatest(now(), least(now(), coalesce(t.pulled_at, '-infinity')) + gap * interval '1 millisecond') AS at) rested
  WHERE ${isFollowed} AND (t.pull_due_at IS NULL OR t.pull_due_at > rested.at)`;

const markText = (ifLocked: '' | 'SKIP LOCKED') => `
  WITH due AS (
    SELECT t.resource_mapping_id AS id, rested.at ${wholeRooms} ORDER BY 1 FOR UPDATE OF t ${ifLocked}
  ), marked AS (
    UPDATE bridge_room_state s SET pull_due_at = due.at FROM due WHERE s.resource_mapping_id = due.id
    RETURNING ceil(extract(epoch FROM due.at - now()) * 1000)::integer AS ms
  ), hint AS (
    SELECT h.room, h.gap, h."eventId", h.deleted, h.etag
    FROM jsonb_to_recordset($3) AS h (room integer, gap integer, "eventId" text, deleted boolean, etag text)
  ), hinted AS (
    -- as its row is once it is locked: a drain may have dealt with all earlier hints meanwhile
    SELECT t.resource_mapping_id AS id, t.hinted_at IS NULL OR t.sure_at IS NULL OR t.hints_retry AS is_unmarked
    FROM bridge_room_state t JOIN bridge_resource_mappings r ON r.id = t.resource_mapping_id
    WHERE t.resource_mapping_id IN (SELECT room FROM hint) AND ${isFollowed}
    ORDER BY 1 FOR UPDATE OF t ${ifLocked}
  ), locked AS (
    SELECT t.resource_mapping_id AS id, true AS is_whole ${wholeRooms} AND t.resource_mapping_id NOT IN (SELECT id FROM due)
    UNION ALL
    SELECT r.id, false FROM bridge_resource_mappings r JOIN bridge_room_state t ON t.resource_mapping_id = r.id
    WHERE r.id IN (SELECT room FROM hint EXCEPT SELECT id FROM hinted) AND ${isFollowed}
  ), told AS (
    SELECT h.room, h."eventId", h.deleted, h.etag FROM hint h
    WHERE h.room IN (SELECT id FROM hinted UNION ALL SELECT id FROM locked WHERE NOT is_whole AND $6::boolean)
  ), new AS (
    -- the number of each among the hints of its room
    SELECT h.*, coalesce(k.stored, 0) + row_number() OVER (PARTITION BY h.room ORDER BY h."eventId") AS number
    FROM told h
    LEFT JOIN (SELECT n.resource_mapping_id AS room, count(*) AS stored FROM bridge_hints n
      WHERE n.resource_mapping_id IN (SELECT room FROM told) GROUP BY 1) k ON k.room = h.room
    WHERE NOT EXISTS (SELECT FROM bridge_hints n WHERE n.resource_mapping_id = h.room AND n.event_id = h."eventId")
  ), storable AS (
    SELECT h.room, h."eventId", h.deleted, h.etag FROM told h
    WHERE EXISTS (SELECT FROM bridge_hints n WHERE n.resource_mapping_id = h.room AND n.event_id = h."eventId")
    UNION ALL SELECT room, "eventId", deleted, etag FROM new WHERE number <= $7
    UNION ALL (
      SELECT room, '${wholeRoom}', false, NULL FROM new WHERE number > $7
      UNION SELECT id, '${wholeRoom}', false, NULL FROM locked WHERE is_whole AND $6)
  ), stored AS (
    INSERT INTO bridge_hints (resource_mapping_id, event_id, deleted, etag)
    SELECT room, "eventId", deleted, etag FROM storable ORDER BY 1, 2
    ON CONFLICT (resource_mapping_id, event_id)
      DO UPDATE SET deleted = excluded.deleted, hinted_at = excluded.hinted_at, misses = 0, read_after = NULL,
        -- see mergedEvents
        etag = CASE WHEN bridge_hints.deleted OR excluded.deleted THEN NULL
          WHEN excluded.etag = ANY (string_to_array(bridge_hints.etag, ' ')) THEN bridge_hints.etag
          WHEN length(bridge_hints.etag) + length(excluded.etag) < ${etagMost} THEN bridge_hints.etag || ' ' || excluded.etag END
    RETURNING resource_mapping_id AS id, event_id
  ), hinting AS (
    UPDATE bridge_room_state s SET
      hinted_at = CASE WHEN s.hinted_at IS NULL OR s.hints_retry THEN least(s.hinted_at,
        clock_timestamp() + (SELECT max(h.gap) FROM hint h WHERE h.room = s.resource_mapping_id) * interval '1 millisecond') ELSE s.hinted_at END,
      hints_retry = false,
      sure_at = coalesce(s.sure_at, greatest(now() + $4::float8 * interval '1 millisecond',
        coalesce(s.pulled_at, '-infinity') + $5::float8 * interval '1 millisecond'))
    FROM hinted WHERE s.resource_mapping_id = hinted.id AND hinted.is_unmarked
      AND hinted.id IN (SELECT id FROM stored WHERE event_id <> '${wholeRoom}')
    RETURNING greatest(ceil(extract(epoch FROM s.hinted_at - clock_timestamp()) * 1000), 0)::integer AS ms)
  SELECT coalesce(array_agg(DISTINCT ms) FILTER (WHERE ms > 0), '{}') AS later, ARRAY(SELECT DISTINCT id FROM locked) AS locked,
    CASE WHEN count(*) FILTER (WHERE ms <= 0) > 0 THEN bridge_wake() END
  FROM (SELECT ms FROM marked UNION ALL SELECT ms FROM hinting) AS all_rooms`;

/**
 * Marks rooms with hints that were stored without a mark, because another transaction had locked their rows, and requests the full scans
 * of those with a hint of the whole room.
 */
export const markHinted = (db: Queryable) => callFunction(db, 'bridge_mark_hinted', sureAfterMs);

/** Wakes the daemons. */
export async function wakeAll(db: Queryable): Promise<void> {
  await db.query({ name: 'wake', text: 'SELECT bridge_wake()' });
}

/** Graph removed these (`subscriptionRemoved`): they are created again. */
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
 * Graph requests a new authorization (`reauthorizationRequired`), which a renewal is. It may request the same more than once, so one
 * that was renewed within the last minute waits for the rest of it.
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

/** Runs `work` unless another daemon does; returns whether it ran. The lock ends with its connection. */
export function asOnlyKeeper(db: Database, work: () => Promise<void>): Promise<boolean> {
  return onConnection(db, async (client, discard) => {
    const ours = await queryValue<boolean>(
      client,
      `SELECT pg_try_advisory_lock(${locks.subscriptions}) AS ours`,
    );
    if (!ours) return false;
    try {
      await work();
    } finally {
      await client.query(`SELECT pg_advisory_unlock(${locks.subscriptions})`).catch(discard);
    }
    return true;
  });
}
