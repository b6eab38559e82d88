/**
 * Whether anything may be written. START_MODE=sync: yes. plan: after a person has confirmed the plan; the confirmation is stored in
 * the database. shadow: never. In any mode, a database that is not the confirmed one, or that was set back, is treated as with
 * START_MODE=plan until a person confirms.
 */
import type { Queryable } from '../../database.ts';
import { Conflict } from '../../errors.ts';
import { callFunction, queryRow } from '../../query.ts';
import { failingAs } from '../store/failing.ts';

export type StartMode = 'sync' | 'plan' | 'shadow';

/** The reason why nothing is written although START_MODE allows it. */
export interface Hold {
  readonly reason: 'database' | 'set-back';
  readonly why: string;
  readonly hint: string;
}

/** A confirmed hold: the same installation, moved or set back, keeps its rooms; a copy has no rooms yet. */
export type ConfirmedAs = 'same' | 'copy';

export interface StartState {
  readonly mode: StartMode;
  /** Something may be written. */
  readonly writes: boolean;
  readonly confirmedAt: Date | null;
  readonly hold: Hold | null;
  /** Namespace of the idempotency keys. */
  readonly installation: string;
}

export type Start = ReturnType<typeof createStart>;

interface Database {
  readonly oid: number;
  readonly name: string;
  readonly system: string | null;
}

interface Row {
  readonly hold: Hold['reason'] | null;
  readonly installation: string | null;
  readonly confirmed: string | null;
  readonly known: Database | null;
  readonly here: Database | null;
  readonly setBack: { readonly room: string; readonly found: number; readonly known: number } | null;
}

const confirmHint =
  'Check the plan (GET /plan, or the command plan), then confirm it: plan --confirm, or POST /plan/confirm.';

const nameOf = ({ oid, name, system }: Database) => `${name} (oid ${oid}, cluster ${system ?? 'unknown'})`;

function holdOf({ hold, known, here, setBack }: Row): Hold | null {
  if (hold === null) return null;
  if (hold === 'database')
    return {
      reason: hold,
      why: `This database is ${here === null ? 'another one' : nameOf(here)}, and the installation was confirmed for ${known === null ? 'another one' : nameOf(known)}: it is a copy, or it was moved. Nothing is written.`,
      hint: `${confirmHint} Without further words it begins as a copy, which takes over no room that the original works in; if the original is out of service, add --as same, or { "as": "same" }.`,
    };
  return {
    reason: hold,
    why: `The calendar of ${setBack?.room ?? 'a room'} carries a newer claim of ours (${setBack?.found ?? '?'}) than this database has given out (${setBack?.known ?? '?'}): it was set back, or a copy of it is at work. Nothing is written.`,
    hint: `If a copy is at work, stop it. ${confirmHint}`,
  };
}

export function createStart({ db, mode }: { readonly db: Queryable; readonly mode: StartMode }) {
  async function read(): Promise<StartState> {
    const row = await queryRow<Row>(db, {
      name: 'start_state',
      text: `
        WITH setting AS MATERIALIZED (SELECT name, value FROM bridge_settings)
        SELECT h.hold, (SELECT value FROM setting WHERE name = 'installation_id') AS installation,
          (SELECT value FROM setting WHERE name = 'plan_confirmed_at') AS confirmed,
          CASE WHEN h.hold IS NOT NULL THEN (SELECT value::jsonb FROM setting WHERE name = 'database') END AS known,
          CASE WHEN h.hold IS NOT NULL THEN bridge_this_database() END AS here,
          (SELECT value::jsonb FROM setting WHERE name = 'set_back') AS "setBack"
        FROM (SELECT bridge_hold() AS hold OFFSET 0) h`,
    });
    const hold = holdOf(row);
    const confirmedAt = row.confirmed === null || mode === 'shadow' ? null : new Date(row.confirmed);
    return {
      mode: hold !== null && mode === 'sync' ? 'plan' : mode,
      writes: hold === null && (mode === 'sync' || (mode === 'plan' && confirmedAt !== null)),
      confirmedAt: hold === null ? confirmedAt : null,
      hold,
      installation: row.installation ?? '',
    };
  }

  /** Throws Conflict while nothing may be written. */
  async function needWrites(): Promise<void> {
    const { writes, hold } = await read();
    if (writes) return;
    if (mode === 'shadow')
      throw new Conflict('START_MODE is shadow: nothing is written.', {
        hint: 'GET /plan shows what would be done; START_MODE=plan or sync lets it be done.',
      });
    throw new Conflict(hold?.why ?? 'Nothing is written before the plan is confirmed (START_MODE=plan).', {
      hint:
        hold?.hint ??
        'GET /plan shows what would be done; POST /plan/confirm, or the command `plan --confirm`, lets it begin.',
    });
  }

  /**
   * Confirms once and for all daemons of this database. `as`: the meaning of a held database; null: a different database is a copy,
   * one that was set back is the same.
   */
  async function confirm(
    as: ConfirmedAs | null = null,
  ): Promise<{ readonly at: Date; readonly before: boolean }> {
    const { at, before } = await callFunction<{ at: string; before: boolean }>(db, 'bridge_confirm', as);
    return { at: new Date(at), before };
  }

  return {
    mode,
    read: failingAs('read the start state', read),
    needWrites: failingAs('read the start state', needWrites),
    confirm: failingAs('confirm the plan', confirm),
  };
}
