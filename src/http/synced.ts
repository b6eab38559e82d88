/** Results for items, in the guide's form. */
import { z } from '@hono/zod-openapi';
import type { Id } from '../id.ts';
import type { ItemOutcome } from '../sync/manual/outcomes.ts';
import { Problem } from './problem.ts';
import { answeredId } from './schema.ts';

export const detailSchema = z
  .object({
    item_type: z.string().nullable(),
    item_id: answeredId.nullable(),
    resource_id: z.number().int(),
    action: z.string().openapi({
      description:
        'created, updated, deleted, declined, adopted (an existing event was matched), shadowed, unchanged, forgotten ' +
        '(nothing to show), imported, joined, booking-updated, booking-cancelled (because of Outlook), error, held ' +
        '(by the brake, or a conflict), pending (not finished in time; it continues)',
    }),
    outlook_event_id: z.string().nullable(),
    title: z.string().nullable(),
    mapping_id: z.number().int().nullable(),
    error: z.string().optional(),
    hint: z.string().optional(),
  })
  .openapi('SyncedItem');

export const resultsSchema = z
  .object({
    processed: z.number().int(),
    created: z.number().int(),
    updated: z.number().int(),
    deleted: z.number().int(),
    unchanged: z.number().int(),
    errors: z.number().int(),
    pending: z
      .number()
      .int()
      .openapi({ description: 'Not finished within 20 s; they continue in the background.' }),
    details: z.array(detailSchema),
  })
  .openapi('SyncResults');

export function summarise(outcomes: readonly ItemOutcome[]) {
  const count = (...actions: readonly ItemOutcome['action'][]) =>
    outcomes.filter((outcome) => actions.includes(outcome.action)).length;
  const pending = count('pending');
  return {
    processed: outcomes.length - pending,
    created: count('created'),
    updated: count('updated', 'adopted'),
    deleted: count('deleted', 'declined'),
    unchanged: count('unchanged', 'forgotten', 'shadowed'),
    errors: count('error', 'held'),
    pending,
    details: outcomes.map(detailOf),
  };
}

export const detailOf = (outcome: ItemOutcome) => ({
  item_type: outcome.type,
  item_id: outcome.reservationId,
  resource_id: outcome.resourceId,
  action: outcome.action,
  outlook_event_id: outcome.eventId,
  title: outcome.title,
  mapping_id: outcome.mappingId,
  ...(outcome.error === null ? {} : { error: outcome.error }),
  ...(outcome.hint === null ? {} : { hint: outcome.hint }),
});

/** An item without a mapping that needed no action. */
export const untouched = (type: string, id: Id, resource: number) => ({
  item_type: type,
  item_id: id,
  resource_id: resource,
  action: 'unchanged',
  outlook_event_id: null,
  title: null,
  mapping_id: null,
});

export const settledAs = (result: z.input<typeof detailSchema>, message: string) => ({
  success: true as const,
  message,
  result,
});

/** The answer about one item; throws a Problem if it failed or is held. */
export function settledItem(outcome: ItemOutcome, item: string, done: string) {
  const result = detailOf(outcome);
  if (outcome.action === 'error')
    throw new Problem(422, outcome.error ?? `${item} could not be synced.`, outcome.hint ?? 'See the log.', {
      more: { result },
    });
  if (outcome.action === 'held')
    throw new Problem(
      409,
      outcome.error ?? `${item} is held by the brake.`,
      outcome.hint ?? 'See GET /rooms.',
      {
        more: { result },
      },
    );
  if (outcome.action === 'pending')
    return settledAs(result, `${item} is not done yet; it follows as soon as its room can be worked on`);
  return settledAs(result, done);
}
