/**
 * Whether anything may be written yet. START_MODE=sync: yes. plan: once a person has confirmed the plan, which is kept in
 * the database, so that a restart goes on. shadow: never.
 */
import type { Queryable } from '../../database.ts';
import { Conflict } from '../../errors.ts';
import { failingAs } from '../store/failing.ts';

export type StartMode = 'sync' | 'plan' | 'shadow';

export interface StartState {
  readonly mode: StartMode;
  /** Something may be written. */
  readonly writes: boolean;
  readonly confirmedAt: Date | null;
}

export type Start = ReturnType<typeof createStart>;

const setting = 'plan_confirmed_at';

export function createStart({ db, mode }: { readonly db: Queryable; readonly mode: StartMode }) {
  /** Asks the database only where its answer counts. */
  async function read(): Promise<StartState> {
    if (mode !== 'plan') return { mode, writes: mode === 'sync', confirmedAt: null };
    const { rows } = await db.query<{ value: string }>({
      name: 'plan_confirmed',
      text: 'SELECT value FROM bridge_settings WHERE name = $1',
      values: [setting],
    });
    const [row] = rows;
    return { mode, writes: row !== undefined, confirmedAt: row === undefined ? null : new Date(row.value) };
  }

  /** Throws Conflict while nothing may be written: nobody waits for what does not happen. */
  async function needWrites(): Promise<void> {
    if ((await read()).writes) return;
    throw new Conflict(
      mode === 'shadow'
        ? 'START_MODE is shadow: nothing is written.'
        : 'Nothing is written before the plan is confirmed (START_MODE=plan).',
      {
        hint:
          mode === 'shadow'
            ? 'GET /plan shows what would be done; START_MODE=plan or sync lets it be done.'
            : 'GET /plan shows what would be done; POST /plan/confirm, or the command `plan --confirm`, lets it begin.',
      },
    );
  }

  /** Confirms for good, once; every daemon of this database with START_MODE=plan begins. */
  async function confirm(): Promise<{ readonly at: Date; readonly before: boolean }> {
    const { rows } = await db.query<{ value: string; made: boolean }>({
      name: 'confirm_plan',
      text: `
        WITH made AS (
          INSERT INTO bridge_settings (name, value) VALUES ($1, to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
          ON CONFLICT (name) DO NOTHING RETURNING value
        ), compared AS (
          -- what is done then is what the plan said: it, too, is made by comparing both sides
          UPDATE bridge_room_state SET baselined_at = NULL, reconciled_at = NULL, push_due_at = now()
          WHERE EXISTS (SELECT FROM made))
        SELECT value, true AS made FROM made
        UNION ALL SELECT value, false FROM bridge_settings WHERE name = $1 AND NOT EXISTS (SELECT FROM made)`,
      values: [setting],
    });
    const { value, made } = rows[0]!;
    return { at: new Date(value), before: !made };
  }

  return {
    mode,
    read: failingAs('read whether the plan is confirmed', read),
    needWrites: failingAs('read whether the plan is confirmed', needWrites),
    confirm: failingAs('confirm the plan', confirm),
  };
}
