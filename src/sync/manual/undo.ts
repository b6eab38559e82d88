/**
 * Undoes changes since a moment: cancelled reservations become active again and get a new event, imported ones are cancelled and their
 * events stay. The changes are read from bridge_log, whose retention limits how far back. Only the booking system is written here,
 * through the adapter and one reservation at a time; the sync does the rest, as after any booking change.
 */
import { adapterError } from '../../adapter-error.ts';
import { sqlState, type Database, type Queryable } from '../../database.ts';
import type { Id } from '../../id.ts';
import { queryRows, queryValue } from '../../query.ts';
import { failingAs } from '../store/failing.ts';
import { itemsIn, itemsOf, unreadableText } from '../store/readable-items.ts';
import { noteChanges, underFoldLock } from './requests.ts';

/** `undone`: an undo, which can be undone, too. */
export const undoable = ['cancelled', 'deleted', 'imported', 'undone'] as const;
type Undoable = (typeof undoable)[number];

export interface UndoChoice {
  readonly since: Date;
  /** Later changes are not undone; null: there is no limit. */
  readonly until?: Date | null;
  readonly resourceId: number | null;
  readonly what: readonly Undoable[];
}

export interface UndoItem {
  readonly reservation_type: string;
  readonly reservation_id: Id;
  readonly resource_id: number;
  readonly title: string | null;
  readonly starts_at: Date | null;
  readonly what: Undoable;
  readonly done_at: Date;
  /** `re-enable`: the reservation, with a new event; `cancel`: with its event; `take-back`: the event stays. */
  readonly step: 're-enable' | 'cancel' | 'take-back';
  /** Of an undo: its step. */
  readonly undid: string | null;
  /** The reason why it is not undone; null: it is. */
  readonly refused: string | null;
}

export const undoMost = 1_000;

/** Parses a day (UTC) or a time with its offset. Null: it is neither. */
export function readMoment(text: string): Date | null {
  const [, day] = /^(\d{4}-\d\d-\d\d)(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d))?$/.exec(text) ?? [];
  const at = new Date(text);
  if (day === undefined || Number.isNaN(at.getTime())) return null;
  // a 30th of February is read as a day of March
  return new Date(day).toISOString().startsWith(day) ? at : null;
}

/** The reason of an item that another undo will undo. */
export const noTimeLeft = 'there was no time left for it: undo again';

export type Undo = ReturnType<typeof createUndo>;

/** `waitMs`: an undo begins no further item after that. */
export function createUndo(db: Database, { waitMs = 20_000 }: { readonly waitMs?: number } = {}) {
  /**
   * The end of the undone time, by the clock of the log: `until`, or now if that is earlier or `until` is null. In whole
   * milliseconds, because clients return it; everything logged before the call is before it.
   */
  const asOf = (until: Date | null) =>
    queryValue<Date>(
      db,
      `SELECT least(date_trunc('milliseconds', clock_timestamp()), $1::timestamptz) AS at FROM pg_sleep(0.001)`,
      [until],
    );

  /** The items of an undo, the newest first, `undoMost` at most. Writes nothing. */
  const plan = (choice: UndoChoice): Promise<UndoItem[]> => readItems(db, choice, null);

  /** Undoes the items of the plan that are not refused, until the time is over. Returns all items. */
  async function apply(choice: UndoChoice, who: string): Promise<UndoItem[]> {
    const late = performance.now() + waitMs;
    const items: UndoItem[] = [];
    for (const item of await plan(choice))
      if (item.refused !== null) items.push(item);
      else if (performance.now() >= late) items.push({ ...item, refused: noTimeLeft });
      else items.push(await undoOne(choice, item, who));
    await db.query('SELECT bridge_wake()');
    return items;
  }

  async function undoOne(choice: UndoChoice, planned: UndoItem, who: string): Promise<UndoItem> {
    try {
      return await underFoldLock(db, async (client) => {
        const [item] = await readItems(client, choice, planned);
        if (item?.step !== planned.step) return { ...planned, refused: 'it changed meanwhile' };
        if (item.refused === null) await carryOut(client, item, who);
        return item;
      });
    } catch (error) {
      if (sqlState(error) === '55P03')
        return { ...planned, refused: 'another transaction has locked it: try again shortly' };
      const refused = adapterError(error);
      if (refused === null || ['40001', '40P01'].includes(sqlState(error) ?? '')) throw error;
      return { ...planned, refused };
    }
  }

  return {
    asOf: failingAs('read the clock', asOf),
    plan: failingAs('plan an undo', plan),
    apply: failingAs('undo', apply),
  };
}

