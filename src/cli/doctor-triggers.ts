/** `doctor`: whether the triggers on the booking system's tables exist, are enabled, and work. */
import type pg from 'pg';
import { readCapture } from '../booking/capture.ts';
import { unrecordedRelatives } from '../booking/inherited.ts';
import { triggerFailures } from '../booking/trigger-trial.ts';
import { migrateCommand } from '../command-name.ts';
import type { Report } from './doctor-findings.ts';

const mostTriggers = 20;

export async function checkTriggers(client: pg.Client, report: Report): Promise<void> {
  const { missing, extra, repair } = await readCapture(client);
  const statements = repair?.replaceAll('; ', ';\n') ?? null;
  const more = missing.length > mostTriggers ? `; and ${missing.length - mostTriggers} more` : '';
  // one finding, because one repair fixes all of them
  if (missing.length > 0)
    report('problem', 'triggers', `${missing.slice(0, mostTriggers).join('; ')}${more}.`, statements);
  if (extra.length > 0)
    report(
      'warning',
      'triggers',
      `${extra.join('; ')}: it slows down writes and has no effect.`,
      dropOf(extra),
    );
  const relatives = missing.length > 0 ? [] : await unrecordedRelatives(client);
  for (const { message, repair } of relatives) report('warning', 'triggers', message, repair);
  const failing = await triggerFailures(client, 'alone');
  for (const [why, tables] of failing)
    report(
      'problem',
      'triggers',
      `Changes of ${tables.join(', ')} are not recorded: ${why}`,
      `If an upgrade of the booking system renamed a column, use a version of the adapter for it, then: ${migrateCommand}`,
    );
  if (missing.length === 0 && relatives.length === 0 && failing.size === 0)
    report('ok', 'triggers', 'complete, enabled and working');
}

const dropOf = (extra: readonly string[]) =>
  extra.map((one) => one.replace(/^the trigger (.*) is not declared$/, 'DROP TRIGGER $1;')).join('\n');
