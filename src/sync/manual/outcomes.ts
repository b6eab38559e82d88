/** The outcome of an item since a moment, read from our tables, whichever daemon settled it. */
import type { Queryable } from '../../database.ts';
import type { PullAction, PushAction } from '../../facts.ts';
import type { Id } from '../../id.ts';
import { queryRows } from '../../query.ts';
import { workError } from '../store/mapping-sql.ts';

/** `held`: by the brake, until a person decides. `pending`: not done yet. */
export type OutcomeAction = Exclude<PushAction, 'waiting'> | PullAction | 'error' | 'held' | 'pending';

/** A mapping that a call waits for. */
export interface Chosen {
  readonly mappingId: number;
  readonly type: string | null;
  readonly reservationId: Id | null;
  readonly resourceId: number;
}

/** The columns of `Chosen`, of mapping `m`. */
export const chosenColumns = `m.id AS "mappingId", m.reservation_type AS type, m.reservation_id AS "reservationId",
  m.resource_id AS "resourceId"`;

export interface ItemOutcome extends Chosen {
  readonly action: OutcomeAction;
  readonly eventId: string | null;
  readonly title: string | null;
  /** The reason of its failure or wait. */
  readonly error: string | null;
  readonly hint: string | null;
}

interface OutcomeRow extends Chosen {
  readonly status: string;
  /** The kind of its conflict. */
  readonly kind: string | null;
  readonly due: boolean;
  readonly eventId: string | null;
  readonly title: string | null;
  readonly error: string | null;
  readonly hint: string | null;
  /** The actions in the log, in order. */
  readonly actions: readonly string[];
}

/**
 * The outcomes of these mappings since `mark` of bridge_log, in their order. A deleted mapping is 'forgotten'. `counted`: the actions
 * that are results of the call.
 */
export async function readOutcomes(
  db: Queryable,
  chosen: readonly Chosen[],
  mark: number,
  counted: readonly CountedAction[] = changes,
): Promise<ItemOutcome[]> {
  const rows = await queryRows<OutcomeRow>(db, {
    name: 'read_outcomes',
    text: `
      SELECT ${chosenColumns}, m.sync_status AS status, m.conflict ->> 'kind' AS kind, m.due_at IS NOT NULL AS due, m.outlook_event_id AS "eventId",
        coalesce(m.booking_seen, m.booking_base, m.outlook_base) ->> 'title' AS title,
        ${workError},
        ARRAY(SELECT l.action FROM bridge_log l WHERE l.mapping_id = m.id AND l.id > $2 ORDER BY l.id) AS actions
      FROM bridge_mappings m
      LEFT JOIN bridge_resource_mappings r ON r.resource_id = m.resource_id AND r.active = 1
      LEFT JOIN bridge_room_state s ON s.resource_mapping_id = r.id
      WHERE m.id = ANY ($1)`,
    values: [chosen.map((one) => one.mappingId), mark],
  });
  const found = new Map(rows.map((row) => [row.mappingId, row]));
  return chosen.map((one) => {
    const row = found.get(one.mappingId);
    if (row === undefined)
      return { ...one, action: 'forgotten', eventId: null, title: null, error: null, hint: null };
    const { actions, status, kind, due, ...known } = row;
    return { ...known, action: actionOf({ actions, status, kind, due }, counted) };
  });
}

const changes = [
  'created',
  'adopted',
  'updated',
  'deleted',
  'shadowed',
  'imported',
  'joined',
  'booking-updated',
  'booking-cancelled',
  'declined',
] as const;
export type CountedAction = (typeof changes)[number];

/** The results of a cancellation. An event may have been created or updated while the call was beginning. */
export const removals = ['deleted', 'declined', 'shadowed', 'booking-cancelled'] as const;

/** One word for all actions: the last change, but 'created' for an item created and then updated. */
export function actionOf(
  { actions, status, kind, due }: Pick<OutcomeRow, 'actions' | 'status' | 'kind' | 'due'>,
  counted: readonly CountedAction[] = changes,
): OutcomeAction {
  const isChange = (action: string): action is CountedAction => counted.some((change) => change === action);

  if (status === 'error') return 'error';
  // a change that Outlook refuses waits for a decision, and the caller gets an error
  if (status === 'conflict' && kind === 'rejected' && !due) return 'error';
  if (status === 'conflict' && !due) return 'held';
  const done = actions.filter(isChange);
  const last = done.at(-1);
  if (last === 'updated' && done.includes('created')) return 'created';
  if (last !== undefined) return last;
  return due ? 'pending' : 'unchanged';
}
