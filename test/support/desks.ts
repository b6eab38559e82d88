/** How a booking system's own people book: `test/desk.sql` of its adapter, which sql/README.md explains. */
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { keyId } from '../../src/keys.ts';
import { splitStatements } from '../../src/booking/adapter-sql.ts';
import { adapters, folderOfAdapter } from './adapters.ts';
import type { Id } from '../../src/id.ts';
import type { Schema, TestDatabase } from './database.ts';

interface Booked {
  readonly type: string;
  readonly id: Id;
  /** In the booking system, where that is no number. */
  readonly key?: string;
}

/** Times are wall-clock times of Europe/Oslo: '2027-05-01 10:00'. */
export interface Desk {
  readonly name: string;
  /** As BOOKING_ADAPTER takes it. */
  readonly adapter: string;
  /** A database without the bridge, and one with it. */
  readonly bare: Schema;
  readonly installed: Schema;
  /** Two that the seed has. */
  rooms(db: TestDatabase): Promise<readonly [number, number]>;
  book(db: TestDatabase, room: number, from: string, to: string, title: string): Promise<Booked>;
  move(db: TestDatabase, key: Booked, from: string, to: string): Promise<void>;
  /** Writes to the booking without changing anything the bridge shows. */
  touch(db: TestDatabase, key: Booked): Promise<void>;
  cancel(db: TestDatabase, key: Booked): Promise<void>;
  /** Keys the booking system has no place for. */
  lacks(db: TestDatabase): Promise<readonly string[]>;
  /** From now on all rooms ask for approval. False: the system has none. */
  askForApproval(db: TestDatabase): Promise<boolean>;
  /** All data of the bookings. */
  everything(db: TestDatabase): Promise<unknown>;
}

const parts = ['rooms', 'book', 'move', 'touch', 'cancel', 'everything'] as const;
type Part = (typeof parts)[number] | 'lacks' | 'approval';

/** Of an adapter as `adapters` names it, by name or path. */
export function readDesk(adapter: string): Desk {
  const file = join(folderOfAdapter(adapter), 'test', 'desk.sql');
  const [, ...pieces] = readFileSync(file, 'utf8').split(/^-- (?=[a-z]+$)/m);
  const written = new Map(
    pieces.map((piece) => {
      const end = piece.indexOf('\n');
      return [piece.slice(0, end), splitStatements(piece.slice(end))] as const;
    }),
  );
  const missing = parts.filter((part) => (written.get(part)?.length ?? 0) === 0);
  if (missing.length > 0) throw new Error(`${file} has no statement under: ${missing.join(', ')}`);

  /** Runs a part's statements with as many of the values as each mentions; returns the rows of the last. */
  async function run(db: TestDatabase, part: Part, values: readonly unknown[]) {
    let rows: Record<string, unknown>[] = [];
    for (const statement of written.get(part) ?? []) {
      const most = Math.max(0, ...[...statement.matchAll(/\$(\d+)/g)].map((match) => Number(match[1])));
      rows = await db.query(statement, values.slice(0, most));
    }
    return rows;
  }

  const codes = new Map<number, string>();
  /** The number of a room; a code has one of its own where the bridge is installed, and any where it is not. */
  async function numbered(db: TestDatabase, room: unknown): Promise<unknown> {
    if (typeof room !== 'string') return room;
    const [there] = await db.query<{ there: boolean }>(
      `SELECT to_regproc('bridge_resource_id') IS NOT NULL AS there`,
    );
    const [row] = there!.there
      ? await db.query<{ id: number }>('SELECT bridge_resource_id($1) AS id', [room])
      : [{ id: -codes.size - 1 }];
    codes.set(row!.id, room);
    return row!.id;
  }

  return {
    name: basename(adapter),
    adapter,
    bare: `bare ${adapter}`,
    installed: `installed ${adapter}`,
    rooms: async (db) => {
      const rooms = (await run(db, 'rooms', [])).map((row) => Object.values(row)[0]);
      const [one, other] = await Promise.all(rooms.map((room) => numbered(db, room)));
      if (typeof one !== 'number' || typeof other !== 'number')
        throw new Error(`'rooms' in ${file} must return two rows with the id or the code of a room`);
      return [one, other];
    },
    async book(db, room, from, to, title) {
      const [row] = await run(db, 'book', [codes.get(room) ?? room, from, to, title]);
      const { type, id, key } = row ?? {};
      if (typeof type === 'string' && typeof id === 'number') return { type, id };
      if (typeof type !== 'string' || typeof key !== 'string')
        throw new Error(`'book' in ${file} must return the columns type and id, or type and key`);
      return { type, id: keyId(type, key), key };
    },
    move: async (db, { id, key }, from, to) => void (await run(db, 'move', [key ?? id, from, to])),
    touch: async (db, { id, key }) => void (await run(db, 'touch', [key ?? id])),
    cancel: async (db, { id, key }) => void (await run(db, 'cancel', [key ?? id])),
    lacks: async (db) => (await run(db, 'lacks', [])).map((row) => String(Object.values(row)[0])),
    askForApproval: async (db) => {
      await run(db, 'approval', []);
      return written.has('approval');
    },
    everything: (db) => run(db, 'everything', []),
  };
}

export const desks: readonly Desk[] = adapters.map(readDesk);
