/** The table of rooms (which resource is which mailbox), as people and scripts edit it. A trigger on it informs the daemon. */
import { readAbilities } from '../../abilities.ts';
import { sqlState, type Database } from '../../database.ts';
import { Conflict } from '../../errors.ts';
import { findRow, queryRow, queryRows } from '../../query.ts';
import { roomSettingColumns, roomSettingNames, type RoomSettings } from '../../room-settings.ts';
import { failingAs } from '../store/failing.ts';

export interface RoomMapping extends RoomSettings {
  readonly id: number;
  readonly resource_id: number;
  /** Null: the resource is a number in the booking system. */
  readonly resource_key: string | null;
  readonly outlook_item_id: string;
  readonly outlook_item_name: string | null;
  /** 1 or 0, as in the booking system. */
  readonly active: number;
  readonly sync_direction: string;
  readonly created_at: Date;
  readonly updated_at: Date;
}

export type Changed<T> = { readonly [Field in keyof T]?: T[Field] | undefined };

export type RoomMappingFields = Pick<
  RoomMapping,
  'resource_id' | 'outlook_item_id' | 'outlook_item_name' | 'active' | 'sync_direction' | keyof RoomSettings
>;

/** https://www.postgresql.org/docs/current/errcodes-appendix.html: unique_violation */
const duplicate = '23505';
const listMost = 5_000;
const columns = `id, resource_id, resource_key, outlook_item_id, outlook_item_name, active, sync_direction, created_at, updated_at, ${roomSettingNames.join(', ')}`;

export function createRoomList(db: Database) {
  const list = (resourceId: number | null) =>
    queryRows<RoomMapping>(db, {
      name: 'room_mappings',
      text: `SELECT ${columns} FROM bridge_resource_mappings WHERE $1::integer IS NULL OR resource_id = $1
        ORDER BY active DESC, resource_id, id DESC LIMIT $2`,
      values: [resourceId, listMost],
    });

  const find = (id: number) =>
    findRow<RoomMapping>(db, {
      name: 'room_mapping',
      text: `SELECT ${columns} FROM bridge_resource_mappings WHERE id = $1`,
      values: [id],
    });

  /** Adds a room. The same room again changes nothing (`added` is false). Throws Conflict when resource or mailbox is taken. */
  async function add(wished: RoomMappingFields): Promise<{ mapping: RoomMapping; added: boolean }> {
    // as the table takes it
    const isOneWay = (await readAbilities(db)).known.has('one-way');
    const fields = isOneWay ? { ...wished, sync_direction: 'booking_to_outlook' } : wished;
    const there = (await list(fields.resource_id)).find(
      (one) =>
        one.active === fields.active &&
        one.sync_direction === fields.sync_direction &&
        roomSettingNames.every((name) => fields[name] === null || fields[name] === one[name]) &&
        one.outlook_item_id.toLowerCase() === fields.outlook_item_id.toLowerCase(),
    );
    if (there !== undefined) return { mapping: there, added: false };
    const { resource_id, outlook_item_id, outlook_item_name, active, sync_direction } = fields;
    const mapping = await unlessMapped(fields, () =>
      queryRow<RoomMapping>(db, {
        name: 'add_room_mapping',
        text: addText,
        values: [
          resource_id,
          outlook_item_id,
          outlook_item_name,
          active,
          sync_direction,
          ...roomSettingNames.map((name) => fields[name]),
        ],
      }),
    );
    return { mapping, added: true };
  }

  /** Changes the given fields. Null: there is no such row. Throws Conflict when resource or mailbox is taken. */
  async function change(id: number, fields: Changed<RoomMappingFields>): Promise<RoomMapping | null> {
    const before = await find(id);
    if (before === null) return null;
    return await unlessMapped(
      {
        resource_id: fields.resource_id ?? before.resource_id,
        outlook_item_id: fields.outlook_item_id ?? before.outlook_item_id,
      },
      () =>
        findRow<RoomMapping>(db, {
          name: 'change_room_mapping',
          text: changeText,
          values: [id, JSON.stringify(fields)],
        }),
    );
  }

  /** Removes a room; its events and reservations stay. Returns the removed row. */
  const remove = (id: number) =>
    findRow<RoomMapping>(db, {
      name: 'remove_room_mapping',
      text: `DELETE FROM bridge_resource_mappings WHERE id = $1 RETURNING ${columns}`,
      values: [id],
    });

  return {
    list: failingAs('list the room mappings', list),
    find: failingAs('read a room mapping', find),
    add: failingAs('add a room', add),
    change: failingAs('change a room', change),
    remove: failingAs('remove a room', remove),
  };
}

