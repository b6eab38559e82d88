/** Tests impossible meetings, unknown reservations and long texts. */
import type pg from 'pg';
import { failureInWords } from '../adapter-error.ts';
import type { Ability } from '../abilities.ts';
import { sqlState } from '../database.ts';
import { attempt, changeItem, importItem, undone } from './adapter-calls.ts';
import type { Item, Key, Slot } from './adapter-meeting.ts';
import type { Report } from './doctor-findings.ts';

/**
 * Checks that impossible meetings are refused with an error that is not retried: other errors would be retried forever, and
 * no error would create the booking.
 */
export async function checkRefusals(
  client: pg.Client,
  slot: Slot,
  item: Item,
  report: Report,
): Promise<void> {
  const impossible: readonly (readonly [property: string, change: object])[] = [
    ['without a room', { resource_ids: [] }],
    ['in an unknown room', { resource_ids: [2_000_000_000] }],
    ['without a start', { starts_at: null }],
    ['that ends before it starts', { starts_at: slot.later, ends_at: slot.starts_at }],
  ];
  for (const [property, change] of impossible) {
    const error = await undone(client, () => importItem(client, { ...item, ...change, overlap: 'allow' }));
    if (error !== null && /^(22|23|P0001)/.test(sqlState(error) ?? '')) continue;
    report(
      'problem',
      'functions',
      `A meeting ${property} ${error === null ? 'was imported' : `failed: ${failureInWords(error)}`}.`,
      "In bridge_import_item: IF … THEN RAISE EXCEPTION '…' USING ERRCODE = '22023'; (an IF on NULL is not true).",
    );
  }
}

/** Checks the error for a reservation that does not exist, which must not be retried or count as a success. */
export async function checkUnknown(client: pg.Client, { type }: Key, report: Report): Promise<void> {
  const calls = [
    ['bridge_change_item', JSON.stringify({ title: 'Adapter check' })],
    ['bridge_cancel_item', 'Adapter check'],
  ] as const;
  for (const [name, value] of calls) {
    const error = await attempt(client, `SELECT ${name}($1, $2::bigint, $3)`, [type, 0, value]);
    if (sqlState(error) === 'P0002') continue;
    report(
      'problem',
      'functions',
      `${name} of a reservation that does not exist ${error === null ? 'succeeded' : `failed: ${failureInWords(error)}`}.`,
      `In ${name}: RAISE EXCEPTION … USING ERRCODE = 'P0002' if no row is found.`,
    );
  }
}

/** Texts as long as Outlook allows; the invitations of an online meeting have thousands of characters. */
const longTexts = {
  title: 'Adapter check '.padEnd(255, '.'),
  description: 'Adapter check '.padEnd(20_000, '.'),
  organizer_name: 'Adapter check '.padEnd(255, '.'),
};

/** Checks that long texts are shortened: an error would park each meeting with a long text. */
export async function checkLongTexts(
  client: pg.Client,
  key: Key,
  item: Item,
  abilities: ReadonlySet<Ability>,
  report: Report,
): Promise<void> {
  if (abilities.has('no-text')) return;
  const calls = [
    ['bridge_import_item', () => importItem(client, { ...item, ...longTexts, overlap: 'allow' })],
    ['bridge_change_item', () => changeItem(client, key, longTexts)],
  ] as const;
  for (const [name, call] of calls) {
    const error = await undone(client, call);
    // a system without overlaps refuses the taken slot
    if (error === null || sqlState(error) === '23P01') continue;
    report(
      'problem',
      'functions',
      `A meeting with a long title and text failed: ${failureInWords(error)}.`,
      `Shorten texts to the length of their columns in ${name}: left(… ->> 'title', 100).`,
    );
  }
}