const takenBack = 'Taken back through the bridge';
/** The notes that our cancellations add to a description. */
const notes = ['Cancelled from Outlook', 'Cancelled through the bridge', takenBack];

async function carryOut(client: Queryable, item: UndoItem, who: string): Promise<void> {
  const { reservation_type: type, reservation_id: id, step } = item;
  // before the cancellation is folded: events from Outlook, also a meeting that replaced an event of ours, are kept and not changed
  // again; those that we created in other rooms are deleted
  if (step === 'take-back')
    await client.query(
      `UPDATE bridge_mappings SET sync_status = 'cancelled', due_at = NULL, present = false, revision = revision + 1,
         event_intent = 'keep', outlook_base = coalesce(outlook_base, outlook_seen, booking_base), outlook_news = NULL, updated_at = now()
       WHERE reservation_type = $1 AND reservation_id = $2
         AND (sync_direction = 'outlook_to_booking' OR NOT is_organizer)`,
      [type, id],
    );
  if (step === 're-enable')
    await client.query('SELECT bridge_reenable_item($1, $2::bigint, note) FROM unnest($3::text[]) note', [
      type,
      id,
      notes,
    ]);
  else
    await client.query('SELECT bridge_cancel_item($1, $2::bigint, $3)', [
      type,
      id,
      step === 'take-back' ? takenBack : notes[1],
    ]);
  await noteChanges(client, [{ type, id }]);
  await client.query(
    `INSERT INTO bridge_log (mapping_id, resource_id, reservation_type, reservation_id, action, reason, who, detail)
     SELECT (SELECT m.id FROM bridge_mappings m WHERE m.reservation_type = $1 AND m.reservation_id = $2 AND m.resource_id = $3),
       $3, $1, $2, 'undone', $4, $5, jsonb_build_object('step', $6::text, 'undid', $7::text)`,
    [type, id, item.resource_id, `${item.what} at ${item.done_at.toISOString()}`, who, step, item.undid],
  );
}

const readItems = (
  db: Queryable,
  { since, until = null, resourceId, what }: UndoChoice,
  only: Pick<UndoItem, 'reservation_type' | 'reservation_id'> | null,
) =>
  queryRows<UndoItem>(db, itemsText, [
    since,
    resourceId,
    what,
    only?.reservation_type ?? null,
    only?.reservation_id ?? null,
    undoMost,
    until,
  ]);

