/** An ordinary role: no superuser, no rights but those a test grants. */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import type { DatabaseConfig } from '../../src/config.ts';
import type { TestDatabase } from './database.ts';

export interface TestRole extends AsyncDisposable {
  readonly name: string;
  readonly config: DatabaseConfig;
  /** Opens a session of the role; closed with the role. Collects what the server warned of. */
  session(): Promise<RoleSession>;
}

interface RoleSession {
  readonly client: pg.Client;
  readonly warnings: string[];
}

/** Creates a role and runs `grants`, in which `role` stands for its name. Dropped with all it owns when disposed of. */
export async function openRole(db: TestDatabase, grants: readonly string[]): Promise<TestRole> {
  const name = `role_${randomBytes(5).toString('hex')}`;
  const password = randomBytes(8).toString('hex');
  await db.query(`CREATE ROLE ${name} LOGIN PASSWORD '${password}'`);
  for (const grant of grants) await db.query(grant.replaceAll(/\brole\b/g, name));
  const url = new URL(db.url);
  url.username = name;
  url.password = password;
  const clients: pg.Client[] = [];
  return {
    name,
    config: { url: url.href, ssl: false },
    async session() {
      const client = new pg.Client({ connectionString: url.href });
      const warnings: string[] = [];
      client.on('notice', (notice) => warnings.push(notice.message ?? ''));
      client.on('error', () => undefined);
      await client.connect();
      clients.push(client);
      return { client, warnings };
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(clients.map((client) => client.end()));
      await db.query(`DROP OWNED BY ${name} CASCADE`);
      await db.query(`DROP ROLE ${name}`);
    },
  };
}

/** What the booking system's own role may do: its tables, and nothing of ours. */
export const bookingGrants = [
  `DO $$ DECLARE t regclass; BEGIN
     FOR t IN SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relname LIKE 'bb\\_%' LOOP
       EXECUTE format('GRANT ALL ON %s TO role', t);
     END LOOP; END $$`,
];

/** What `migrate` needs, on everything the booking system owns. */
export const bridgeGrants = [
  'GRANT USAGE, CREATE ON SCHEMA public TO role',
  `DO $$ DECLARE t regclass; BEGIN
     FOR t IN SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relname LIKE 'bb\\_%' LOOP
       EXECUTE format('GRANT SELECT, INSERT, UPDATE, TRIGGER ON %s TO role', t);
     END LOOP; END $$`,
];
