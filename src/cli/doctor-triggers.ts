/** Whether the booking system's triggers are there, enabled, and work. */
import type pg from 'pg';
import { readCapture } from '../booking/capture.ts';
import { triggerFailures } from '../booking/trigger-trial.ts';
import { migrateCommand } from '../command-name.ts';
import type { Find } from './doctor-findings.ts';

const mostTriggers = 20;

export async function checkTriggers(client: pg.Client, find: Find): Promise<void> {
  const { missing, extra, repair } = await readCapture(client);
  const mend = repair?.replaceAll('; ', ';\n') ?? null;
  const more = missing.length > mostTriggers ? `; and ${missing.length - mostTriggers} more` : '';
  // one repair mends them all, so they are one finding
  if (missing.length > 0)
    find('problem', 'triggers', `${missing.slice(0, mostTriggers).join('; ')}${more}.`, mend);
  if (extra.length > 0)
    find('warning', 'triggers', `${extra.join('; ')}: it costs each write, and is of no use.`, dropOf(extra));
  const failing = await triggerFailures(client, 'alone');
  for (const [why, tables] of failing)
    find(
      'problem',
      'triggers',
      `Changes of ${tables.join(', ')} are not noted: ${why}`,
      `Did an upgrade of the booking system rename a column? Take the adapter's version for it, then: ${migrateCommand}`,
    );
  if (missing.length === 0 && failing.size === 0) find('ok', 'triggers', 'all there, enabled and working');
}

const dropOf = (extra: readonly string[]) =>
  extra.map((one) => one.replace(/^the trigger (.*) is not declared$/, 'DROP TRIGGER $1;')).join('\n');
