/** Conflicts between the two sides, and a person's decisions about them. */
import type { Database, Queryable } from '../../database.ts';
import type { Id } from '../../id.ts';
import type { Item } from '../../item.ts';
import { queryRows } from '../../query.ts';
import { underFoldLock } from './requests.ts';
import type { BeginCall } from './call.ts';
import { failingAs } from '../store/failing.ts';
import { isOpenConflict } from '../../waits-for-person.ts';
import { outlookShown, reasonOf } from '../store/mapping-sql.ts';
import { itemsIn, itemsOf } from '../store/readable-items.ts';
import type { ConflictNote } from '../store/work-item.ts';
import type { ItemOutcome } from './outcomes.ts';

export interface OpenConflict {
  readonly id: number;
  readonly reservation_type: string | null;
  readonly reservation_id: Id | null;
  readonly resource_id: number;
  readonly room: string;
  readonly outlook_event_id: string | null;
  readonly kind: ConflictNote['kind'];
  readonly fields: readonly string[];
  readonly message: string | null;
  readonly hint: string | null;
  readonly since: Date;
  /** According to the booking system. */
  readonly organizer: string | null;
  /** The organiser of the meeting; null: the room itself, or not known. */
  readonly outlook_organizer: string | null;
  /** The room organises the event; false: it was invited. */
  readonly is_organizer: boolean;
  /** Changes with the content of either side and with the choice. */
  readonly version: string;
  /** The side that a person chose to keep, until a daemon has carried it out. */
  readonly chosen: 'booking' | 'outlook' | null;
  /** The content of each side; null: it does not exist there. */
  readonly booking: Item | null;
  readonly outlook: Item | null;
  /** Of a refused change: the title of the reservation that has the time, unless it is private. Errors do not contain it. */
  readonly taken_by: string | null;
}

/** Its reservation is cancelled or gone: the next drain settles it. */
const hasEnded = ({ kind, booking }: OpenConflict) =>
  booking === null && (kind === 'fields' || kind === 'deleted' || kind === 'moved' || kind === 'refused');

/** Both sides are as they were displayed, and the displayed choice stands, or is the same one. */
function isAsDisplayed(
  { version, chosen }: OpenConflict,
  displayed: string | null,
  keep: 'booking' | 'outlook',
) {
  if (displayed === version) return true;
  if (chosen !== null && chosen !== keep) return false;
  return displayed === null || displayed === version.split('-')[0];
}

/** Null: any. */
export interface ConflictFilter {
  readonly resourceId: number | null;
  readonly kind: string | null;
  /** Part of a title, an organiser or the room's name, in any case. */
  readonly text: string | null;
}

/** A conflict as it was displayed. `version` null: in any version, but not against the choice of another person. */
export interface ChosenConflict {
  readonly id: number;
  readonly version: string | null;
}

/**
 * The result of a decision. `gone`: there is no such open conflict; `changed`: it has another version, or the other side was chosen
 * meanwhile, and nothing was done.
 */
export type Resolved =
  | { readonly id: number; readonly state: 'gone' }
  | { readonly id: number; readonly state: 'changed' }
  | {
      readonly id: number;
      readonly state: 'chosen';
      readonly conflict: OpenConflict;
      readonly outcome: ItemOutcome;
    };

const any: ConflictFilter = { resourceId: null, kind: null, text: null };

export type Conflicts = ReturnType<typeof createConflicts>;

export function createConflicts(db: Database, begin: BeginCall) {
  /** The open conflicts, the soonest first. Removals held by the brake are listed with their room. */
  const list = (limit: number, filter: ConflictFilter = any) => readConflicts(db, limit, null, filter);

  /** Keeps one side of each conflict that has the displayed version, and waits. Returns the results in their order. */
  async function resolve(
    chosen: readonly ChosenConflict[],
    keep: 'booking' | 'outlook',
    signal: AbortSignal,
  ): Promise<Resolved[]> {
    const call = await begin(signal);
    // a booking change of a moment ago may end a conflict
    await call.foldAll();
    const found = await chooseSides(db, chosen, keep);
    const open = found.filter((one) => one.state === 'chosen');
    const outcomes = await call.settled(
      open.map(({ id, conflict }) => ({
        mappingId: id,
        type: conflict.reservation_type,
        reservationId: conflict.reservation_id,
        resourceId: conflict.resource_id,
      })),
    );
    const outcomeOf = new Map(open.map(({ id }, at) => [id, outcomes[at]!]));
    return found.map((one) => (one.state === 'chosen' ? { ...one, outcome: outcomeOf.get(one.id)! } : one));
  }

  return {
    list: failingAs('list conflicts', list),
    resolve: failingAs('resolve conflicts', resolve),
  };
}

type Choice =
  Extract<Resolved, { state: 'gone' | 'changed' }> | Omit<Extract<Resolved, { state: 'chosen' }>, 'outcome'>;

