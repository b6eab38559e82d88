/** What a query or a function of our schema returns. */
import type pg from 'pg';
import type { Queryable } from './database.ts';

type Query = string | pg.QueryConfig;

/** The rows of a query. */
export const queryRows = async <Row extends pg.QueryResultRow>(
  db: Queryable,
  query: Query,
  values?: readonly unknown[],
): Promise<Row[]> => (await db.query<Row>(query, values as unknown[])).rows;

/** The row of a query that always returns one. */
export const queryRow = async <Row extends pg.QueryResultRow>(
  db: Queryable,
  query: Query,
  values?: readonly unknown[],
): Promise<Row> => (await queryRows<Row>(db, query, values))[0]!;

/** The column of a query that always returns one row with one column. */
export const queryValue = async <Value>(
  db: Queryable,
  query: Query,
  values?: readonly unknown[],
): Promise<Value> => Object.values(await queryRow(db, query, values))[0] as Value;

/** The result of a function in database/functions. */
export const callFunction = <Result = void>(
  db: Queryable,
  name: `bridge_${string}`,
  ...values: readonly unknown[]
): Promise<Result> => {
  const places = values.map((_, at) => `$${at + 1}`).join(', ');
  return queryValue(db, { name, text: `SELECT ${name}(${places})`, values: [...values] });
};
