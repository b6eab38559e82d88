/** Which resource is which room mailbox, as people and scripts edit it. A trigger on the table tells the daemon. */
import { readAbilities } from '../../abilities.ts';
import { sqlState, type Database } from '../../database.ts';
import { Conflict } from '../../errors.ts';
import { roomSettingNames, type RoomSettings } from '../../room-settings.ts';
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

/** Those fields that are given. */
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
  async function list(resourceId: number | null): Promise<RoomMapping[]> {
    const { rows } = await db.query<RoomMapping>({
      name: 'room_mappings',
      text: `SELECT ${columns} FROM bridge_resource_mappings WHERE $1::integer IS NULL OR resource_id = $1
        ORDER BY active DESC, resource_id, id DESC LIMIT $2`,
      values: [resourceId, listMost],
    });
    return rows;
  }

  async function find(id: number): Promise<RoomMapping | null> {
    const { rows } = await db.query<RoomMapping>({
      name: 'room_mapping',
      text: `SELECT ${columns} FROM bridge_resource_mappings WHERE id = $1`,
      values: [id],
    });
    return rows[0] ?? null;
  }

  /** Adds a room. The same room again is left as it is (`added` is false). Throws Conflict when either is taken. */
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
    const { rows } = await unlessTaken(fields, () =>
      db.query<RoomMapping>({
        name: 'add_room_mapping',
        text: `INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id, outlook_item_name, active, sync_direction,
            ${roomSettingNames.join(', ')})
          VALUES ($1, $2, $3, $4, $5, ${roomSettingNames.map((_, at) => `$${at + 6}`).join(', ')}) RETURNING ${columns}`,
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
    return { mapping: rows[0]!, added: true };
  }

  /** Changes what is given. Null: there is no such row. Throws Conflict when resource or mailbox is taken. */
  async function change(id: number, fields: Changed<RoomMappingFields>): Promise<RoomMapping | null> {
    const before = await find(id);
    if (before === null) return null;
    const { rows } = await unlessTaken(
      {
        resource_id: fields.resource_id ?? before.resource_id,
        outlook_item_id: fields.outlook_item_id ?? before.outlook_item_id,
      },
      () =>
        db.query<RoomMapping>({
          name: 'change_room_mapping',
          text: `
          UPDATE bridge_resource_mappings m SET resource_id = coalesce(f.resource_id, m.resource_id),
            outlook_item_id = coalesce(f.outlook_item_id, m.outlook_item_id), active = coalesce(f.active, m.active),
            outlook_item_name = CASE WHEN $2::jsonb ? 'outlook_item_name' THEN f.outlook_item_name ELSE m.outlook_item_name END,
            sync_direction = coalesce(f.sync_direction, m.sync_direction), updated_at = now(),
            ${roomSettingNames
              .map(
                (name) =>
                  `${name} = CASE WHEN $2::jsonb ? '${name}' THEN $2 ->> '${name}' ELSE m.${name} END`,
              )
              .join(', ')}
          FROM jsonb_to_record($2) AS f (resource_id integer, outlook_item_id text, outlook_item_name text, active integer,
            sync_direction text)
          WHERE m.id = $1 RETURNING ${columns
            .split(', ')
            .map((column) => `m.${column}`)
            .join(', ')}`,
          values: [id, JSON.stringify(fields)],
        }),
    );
    return rows[0] ?? null;
  }

  /** Ends a room; its events and reservations stay. Returns what was there. */
  async function remove(id: number): Promise<RoomMapping | null> {
    const { rows } = await db.query<RoomMapping>({
      name: 'remove_room_mapping',
      text: `DELETE FROM bridge_resource_mappings WHERE id = $1 RETURNING ${columns}`,
      values: [id],
    });
    return rows[0] ?? null;
  }

  return {
    list: failingAs('list the room mappings', list),
    find: failingAs('read a room mapping', find),
    add: failingAs('add a room', add),
    change: failingAs('change a room', change),
    remove: failingAs('remove a room', remove),
  };
}

async function unlessTaken<T>(
  { resource_id, outlook_item_id }: Pick<RoomMappingFields, 'resource_id' | 'outlook_item_id'>,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (sqlState(error) !== duplicate) throw error;
    throw new Conflict(`Resource ${resource_id} or mailbox ${outlook_item_id} is mapped already.`, {
      hint: 'Each has one active room at most: change that row (PUT /resource-mapping/{id}), or set its active to 0.',
      cause: error,
    });
  }
}
