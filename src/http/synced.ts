/** What was done to items, as the guide prints it. */
import { z } from '@hono/zod-openapi';
import type { Outcome } from '../sync/outcomes.ts';

export const detailSchema = z
  .object({
    item_type: z.string().nullable(),
    item_id: z.number().int().nullable(),
    resource_id: z.number().int(),
    action: z.string().openapi({
      description:
        'created, updated, deleted, adopted (an event that was there already), shadowed, unchanged, forgotten ' +
        '(nothing to show), error, held (by the brake), pending (not done in time; it follows)',
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
    pending: z.number().int().openapi({ description: 'Not done within 20 s; they follow by themselves.' }),
    details: z.array(detailSchema),
  })
  .openapi('SyncResults');

export function summarise(outcomes: readonly Outcome[]) {
  const count = (...actions: readonly Outcome['action'][]) =>
    outcomes.filter((outcome) => actions.includes(outcome.action)).length;
  const pending = count('pending');
  return {
    processed: outcomes.length - pending,
    created: count('created'),
    updated: count('updated', 'adopted'),
    deleted: count('deleted'),
    unchanged: count('unchanged', 'forgotten', 'shadowed'),
    errors: count('error', 'held'),
    pending,
    details: outcomes.map(detailOf),
  };
}

export const detailOf = (outcome: Outcome) => ({
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
