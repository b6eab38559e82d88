/** `pause`, `resume`, `claim` and `resync`: act on one room by writing to the database. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Database } from '../database.ts';
import { inTransaction } from '../database.ts';
import { Invalid, Retryable } from '../errors.ts';
import { requestRooms } from '../sync/manual/requests.ts';
import { createRoomReports, type RoomReport } from '../sync/report/room-reports.ts';
import { takeOver } from '../sync/store/claims.ts';
import { createRoomSwitch } from '../sync/manual/room-list.ts';
import { recordCommand } from './audit.ts';
import { oneLine, openBar, say, sayJson } from './terminal.ts';
import { resourceNumber, withDatabase } from './with-database.ts';

export interface RoomOptions {
  readonly wait?: boolean;
  readonly json?: boolean;
}

export async function pauseRoom(resource: string, options: RoomOptions): Promise<number> {
  const { room, changed } = await withDatabase('pause', async (db) => {
    const found = await find(db, await resourceNumber(db, 'RESOURCE', resource));
    await recordCommand(db, `pause ${resource}`, found.resource_id);
    return { room: found, changed: await createRoomSwitch(db).pause(found.resource_id) };
  });
  return print(room, changed, options, changed ? 'paused' : 'already paused', [
    'It is no longer synchronized; its events and reservations stay, and changes are recorded.',
    `Start it again with: resume ${room.resource_id}`,
  ]);
}

export async function resumeRoom(
  resource: string,
  options: RoomOptions,
  signal: AbortSignal,
): Promise<number> {
  const { room, changed } = await withDatabase('resume', async (db) => {
    const found = await find(db, await resourceNumber(db, 'RESOURCE', resource));
    await recordCommand(db, `resume ${resource}`, found.resource_id);
    const on = await createRoomSwitch(db).resume(found.resource_id);
    if (options.wait === true) await settled(db, found.resource_id, signal);
    return { room: found, changed: on };
  });
  return print(room, changed, options, changed ? 'active again' : 'not paused', [
    'Both sides are compared first, so changes made meanwhile are synchronized without duplicates.',
    ...(options.wait === true ? [settledText] : []),
  ]);
}

/** Assigns a room that is held for another claim to this installation. */
export async function claimRoom(resource: string, options: RoomOptions): Promise<number> {
  const { room, found } = await withDatabase('claim', async (db) => {
    const room = await find(db, await resourceNumber(db, 'RESOURCE', resource));
    await recordCommand(db, `claim ${resource}`, room.resource_id);
    return { room, found: await takeOver(db, room.resource_id) };
  });
  return print(room, found !== null, options, found === null ? 'not held for a claim' : 'taken over', [
    `The claim in its calendar is void: ${found ?? ''}`,
    'Both sides are compared first, and the claim of this installation is written.',
  ]);
}

export async function resyncRooms(
  resource: string | undefined,
  options: RoomOptions & { readonly all?: boolean },
  signal: AbortSignal,
): Promise<number> {
  if ((resource === undefined) === (options.all !== true))
    throw new Invalid('RESOURCE', 'Give one resource or --all.', 'resync 101, or resync --all');
  const count = await withDatabase('resync', async (db) => {
    const resourceId = resource === undefined ? null : await resourceNumber(db, 'RESOURCE', resource);
    if (resourceId !== null) {
      const room = await find(db, resourceId);
      if (room.active !== 1)
        throw new Invalid(
          'RESOURCE',
          `The room of resource ${resourceId} is paused.`,
          `resume ${resourceId}`,
        );
    }
    await recordCommand(db, `resync ${resource ?? '--all'}`, resourceId);
    const ids = await inTransaction(db, async (client) => {
      const rooms = await requestRooms(client, 'all', resourceId);
      await client.query('SELECT bridge_wake()');
      return rooms;
    });
    if (options.wait === true) await settled(db, resourceId, signal);
    return ids.length;
  });
  if (options.json === true) sayJson({ success: true, rooms: count });
  else if (options.wait === true)
    say(`${count === 1 ? '1 room was' : `${count} rooms were`} compared on both sides again. ${settledText}`);
  else
    say(
      `${count === 1 ? '1 room is' : `${count} rooms are`} compared on both sides again (--wait shows the progress).`,
    );
  return 0;
}

async function find(db: Database, resourceId: number): Promise<RoomReport> {
  const room = await createRoomReports(db).find(resourceId);
  if (room !== null) return room;
  throw new Invalid(
    'RESOURCE',
    `Resource ${resourceId} is not mapped to a room.`,
    '`mappings list` shows the mapped ones.',
  );
}

function print(
  room: RoomReport,
  changed: boolean,
  options: RoomOptions,
  state: string,
  lines: readonly string[],
): number {
  const { resource_id, outlook_item_id, outlook_item_name } = room;
  if (options.json === true) sayJson({ success: true, changed, resource_id, outlook_item_id });
  else {
    say(`${oneLine(outlook_item_name ?? outlook_item_id)} (resource ${resource_id}) is ${state}.`);
    if (changed) for (const line of lines) say(line);
  }
  return 0;
}

/** The closing line after `settled`: into a pipe there is no progress bar. */
const settledText = 'The comparison is complete, and no work is left.';

const pollMs = 300;
/** Without progress for this time no daemon is working. */
const idleMs = 20_000;

const stuckRoom = ({ outlook_item_name, outlook_item_id, resource_id, error, health }: RoomReport) =>
  `${outlook_item_name ?? outlook_item_id} (resource ${resource_id}): ${error ?? health}`;

/**
 * Waits with a progress bar until the rooms are compared and have no work left. Throws Retryable without progress for 20 s, or
 * if all remaining rooms need attention.
 */
async function settled(db: Database, resourceId: number | null, signal: AbortSignal): Promise<void> {
  const reports = createRoomReports(db);
  using bar = openBar('Comparing');
  let before = '';
  let progressAt = performance.now();
  for (;;) {
    const rooms = (await reports.list(resourceId)).filter((room) => room.active === 1);
    const open = rooms.filter(
      (room) =>
        room.baselined_at === null ||
        room.reconciled_at === null ||
        room.backfill.done < room.backfill.total ||
        room.due > 0,
    );
    if (open.length === 0) return;
    const stuck = open.filter((room) => room.health === 'refused' || room.health === 'held');
    if (stuck.length === open.length)
      throw new Retryable(`Rooms that need attention first: ${stuck.map(stuckRoom).join('; ')}`, {
        hint: stuck[0]!.hint ?? '`doctor` shows the problems.',
      });
    const sum = (part: 'done' | 'total') => rooms.reduce((all, { backfill }) => all + backfill[part], 0);
    const [done, total] = [sum('done'), sum('total')];
    bar.at(rooms.length - open.length, rooms.length, total === 0 ? '' : `rooms, ${done} of ${total} items`);
    const now = JSON.stringify(open.map(({ working, due, backfill }) => [working, due, backfill.done]));
    if (now !== before || open.some((room) => room.working)) progressAt = performance.now();
    before = now;
    if (performance.now() - progressAt > idleMs)
      throw new Retryable('There is no progress: no daemon works on these rooms.', {
        hint: 'Check that a daemon is running; `doctor` shows the problems.',
      });
    await pause(pollMs, undefined, { signal });
  }
}