/** Sets the settings of the room `r` that $2 has. */
const givenSettings = roomSettingNames
  .map((name) => `${name} = CASE WHEN $2::jsonb ? '${name}' THEN $2 ->> '${name}' ELSE r.${name} END`)
  .join(', ');

const addText = `
  INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id, outlook_item_name, active, sync_direction,
    ${roomSettingNames.join(', ')})
  VALUES ($1, $2, $3, $4, $5, ${roomSettingNames.map((_, at) => `$${at + 6}`).join(', ')}) RETURNING ${columns}`;

const changeText = `
  UPDATE bridge_resource_mappings r SET resource_id = coalesce(f.resource_id, r.resource_id),
    outlook_item_id = coalesce(f.outlook_item_id, r.outlook_item_id), active = coalesce(f.active, r.active),
    outlook_item_name = CASE WHEN $2::jsonb ? 'outlook_item_name' THEN f.outlook_item_name ELSE r.outlook_item_name END,
    sync_direction = coalesce(f.sync_direction, r.sync_direction), updated_at = now(), ${givenSettings}
  FROM jsonb_to_record($2) AS f (resource_id integer, outlook_item_id text, outlook_item_name text, active integer,
    sync_direction text)
  WHERE r.id = $1 RETURNING ${columns.replace(/\w+/g, 'r.$&')}`;

const unlessMapped = <T>(
  { resource_id, outlook_item_id }: Pick<RoomMappingFields, 'resource_id' | 'outlook_item_id'>,
  change: () => Promise<T>,
): Promise<T> =>
  unlessTaken(
    `Resource ${resource_id} or mailbox ${outlook_item_id} is mapped already.`,
    'Each has one active room at most: change that row (PUT /resource-mapping/{id}), or set its active to 0.',
    change,
  );

/**
 * Switches a room off and on. Off: nothing is sent for it, its events and reservations stay, and changes are recorded. On: both sides
 * are compared first (the trigger on the table sees to both).
 */
export function createRoomSwitch(db: Database) {
  /** Switches the resource's active room off. Returns whether there was one. */
  async function pause(resourceId: number): Promise<boolean> {
    const { rowCount } = await db.query(
      `UPDATE bridge_resource_mappings SET active = 0, updated_at = now() WHERE resource_id = $1 AND active = 1`,
      [resourceId],
    );
    return rowCount === 1;
  }

  /**
   * Switches the resource's newest room on, unless one is active. Returns whether it did. Throws Conflict when its mailbox serves
   * another resource.
   */
  async function resume(resourceId: number): Promise<boolean> {
    const { rowCount } = await unlessTaken(
      `The mailbox of resource ${resourceId} serves another active room.`,
      'Pause that room first: a mailbox belongs to one resource at a time.',
      () =>
        db.query(
          `UPDATE bridge_resource_mappings SET active = 1, updated_at = now()
           WHERE id = (SELECT max(id) FROM bridge_resource_mappings WHERE resource_id = $1)
             AND NOT EXISTS (SELECT FROM bridge_resource_mappings WHERE resource_id = $1 AND active = 1)`,
          [resourceId],
        ),
    );
    return rowCount === 1;
  }

  /**
   * Changes the given settings of the resource's room (null: the default of the environment). A trigger makes them take effect at
   * once. Returns all of its settings; null: the resource has no room.
   */
  const set = (resourceId: number, settings: Changed<RoomSettings>) =>
    findRow<RoomSettings>(
      db,
      `UPDATE bridge_resource_mappings r SET updated_at = now(), ${givenSettings}
       WHERE r.id = (SELECT n.id FROM bridge_resource_mappings n WHERE n.resource_id = $1 ORDER BY n.active DESC, n.id DESC LIMIT 1)
       RETURNING ${roomSettingColumns}`,
      [resourceId, JSON.stringify(settings)],
    );

  return {
    set: failingAs('change the settings of a room', set),
    pause: failingAs('pause a room', pause),
    resume: failingAs('resume a room', resume),
  };
}

/** Runs a change of the table. Throws Conflict when its resource or mailbox has another active room. */
async function unlessTaken<T>(message: string, hint: string, change: () => Promise<T>): Promise<T> {
  try {
    return await change();
  } catch (error) {
    if (sqlState(error) !== duplicate) throw error;
    throw new Conflict(message, { hint, cause: error });
  }
}