const itemsText = `
  WITH told AS (
    SELECT l.*, l.action = 'undone' AND l.detail ->> 'step' = 're-enable' OR l.action IN ('created', 'adopted', 'joined', 'imported') AS stands
    FROM bridge_log l
    WHERE l.at >= $1 AND ($7::timestamptz IS NULL OR l.at <= $7) AND l.reservation_id IS NOT NULL
      AND l.action IN ('cancelled', 'booking-cancelled', 'deleted', 'imported', 'undone', 'created', 'adopted', 'joined')
      -- the reservation stands, it only has one room less
      AND coalesce(l.detail ->> 'room', '') <> 'given up'
      AND ($4::text IS NULL OR l.reservation_type = $4 AND l.reservation_id = $5::bigint)
  ), since AS (
    SELECT t.*, max(t.id) FILTER (WHERE t.stands) OVER (PARTITION BY t.reservation_type, t.reservation_id) AS stood FROM told t
  ), line AS (
    -- what was cancelled, and enabled again since, is no reason for a later cancellation
    SELECT l.*, count(*) FILTER (WHERE l.action IN ('cancelled', 'booking-cancelled', 'undone') AND l.id > coalesce(l.stood, 0))
        OVER (PARTITION BY l.reservation_type, l.reservation_id) AS cancels,
      row_number() OVER (PARTITION BY l.reservation_type, l.reservation_id ORDER BY l.id DESC) AS newest
    FROM since l WHERE l.action IN ('cancelled', 'booking-cancelled', 'deleted', 'imported', 'undone')
  ), done AS (
    SELECT l.*, CASE WHEN l.action IN ('imported', 'undone') THEN l.action WHEN l.cancels > 0 THEN 'cancelled' ELSE 'deleted' END AS what,
      -- what was taken back and re-enabled has the event of its meeting, which is not ours to delete
      CASE WHEN l.action = 'imported' OR l.detail ->> 'step' = 're-enable' AND l.detail ->> 'undid' = 'take-back' THEN 'take-back'
        WHEN l.action = 'undone' AND l.detail ->> 'step' = 're-enable' THEN 'cancel' ELSE 're-enable' END AS step
    FROM line l
    WHERE l.newest = 1 AND ($2::integer IS NULL OR EXISTS (SELECT FROM line o
      WHERE o.reservation_type = l.reservation_type AND o.reservation_id = l.reservation_id AND o.resource_id = $2))
  )
  SELECT d.reservation_type, d.reservation_id, d.resource_id, i.title, i.starts_at, d.what, d.at AS done_at, d.step, d.detail ->> 'step' AS undid,
    CASE WHEN i.unreadable IS NOT NULL THEN ${unreadableText('i')}
      WHEN i.active IS NULL THEN 'it is not in the booking system any more'
      WHEN d.step = 're-enable' AND i.active THEN 'it is active again already'
      WHEN d.step <> 're-enable' AND NOT i.active THEN 'it is cancelled already'
      WHEN d.step = 're-enable' AND to_regprocedure('bridge_reenable_item(text, bigint, text)') IS NULL
        THEN 'the adapter has no bridge_reenable_item: re-enable it in the booking system'
      WHEN later.action IS NOT NULL THEN 'it changed since: ' || later.action || ' at ' || to_char(later.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
      WHEN open.there THEN 'it is being worked on: try again shortly'
      WHEN d.step = 're-enable' AND other.name IS NOT NULL THEN 'its time is taken by ' || other.name
    END AS refused
  FROM done d
  LEFT JOIN LATERAL (
    SELECT min(v.title) AS title, min(v.starts_at) AS starts_at, bool_or(bridge_stands(to_jsonb(v))) AS active, min(v.unreadable) AS unreadable
    FROM ${itemsOf('v', 'd.reservation_type', 'd.reservation_id', 'NULL')}) i ON true
  LEFT JOIN LATERAL (
    SELECT l.action, l.at FROM bridge_log l
    WHERE l.reservation_type = d.reservation_type AND l.reservation_id = d.reservation_id AND l.id > d.id
      AND (l.action IN ('updated', 'booking-updated', 'joined')
        -- an event of ours in place of the imported one: the meeting waits for a person, or was declined
        OR d.action = 'imported' AND l.action = 'created' AND l.mapping_id = d.mapping_id) ORDER BY l.id DESC LIMIT 1) later ON true
  CROSS JOIN LATERAL (
    SELECT EXISTS (SELECT FROM bridge_mappings m WHERE m.reservation_type = d.reservation_type
      AND m.reservation_id = d.reservation_id AND m.due_at IS NOT NULL) AS there) open
  LEFT JOIN LATERAL (
    SELECT o.reservation_type || '/' || coalesce(o.reservation_key, o.reservation_id::text) AS name
    FROM ${itemsOf('mine', 'd.reservation_type', 'd.reservation_id', 'NULL')}
    CROSS JOIN LATERAL ${itemsIn('o', 'mine.resource_id', 'mine.starts_at', 'mine.ends_at')}
    WHERE mine.unreadable IS NULL AND o.reservation_type = d.reservation_type AND o.reservation_id <> d.reservation_id
      AND o.starts_at < mine.ends_at AND o.ends_at > mine.starts_at LIMIT 1) other ON true
  WHERE d.what = ANY ($3::text[])
  ORDER BY d.id DESC LIMIT $6`;
