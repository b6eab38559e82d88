/** How a booking system's own people book: `test/desk.sql` of its adapter, which sql/README.md explains. */
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { splitStatements } from '../../src/booking/adapter-sql.ts';
import { adapters, folderOfAdapter } from './adapters.ts';
import type { Schema, TestDatabase } from './database.ts';

interface Booked {
  readonly type: string;
  readonly id: number;
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
  /** All data of the bookings. */
  everything(db: TestDatabase): Promise<unknown>;
}

const parts = ['rooms', 'book', 'move', 'touch', 'cancel', 'everything'] as const;
type Part = (typeof parts)[number] | 'lacks';

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

  return {
    name: basename(adapter),
    adapter,
    bare: `bare ${adapter}`,
    installed: `installed ${adapter}`,
    rooms: async (db) => {
      const [one, other] = (await run(db, 'rooms', [])).map((row) => Object.values(row)[0]);
      if (typeof one !== 'number' || typeof other !== 'number')
        throw new Error(`'rooms' in ${file} must return two rows with the id of a room`);
      return [one, other];
    },
    async book(db, room, from, to, title) {
      const [row] = await run(db, 'book', [room, from, to, title]);
      if (typeof row?.['type'] !== 'string' || typeof row['id'] !== 'number')
        throw new Error(`'book' in ${file} must return the columns type and id`);
      return { type: row['type'], id: row['id'] };
    },
    move: async (db, { id }, from, to) => void (await run(db, 'move', [id, from, to])),
    touch: async (db, { id }) => void (await run(db, 'touch', [id])),
    cancel: async (db, { id }) => void (await run(db, 'cancel', [id])),
    lacks: async (db) => (await run(db, 'lacks', [])).map((row) => String(Object.values(row)[0])),
    everything: (db) => run(db, 'everything', []),
  };
}

export const desks: readonly Desk[] = adapters.map(readDesk);
