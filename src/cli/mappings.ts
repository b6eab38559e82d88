/** `mappings`: lists, adds and removes pairs of a resource of the booking system and a room mailbox. */
import type { Queryable } from '../database.ts';
import { sqlState } from '../database.ts';
import { Invalid, Permanent } from '../errors.ts';
import { ownSettings } from '../room-settings.ts';
import { createRoomReports } from '../sync/report/room-reports.ts';
import { recordCommand } from './audit.ts';
import { paint, say, sayJson, table } from './terminal.ts';
import { createKeys, resourceName } from '../sync/report/keys.ts';
import { resourceNumber, withDatabase } from './with-database.ts';
import { queryRows, queryValue } from '../query.ts';

export const directions = ['both', 'booking_to_outlook', 'outlook_to_booking'] as const;

/** One pair to store. */
export interface Pair {
  readonly resourceId: number;
  readonly mailbox: string;
  readonly name: string | null;
  readonly active: boolean;
  readonly direction: string;
}

export type Done = 'added' | 'changed' | 'unchanged';

export async function listMappings(options: { json?: boolean }): Promise<number> {
  const rooms = await withDatabase('mappings list', async (db) =>
    createKeys(db).add(await createRoomReports(db).list()),
  );
  if (options.json === true) sayJson({ success: true, count: rooms.length, rooms });
  else if (rooms.length === 0)
    say(
      'No room is mapped yet. `mappings match` proposes pairs; `mappings add RESOURCE MAILBOX` maps one room.',
    );
  else
    say(
      table(
        ['RESOURCE', 'ROOM', 'MAILBOX', 'STATE', 'DIRECTION', 'DUE', 'SETTINGS'],
        rooms.map((room) => [
          resourceName(room),
          room.outlook_item_name,
          room.outlook_item_id,
          room.health === 'ok' ? paint('green', 'ok') : paint('yellow', room.health),
          room.sync_direction,
          room.due,
          ownSettings(room).join(', '),
        ]),
      ),
    );
  return 0;
}

export interface AddOptions {
  readonly name?: string;
  readonly direction: string;
  readonly paused?: boolean;
  readonly json?: boolean;
}

export async function addMapping(resource: string, mailbox: string, options: AddOptions): Promise<number> {
  const requested: Omit<Pair, 'resourceId'> = {
    mailbox: mailboxOf(mailbox),
    name: options.name ?? null,
    active: options.paused !== true,
    direction: directionOf(options.direction),
  };
  const { pair, done } = await withDatabase('mappings add', async (db) => {
    const pair: Pair = { ...requested, resourceId: await resourceNumber(db, 'RESOURCE', resource) };
    refuseUnknown([pair], await readResources(db));
    await recordCommand(db, `mappings add ${resource} ${pair.mailbox}`, pair.resourceId);
    return { pair: await createKeys(db).add(pair), done: await store(db, pair) };
  });
  if (options.json === true) sayJson({ success: true, done, mapping: pair });
  else say(`${inWords[done]}: resource ${resource} is ${pair.mailbox}${pair.active ? '' : ', paused'}.`);
  return 0;
}

const inWords: Readonly<Record<Done, string>> = {
  added: 'Added',
  changed: 'Changed',
  unchanged: 'Unchanged',
};

export async function removeMapping(
  resource: string,
  options: { mailbox?: string; json?: boolean },
): Promise<number> {
  const { resourceId, removed } = await withDatabase('mappings remove', async (db) => {
    const resourceId = await resourceNumber(db, 'RESOURCE', resource);
    await recordCommand(db, `mappings remove ${resource}`, resourceId);
    const { rows } = await db.query<{ mailbox: string }>(
      `DELETE FROM bridge_resource_mappings WHERE resource_id = $1 AND ($2::text IS NULL OR lower(outlook_item_id) = lower($2))
       RETURNING outlook_item_id AS mailbox`,
      [resourceId, options.mailbox ?? null],
    );
    return { resourceId, removed: rows.map((row) => row.mailbox) };
  });
  if (removed.length === 0)
    throw new Invalid(
      'RESOURCE',
      `Resource ${resource} is not mapped to ${options.mailbox ?? 'a room'}.`,
      '`mappings list` shows the mapped ones.',
    );
  if (options.json === true) sayJson({ success: true, resource_id: resourceId, removed });
  else
    say(
      `Removed: resource ${resource} is no longer ${removed.join(', ')}. Events and reservations stay as they are.`,
    );
  return 0;
}

