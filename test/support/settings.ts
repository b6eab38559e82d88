/** Settings for a test database and a tenant: of `migrate`, of a daemon, of the calls to Graph. */
import { migrate } from '../../src/cli/migrate.ts';
import type { BookingConfig, GraphConfig } from '../../src/config.ts';
import type { Environment } from '../../src/settings.ts';
import type { Tenant } from '../../src/sandbox/tenant/tenant.ts';
import type { TestDatabase } from './database.ts';

/** Of the commands that need only the database. */
export const bookingConfig = (db: Pick<TestDatabase, 'config'>, adapter = 'portico') =>
  ({
    database: db.config,
    adapter,
    timezone: 'Europe/Oslo',
    wake: 'adaptive',
    logLevel: 'silent',
  }) as const satisfies BookingConfig;

/** Runs `migrate`. */
export const install = (db: Pick<TestDatabase, 'config'>, adapter?: string) =>
  migrate(bookingConfig(db, adapter), () => undefined, new AbortController().signal);

/** The environment of a daemon. */
export const environmentOf = (db: Pick<TestDatabase, 'url'>, tenant: Tenant): Environment => ({
  DATABASE_URL: db.url,
  GRAPH_TENANT_ID: tenant.tenantId,
  GRAPH_CLIENT_ID: tenant.clientId,
  GRAPH_CLIENT_SECRET: tenant.clientSecret,
  GRAPH_BASE_URL: tenant.graphBaseUrl,
  GRAPH_AUTHORITY: tenant.authority,
  PORT: '0',
  LOG_LEVEL: 'silent',
});

export const graphOf = (tenant: Tenant): GraphConfig => ({
  tenantId: tenant.tenantId,
  clientId: tenant.clientId,
  credential: { secret: tenant.clientSecret },
  baseUrl: tenant.graphBaseUrl,
  authority: tenant.authority,
  proxy: null,
});
