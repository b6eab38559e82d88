/**
 * `plan`: lists the changes that a sync would make, room by room, without writing. `plan --confirm` starts the
 * synchronization of daemons with START_MODE=plan, or of a copied or restored database.
 */
import { readEnv } from '../environment.ts';
import { toConfig } from '../config.ts';
import { openPlanPool, openPool } from '../database.ts';
import { Invalid, Permanent } from '../errors.ts';
import { hasKeys, keyId } from '../keys.ts';
import { withKeys } from '../sync/with-keys.ts';
import { createOutlook } from '../outlook/events.ts';
import { createPlanner } from '../sync/plan/plan.ts';
import type { Plan, RoomPlan } from '../sync/plan/plan-summary.ts';
import type { PlanKind } from '../sync/plan/plan-words.ts';
import { createStart, type ConfirmedAs, type Hold } from '../sync/worker/start-mode.ts';
import { recordCommand } from './audit.ts';
import { oneLine, openBar, paint, say, sayJson, table } from './terminal.ts';
import { createKeys, reservationName } from '../sync/report/keys.ts';
import { onPool, resourceNumber, wholeNumber } from './with-database.ts';

export interface PlanCommandOptions {
  readonly room?: string;
  readonly limit: string;
  readonly confirm?: boolean;
  readonly as?: string;
  readonly json?: boolean;
}

const roomsAtATime = 4;
const itemsMost = 100_000;

/** Returns the exit code: 0 for an empty plan, 2 if it has changes or conflicts, 1 if a room could not be read. */
export async function planCommand(options: PlanCommandOptions, signal: AbortSignal): Promise<number> {
  if (options.confirm === true) return await confirm(options);
  if (options.as !== undefined)
    throw new Invalid('--as', '--as requires --confirm.', 'plan --confirm --as same');
  const config = toConfig(readEnv());
  const limit = wholeNumber('--limit', options.limit, itemsMost);
  const db = openPlanPool(config.database, 'outlook-booking-sync plan', roomsAtATime + 1);
  return await onPool(db, 'plan', async () => {
    const resourceId = options.room === undefined ? null : await resourceNumber(db, '--room', options.room);
    const isKeyed = await hasKeys(db);
    await using outlook = createOutlook({
      graph: config.graph,
      timezone: config.timezone,
      freeEvents: config.freeEvents,
      ...(isKeyed ? { keyId } : {}),
    });
    const side = isKeyed ? withKeys(db, outlook) : outlook;
    const planner = createPlanner({
      db,
      outlook: () => side,
      window: config.window,
      policy: {
        conflict: config.conflictPolicy,
        overlap: config.overlapPolicy,
        importMode: config.importMode,
      },
      brake: config.brake,
      roomsAtATime,
    });
    const plan = await createKeys(db).add(
      await readWithBar(planner, { resourceId, itemsMost: limit }, signal),
    );
    if (plan === null)
      throw new Invalid(
        '--room',
        `Resource ${options.room} is not mapped to an active room.`,
        '`mappings list` shows the mapped ones.',
      );
    const { hold } = await createStart({ db, mode: config.startMode }).read();
    if (options.json === true) sayJson({ success: plan.complete, hold, ...plan });
    else print(plan, hold, config.timezone);
    return plan.complete ? (plan.differs ? 2 : 0) : 1;
  });
}

async function readWithBar(
  planner: ReturnType<typeof createPlanner>,
  selection: { readonly resourceId: number | null; readonly itemsMost: number },
  signal: AbortSignal,
): Promise<Plan | null> {
  using bar = openBar('Reading');
  const progress = (done: number, total: number, room: string) => bar.at(done, total, `rooms, ${room}`);
  return await planner.plan({ ...selection, withinMs: null, progress }, signal);
}