/** Adds or updates a pair. Throws Permanent if the resource or the mailbox is in another active pair. */
export async function store(db: Queryable, pair: Pair): Promise<Done> {
  const { resourceId, mailbox, name, active, direction } = pair;
  try {
    return await queryValue<Done>(
      db,
      `WITH way AS (SELECT CASE WHEN 'one-way' = ANY (bridge_abilities()) THEN 'booking_to_outlook' ELSE $5 END AS direction), same AS (
         SELECT * FROM bridge_resource_mappings WHERE resource_id = $1 AND lower(outlook_item_id) = lower($2)
         ORDER BY active DESC, id DESC LIMIT 1
       ), added AS (
         INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id, outlook_item_name, active, sync_direction)
         SELECT $1, $2, $3, $4, direction FROM way WHERE NOT EXISTS (SELECT FROM same) RETURNING 1
       ), changed AS (
         UPDATE bridge_resource_mappings r SET outlook_item_name = coalesce($3, r.outlook_item_name), active = $4,
           sync_direction = way.direction, updated_at = now()
         FROM same, way WHERE r.id = same.id
           AND (r.outlook_item_name, r.active, r.sync_direction) IS DISTINCT FROM (coalesce($3, r.outlook_item_name), $4, way.direction)
         RETURNING 1
       )
       SELECT CASE WHEN EXISTS (SELECT FROM added) THEN 'added' WHEN EXISTS (SELECT FROM changed) THEN 'changed'
                   ELSE 'unchanged' END AS done`,
      [resourceId, mailbox, name, active ? 1 : 0, direction],
    );
  } catch (error) {
    if (sqlState(error) !== '23505') throw error;
    throw new Permanent(`Resource ${resourceId} or the mailbox ${mailbox} is already mapped.`, {
      hint: `Each resource has one mailbox. \`mappings list\` shows the pairs; \`mappings remove RESOURCE\` removes one.`,
      cause: error,
    });
  }
}

export interface Resource {
  readonly id: number;
  /** Null: its id is the number. */
  readonly key: string | null;
  readonly name: string;
  readonly building: string | null;
  readonly active: boolean;
}

const mostResources = 100_000;

/** The resources of the booking system; null if the adapter has no view of them. */
export async function readResources(db: Queryable): Promise<Resource[] | null> {
  const { rows: known } = await db.query<{ known: boolean }>(
    `SELECT to_regclass('public.bridge_resources') IS NOT NULL AS known`,
  );
  if (!known[0]!.known) return null;
  await db.query('SELECT bridge_number_resources()');
  return await queryRows<Resource>(
    db,
    `SELECT resource_id AS id, bridge_key_of('', resource_id) AS key, name, building, active FROM bridge_resources ORDER BY name, resource_id LIMIT $1`,
    [mostResources],
  );
}

/** Throws Invalid if the booking system lacks the resource of a pair. */
export function refuseUnknown(pairs: readonly Pair[], resources: readonly Resource[] | null): void {
  if (resources === null) return;
  const known = new Set(resources.map(({ id }) => id));
  const unknown = pairs.filter((pair) => !known.has(pair.resourceId)).map((pair) => pair.resourceId);
  if (unknown.length > 0)
    throw new Invalid(
      'resource_id',
      `The booking system has no resource ${unknown.slice(0, 20).join(', ')}.`,
      'Its resources and their ids: SELECT * FROM bridge_resources ORDER BY name;',
    );
}

/** Parses an address or an object id. Throws Invalid for any other text. */
export function mailboxOf(text: string): string {
  const mailbox = text.trim();
  if (/^[^\s@]+@[^\s@]+$/.test(mailbox) || /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(mailbox))
    return mailbox;
  throw new Invalid(
    'MAILBOX',
    `'${mailbox.slice(0, 100)}' is not a mailbox.`,
    'Write the address of the room (room@example.org) or the object id of its mailbox.',
  );
}

export function directionOf(text: string): string {
  if ((directions as readonly string[]).includes(text)) return text;
  throw new Invalid(
    'sync_direction',
    `'${text}' is not a direction.`,
    `Write one of ${directions.join(', ')}.`,
  );
}