/** Stores the side to keep; a daemon carries it out. */
export async function chooseSides(
  db: Database,
  chosen: readonly ChosenConflict[],
  keep: 'booking' | 'outlook',
): Promise<Choice[]> {
  return await underFoldLock(db, async (client) => {
    const found: Choice[] = [];
    for (const { id, version } of chosen) {
      const [open] = await readConflicts(client, 1, id);
      if (open === undefined) found.push({ id, state: 'gone' });
      else if (hasEnded(open) || !isAsDisplayed(open, version, keep)) found.push({ id, state: 'changed' });
      else {
        const { rowCount } = await client.query({
          name: 'resolve_conflict',
          text: `
            WITH chosen AS (
              UPDATE bridge_mappings SET resolution = $2, due_at = now(), lane = 0, attempt = 0, revision = revision + 1
              WHERE id = $1 AND sync_status = 'conflict' RETURNING resource_id)
            UPDATE bridge_room_state s SET push_due_at = now(), push_lane = 0, asked_at = now(), retry_at = NULL
            FROM bridge_resource_mappings r JOIN chosen USING (resource_id)
            WHERE r.id = s.resource_mapping_id AND r.active = 1`,
          values: [id, keep],
        });
        // a daemon may have settled it since it was read
        found.push(rowCount === 0 ? { id, state: 'gone' } : { id, state: 'chosen', conflict: open });
      }
    }
    return found;
  });
}

const reason = reasonOf('m', 'b');

/** The open conflicts, by id or by filter. */
export async function readConflicts(
  reader: Queryable,
  limit: number,
  id: number | null,
  { resourceId, kind, text }: ConflictFilter = any,
): Promise<OpenConflict[]> {
  const rows = await queryRows<OpenConflict & { starts_at: Date | null }>(reader, {
    name: 'open_conflicts',
    text: `
        SELECT c.*, md5(concat_ws('|', c.kind, c.fields, c.booking, c.outlook)) || coalesce('-' || c.chosen, '') AS version FROM (
        SELECT m.id, coalesce(m.reservation_type, o.reservation_type) AS reservation_type,
          coalesce(m.reservation_id, o.reservation_id) AS reservation_id, m.resource_id,
          coalesce(r.outlook_item_name, m.outlook_item_id) AS room, m.outlook_event_id, m.is_organizer,
          m.conflict ->> 'kind' AS kind, coalesce(m.conflict -> 'fields', '[]') AS fields,
          coalesce(${reason.message}, 'The booking system moved this reservation away from its meeting.') AS message,
          coalesce(${reason.hint}, 'Choose which side to keep.') AS hint, m.updated_at AS since,
          CASE WHEN NOT b.is_hidden THEN coalesce(nullif(b.organizer_name, ''), nullif(b.organizer_email, '')) END AS organizer,
          m.outlook_organizer, m.starts_at, m.resolution AS chosen,
          CASE WHEN b.unreadable IS NULL AND b.reservation_id IS NOT NULL THEN bridge_item_state(b.starts_at, b.ends_at, b.all_day,
            CASE WHEN NOT b.is_hidden THEN b.title END, CASE WHEN NOT b.is_hidden THEN b.description END, b.is_private) END AS booking,
          ${outlookShown} AS outlook,
          there.title AS taken_by
        FROM bridge_mappings m
        -- without conflicts of former rooms
        JOIN bridge_resource_mappings r ON r.resource_id = m.resource_id AND r.active = 1
        LEFT JOIN bridge_mappings o ON o.id = (m.conflict ->> 'mapping')::bigint
        -- of an event on a taken time, the reservation there
        LEFT JOIN LATERAL (
          SELECT i.*, false AS is_hidden
          FROM ${itemsOf('i', 'coalesce(m.reservation_type, o.reservation_type)', 'coalesce(m.reservation_id, o.reservation_id)', 'm.resource_id')}
          WHERE (m.reservation_id IS NOT NULL OR o.id IS NOT NULL) AND (i.active OR i.unreadable IS NOT NULL)
          UNION ALL
          -- another reservation: the texts of a private one are not shown
          (SELECT i.*, coalesce(i.is_private, false) AS is_hidden
          FROM ${itemsIn('i', 'm.resource_id', `(m.outlook_seen ->> 'startsAt')::timestamptz`, `(m.outlook_seen ->> 'endsAt')::timestamptz`)}
          WHERE m.reservation_id IS NULL AND o.id IS NULL AND m.conflict ->> 'kind' = 'overlap'
          ORDER BY i.unreadable IS NOT NULL, i.priority_level, i.starts_at LIMIT 1)) b ON true
        LEFT JOIN LATERAL (
          SELECT CASE WHEN NOT i.is_private THEN i.title END AS title
          FROM ${itemsIn('i', 'm.resource_id', `(m.conflict #>> '{outlook,startsAt}')::timestamptz`, `(m.conflict #>> '{outlook,endsAt}')::timestamptz`)}
          WHERE m.conflict ->> 'kind' = 'refused' AND (i.reservation_type, i.reservation_id) <> (m.reservation_type, m.reservation_id)
          ORDER BY i.unreadable IS NOT NULL, i.priority_level, i.starts_at LIMIT 1) there ON true
        WHERE ${isOpenConflict} AND ($2::bigint IS NULL OR m.id = $2)
          AND ($3::integer IS NULL OR m.resource_id = $3) AND ($4::text IS NULL OR m.conflict ->> 'kind' = $4)) c
        WHERE $5::text IS NULL OR position(lower($5) IN lower(concat_ws(chr(10), booking ->> 'title', outlook ->> 'title', organizer, outlook_organizer, room))) > 0
        ORDER BY coalesce(starts_at, 'infinity'), id LIMIT $1`,
    values: [limit, id, resourceId, kind, text],
  });
  return rows.map(({ starts_at: _at, ...conflict }) => conflict);
}