async function confirm(options: PlanCommandOptions): Promise<number> {
  const as = confirmedAs(options.as);
  const config = toConfig(readEnv());
  if (config.startMode === 'shadow')
    throw new Permanent('START_MODE is shadow: nothing is written, even after a confirmation.', {
      hint: 'Set START_MODE=plan, restart, and confirm; or set START_MODE=sync.',
    });
  const db = openPool(config.database, 'outlook-booking-sync plan', 1);
  try {
    const start = createStart({ db, mode: 'plan' });
    const { hold } = await start.read();
    if (hold === null && as !== null)
      throw new Invalid('--as', 'The database is not held, so --as has no effect.', 'plan --confirm');
    await recordCommand(db, `plan --confirm${as === null ? '' : ` --as ${as}`}`);
    const { at, before } = await start.confirm(as);
    if (options.json === true) sayJson({ success: true, confirmed_at: at, already: before });
    else
      say(
        before
          ? `The plan was already confirmed at ${at.toISOString()}.`
          : hold === null
            ? 'Confirmed: daemons with START_MODE=plan start to synchronize within a second, also after a restart.'
            : 'Confirmed: daemons of this database start to synchronize within a second, also after a restart.',
      );
    return 0;
  } finally {
    await db.end();
  }
}

/** The value of --as; null without it. Throws Invalid. */
function confirmedAs(as: string | undefined): ConfirmedAs | null {
  if (as === undefined || as === 'same' || as === 'copy') return as ?? null;
  throw new Invalid('--as', `--as is '${as}'.`, 'Write --as same or --as copy.');
}

const words: Readonly<Record<PlanKind, readonly [one: string, colour: Parameters<typeof paint>[0]]>> = {
  create: ['create in Outlook', 'green'],
  change: ['change in Outlook', 'yellow'],
  delete: ['delete in Outlook', 'red'],
  decline: ['decline the meeting', 'red'],
  import: ['import as a reservation', 'green'],
  'change-booking': ['change the reservation', 'yellow'],
  'cancel-booking': ['cancel the reservation', 'red'],
  adopt: ['match', 'cyan'],
  conflict: ['conflict', 'magenta'],
  waiting: ['waiting', 'dim'],
};

function print(plan: Plan, hold: Hold | null, timezone: string): void {
  if (hold !== null) say(`${paint('red', hold.why)}\n${hold.hint}\n`);
  for (const room of plan.rooms) printRoom(room, timezone);
  const kinds = (Object.keys(words) as PlanKind[]).filter((kind) => plan.counts[kind] > 0);
  if (plan.rooms.length === 0) say('No room is mapped yet: `mappings match` proposes pairs.');
  else if (kinds.length === 0 && plan.complete)
    say(paint('green', `Nothing to do: ${plan.equal} equal on both sides.`));
  else
    say(
      `${paint('bold', 'Total')}  ${kinds.map((kind) => `${plan.counts[kind]} × ${words[kind][0]}`).join(', ') || 'nothing'}; ${plan.equal} equal.`,
    );
  if (plan.held > 0)
    say(
      paint(
        'red',
        `The brake would hold ${plan.held} of these until they are released (BRAKE_MAX, BRAKE_SHARE).`,
      ),
    );
  say('Nothing was written.');
}

function printRoom(room: RoomPlan, timezone: string): void {
  const listed = room.items.length;
  const all = Object.values(room.counts).reduce((sum, count) => sum + count, 0);
  if (room.state === 'planned' && all === 0) return;
  say(paint('bold', `${oneLine(room.room)} (resource ${room.resource_id}, ${room.outlook_item_id})`));
  if (room.error !== null)
    say(`  ${paint('red', oneLine(room.error))}${room.hint === null ? '' : ` ${oneLine(room.hint)}`}`);
  if (room.settings.length > 0) say(`  settings of the room: ${oneLine(room.settings.join(', '))}`);
  if (listed > 0)
    say(
      table(
        ['ACTION', 'FROM', 'TO', 'TITLE', 'RESERVATION', 'REASON'],
        room.items.map((item) => [
          paint(words[item.action][1], item.held ? `held: ${words[item.action][0]}` : words[item.action][0]),
          local(item.starts_at, timezone),
          local(item.ends_at, timezone),
          (item.title ?? '').slice(0, 40),
          reservationName(item),
          item.fields.length === 0 ? item.why : `${item.fields.join(', ')}: ${item.why}`,
        ]),
      ),
    );
  if (listed < all) say(`… and ${all - listed} more; --limit shows more of them.`);
  say();
}

function local(instant: string | null, timeZone: string): string | null {
  if (instant === null) return null;
  // the Swedish locale formats dates as year-month-day
  return new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'short' }).format(
    new Date(instant),
  );
}
