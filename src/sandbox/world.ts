/**
 * A small municipality to show the daemon in: an embedded PostgreSQL with PorticoEstate's booking tables and six
 * rooms, and a simulated Microsoft 365 tenant with their mailboxes. The daemon itself is not in it.
 */
import { readFileSync } from 'node:fs';
import pg from 'pg';
import { toConfig, type Config } from '../config.ts';
import type { Environment } from '../settings.ts';
import { openPool, type Database } from '../database.ts';
import { startPostgres } from './postgres.ts';
import { startTenant, type Tenant } from './tenant/tenant.ts';

export interface Room {
  /** Of bb_resource. */
  readonly resource: number;
  readonly upn: string;
  readonly name: string;
}

export const rooms: readonly Room[] = [
  { resource: 101, upn: 'formannskapssalen@bergen.example', name: 'Formannskapssalen' },
  { resource: 102, upn: 'bystyresalen@bergen.example', name: 'Bystyresalen' },
  { resource: 103, upn: 'floyen@bergen.example', name: 'Møterom Fløyen' },
  { resource: 104, upn: 'ulriken@bergen.example', name: 'Møterom Ulriken' },
  { resource: 201, upn: 'hall-a@bergen.example', name: 'Hall A' },
  { resource: 202, upn: 'hall-b@bergen.example', name: 'Hall B' },
];

export interface WorldOptions {
  /** The average duration of a call to Graph. */
  readonly latencyMs: number;
  readonly seed: number;
  /** Called for each part that is ready. */
  readonly onStep: (what: string) => void;
}

export interface World extends AsyncDisposable {
  readonly db: Database;
  readonly tenant: Tenant;
  /** The settings a daemon needs to work here, as variables and as they are read; its HTTP port is any free one. */
  readonly env: Environment;
  readonly config: Config;
  /** Gone with the municipality, however that ends. */
  readonly folder: string;
  /** By object id, which is how Graph names a mailbox. */
  readonly roomOfMailbox: ReadonlyMap<string, Room>;
}

/** Opens the municipality, without the bridge. Checks `signal` between its steps; throws if it cannot start. */
export async function openWorld(options: WorldOptions, signal: AbortSignal): Promise<World> {
  const { latencyMs, seed, onStep } = options;
  await using opened = new AsyncDisposableStack();
  const server = opened.use(await startPostgres());
  signal.throwIfAborted();
  const url = await makeDatabase(server.url, 'booking');
  signal.throwIfAborted();
  onStep(`PostgreSQL with the tables of PorticoEstate and ${rooms.length} rooms`);

  const tenant = opened.use(await startTenant({ seed, journalSize: 5_000 }));
  // a quarter more or less than asked for, as real answers vary
  tenant.faults.set({ latencyMs: latencyMs * 0.75, latencyJitterMs: latencyMs * 0.5 });
  const roomOfMailbox = new Map(rooms.map((room) => [tenant.addRoom(room), room]));
  onStep(`simulated Microsoft 365 tenant with ${rooms.length} room mailboxes`);

  const env: Environment = {
    DATABASE_URL: url,
    GRAPH_TENANT_ID: tenant.tenantId,
    GRAPH_CLIENT_ID: tenant.clientId,
    GRAPH_CLIENT_SECRET: tenant.clientSecret,
    GRAPH_BASE_URL: tenant.graphBaseUrl,
    GRAPH_AUTHORITY: tenant.authority,
    PORT: '0',
  };
  const config = toConfig(env);
  const db = openPool(config.database, 'the clerk', 4);
  opened.defer(() => db.end());
  const owned = opened.move();
  const { folder } = server;
  return {
    db,
    tenant,
    env,
    config,
    folder,
    roomOfMailbox,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Maps the rooms as the guide says; a row each is all that it takes. */
export async function mapRooms(db: Database): Promise<void> {
  for (const { resource, upn, name } of rooms)
    await db.query(
      `INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id, outlook_item_name, active)
       VALUES ($1, $2, $3, 1)`,
      [resource, upn, name],
    );
}

/** Makes a database with the booking tables and the small municipality in it. Returns its URL. */
async function makeDatabase(serverUrl: string, name: string): Promise<string> {
  await onConnection(serverUrl, (client) => client.query(`CREATE DATABASE ${name}`));
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  await onConnection(url.href, async (client) => {
    for (const file of ['portico-tables.sql', 'portico-seed.sql'])
      await client.query(readFileSync(new URL(file, import.meta.url), 'utf8'));
  });
  return url.href;
}

async function onConnection(url: string, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
