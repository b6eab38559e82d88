/** The results of statements, and of the functions of our schema. */
import type pg from 'pg';
import type { Queryable } from './database.ts';

/** A statement, and its values unless they are part of it. */
type Asked = [db: Queryable, statement: string | pg.QueryConfig, values?: unknown[]];

/** All rows. */
export const queryRows = async <Row extends pg.QueryResultRow>(...[db, statement, values]: Asked) =>
  (await db.query<Row>(statement, values)).rows;

/** The only row. */
export const queryRow = async <Row extends pg.QueryResultRow>(...asked: Asked) =>
  (await queryRows<Row>(...asked))[0]!;

/** The only row; null: there is none. */
export const findRow = async <Row extends pg.QueryResultRow>(...asked: Asked) =>
  (await queryRows<Row>(...asked))[0] ?? null;

/** Some rows, and the number of all, which each row has as its `total`. */
export async function queryPage<Row extends pg.QueryResultRow>(...asked: Asked) {
  const rows = await queryRows<Row & { total: number }>(...asked);
  return { total: rows[0]?.total ?? 0, rows: rows.map(({ total: _total, ...row }) => row as unknown as Row) };
}

/** The only column of all rows. */
export const queryColumn = async <Value>(...asked: Asked) =>
  (await queryRows(...asked)).map((row) => Object.values(row)[0] as Value);

/** The only column of the only row. */
export const queryValue = async <Value>(...asked: Asked) =>
  Object.values(await queryRow(...asked))[0] as Value;

/** The result of a function in `database/functions`. */
export function callFunction<Result = void>(db: Queryable, name: `bridge_${string}`, ...values: unknown[]) {
  const places = values.map((_, at) => `$${at + 1}`);
  return queryValue<Result>(db, { name, text: `SELECT ${name}(${places.join(', ')})`, values });
}

/** The same database, with each query made by `how`. */
export const queriedBy = (
  db: Queryable,
  how: (query: () => Promise<unknown>, asked: unknown) => Promise<unknown>,
): Queryable => ({
  query: ((...asked: unknown[]) =>
    how(() => Reflect.apply(db.query, db, asked) as Promise<unknown>, asked[0])) as Queryable['query'],
});
