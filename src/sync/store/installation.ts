/** The settings of the installation in its database. */
import type { Queryable } from '../../database.ts';
import type { AppearanceSettings } from '../../appearance.ts';
import { Invalid } from '../../errors.ts';
import { queryRows, queryValue } from '../../query.ts';

export interface Installation {
  /** Namespace of the idempotency keys, created by `migrate`. */
  readonly id: string;
  readonly rooms: number;
}

/**
 * Throws Invalid if the settings in the database differ from those of this process: wall-clock times would be read in the wrong
 * zone, which moves every booking.
 */
export async function readInstallation(
  db: Queryable,
  timezone: string,
  adapter: string,
): Promise<Installation> {
  const rows = await queryRows<{ name: string; value: string }>(
    db,
    'SELECT name, value FROM bridge_settings',
  );
  const settings = new Map(rows.map((row) => [row.name, row.value]));
  for (const [name, variable, wanted] of [
    ['timezone', 'BOOKING_TIMEZONE', timezone],
    ['adapter', 'BOOKING_ADAPTER', adapter],
  ] as const) {
    const stored = settings.get(name);
    if (stored !== undefined && stored !== wanted)
      throw new Invalid(
        variable,
        `${variable} is '${wanted}', but this database was set up with '${stored}'.`,
        `Set ${variable}=${stored}, or change it on purpose: UPDATE bridge_settings SET value = '${wanted}' WHERE name = '${name}'; then run migrate.`,
      );
  }
  const rooms = await queryValue<number>(
    db,
    'SELECT count(*) AS rooms FROM bridge_resource_mappings WHERE active = 1',
  );
  return { id: settings.get('installation_id') ?? '', rooms };
}

/** The appearance of items in rooms without own settings. A change takes effect at once: a trigger compares all rooms. */
export async function storeAppearance(db: Queryable, settings: AppearanceSettings): Promise<void> {
  await db.query(
    `INSERT INTO public.bridge_settings (name, value) VALUES ('privacy', $1), ('title_template', $2), ('tentative_prefix', $3)
     ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = now() WHERE bridge_settings.value <> excluded.value`,
    [settings.privacy, settings.titleTemplate, settings.tentativePrefix],
  );
}
