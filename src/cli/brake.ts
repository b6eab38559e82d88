/**
 * `brake`: lists the removals that the brake holds; `--release` or `--refuse` decides about those of one room. A daemon carries
 * the decision out, and the command waits for it for 20 seconds at most.
 */
import type { Database } from '../database.ts';
import { Invalid } from '../errors.ts';
import { createHeldRemovals, type HeldRemoval } from '../sync/manual/held-removals.ts';
import { createCalls } from '../sync/manual/call.ts';
import { createKeys, reservationName, resourceName } from '../sync/report/keys.ts';
import { createStart } from '../sync/worker/start-mode.ts';
import { recordCommand } from './audit.ts';
import { oneLine, say, sayJson } from './terminal.ts';
import { resourceNumber, withDatabase } from './with-database.ts';

export interface BrakeOptions {
  readonly room?: string;
  readonly release?: boolean;
  readonly refuse?: boolean;
  readonly json?: boolean;
}

/** The calls used here do not depend on it. */
const noWindow = { pastDays: 0, futureDays: 1 };

type Held = HeldRemoval & { readonly resource_id: number };

/** Lists the held removals; a decision applies to exactly the listed removals. */
export async function brakeCommand(options: BrakeOptions, signal: AbortSignal): Promise<number> {
  const { release = false, refuse = false } = options;
  if (release && refuse)
    throw new Invalid('--release', '--release and --refuse exclude each other.', 'Write one.');
  if ((release || refuse) && options.room === undefined)
    throw new Invalid('--room', 'A decision applies to one room.', 'Add --room RESOURCE.');
  const { removals, done, zone } = await withDatabase('brake', async (db, config) => {
    const { timezone, startMode = 'sync' } = config;
    const resourceId = options.room === undefined ? null : await resourceNumber(db, '--room', options.room);
    const begin = createCalls({
      db,
      window: noWindow,
      ring: () => undefined,
      needWrites: () => createStart({ db, mode: startMode }).needWrites(),
    });
    const brake = createHeldRemovals(db, begin);
    const found: Held[] = [];
    for (const resource of resourceId === null ? await brake.rooms() : [resourceId])
      found.push(...(await brake.list(resource)).map((one) => ({ ...one, resource_id: resource })));
    const listed = await createKeys(db).add(found);
    if (resourceId === null || !(release || refuse) || found.length === 0)
      return { removals: listed, done: null, zone: timezone };
    await recordCommand(db, `brake --room ${options.room} ${release ? '--release' : '--refuse'}`, resourceId);
    const choice = { resourceId, mappings: found.map((one) => one.mapping_id) };
    const message = release
      ? released(await brake.release(choice, signal))
      : await refused(db, await brake.refuse(choice));
    return { removals: listed, done: message, zone: timezone };
  });
  if (options.json === true) sayJson({ success: true, count: removals.length, removals, message: done });
  else print(removals, done, zone);
  return 0;
}

function released(outcomes: readonly { readonly action: string }[]): string {
  const counts = Map.groupBy(outcomes, ({ action }) => action);
  const parts = [...counts].map(([action, all]) => `${all.length} ${action}`);
  return `${outcomes.length} released${parts.length === 0 ? '' : `: ${parts.join(', ')}`}.`;
}

async function refused(db: Database, count: number): Promise<string> {
  await db.query('SELECT bridge_wake()');
  return `${count} refused.`;
}

function print(removals: readonly Held[], done: string | null, zone: string): void {
  const format = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'short' });
  if (removals.length === 0) return say('The brake holds nothing.');
  for (const held of Map.groupBy(removals, (one) => one.resource_id).values()) {
    const resource = resourceName(held[0]!);
    say(`${held.length} held in ${resource}:`);
    for (const one of held)
      say(
        `  ${reservationName(one)} «${oneLine(one.title ?? '')}» ${one.starts_at === null ? '' : format.format(one.starts_at)}: ` +
          (one.side === 'outlook'
            ? 'its rows are gone; its event would be deleted'
            : 'its event is gone; it would be cancelled'),
      );
    if (done === null)
      say(`  brake --room ${resource} --release removes them, --refuse keeps or restores them.`);
  }
  if (done !== null) say(done);
}
